import ImageCore

/// Every address of the console. Links, redirects and the live updates know routes, never texts.
enum Route: Hashable, Sendable {
    case overview
    case images(ImageQuery)
    case image(ImageID)
    case instances
    case instance(InstanceID)
    case action(ImageAction, ImageID)
    case request(RequestIdentity)
    case deadLetters(DeadLetterFilter)
    case deadLetter(DeadLetterID)
    case replay(DeadLetterID)
    case discard(DeadLetterID)
    case quotas
    case quota(Owner)
    case login
    case logout
    case updates(String)
    case stylesheet
    case script
    case icon
    case document

    var address: String {
        switch self {
        case .overview: "/"
        case .images(let query): "/images" + Self.query(query.fields)
        case .image(let id): "/images/\(id)"
        case .instances: "/instances"
        case .instance(let id): "/instances/\(id)"
        case .action(let action, let id): "/images/\(id)/\(action.rawValue)"
        case .request(let identity):
            "/request" + Self.query([("owner", identity.owner.text), ("id", identity.requestID.text)])
        case .deadLetters(let filter): "/dead-letters" + Self.query(filter.fields)
        case .deadLetter(let id): "/dead-letters/\(id)"
        case .replay(let id): "/dead-letters/\(id)/replay"
        case .discard(let id): "/dead-letters/\(id)/discard"
        case .quotas: "/quotas"
        case .quota(let owner): "/quotas/\(owner)"
        case .login: "/login"
        case .logout: "/logout"
        case .updates(let page): "/updates" + Self.query([("page", page)])
        case .stylesheet: "/assets/console.css"
        case .script: "/assets/console.js"
        case .icon: "/assets/icon.svg"
        case .document: "/api/v1/openapi.json"
        }
    }

    private static func query(_ fields: [(String, String)]) -> String {
        guard !fields.isEmpty else { return "" }
        return "?" + fields.map { "\($0.0)=\(URLText.encoded($0.1))" }.joined(separator: "&")
    }

    /// The page of an address, as a browser sends it; `nil` when it has no live parts.
    init?(page address: String) {
        let parts = address.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let fields = parts.count == 2 ? FormFields(parsing: String(parts[1])) : FormFields()
        let words = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        guard let fields, words.first == "" else { return nil }
        switch words.dropFirst().map(String.init) {
        case [""]: self = .overview
        case ["images"]:
            guard let query = ImageQuery(fields) else { return nil }
            self = .images(query)
        case ["instances"]: self = .instances
        case ["request"]:
            guard let identity = RequestIdentity(fields) else { return nil }
            self = .request(identity)
        case ["quotas"]: self = .quotas
        case ["dead-letters"]:
            guard let filter = DeadLetterFilter(fields) else { return nil }
            self = .deadLetters(filter)
        case let words where words.count == 2 && words[0] == "dead-letters":
            guard let id = DeadLetterID(words[1]) else { return nil }
            self = .deadLetter(id)
        case let words where words.count == 2 && words[0] == "images":
            guard let id = ImageID(words[1]) else { return nil }
            self = .image(id)
        case let words where (2...3).contains(words.count) && words[0] == "instances":
            guard let id = InstanceID(words.dropFirst().joined(separator: "/")) else { return nil }
            self = .instance(id)
        default: return nil
        }
    }
}

extension ImageQuery {
    /// As the fields of a form or an address say it; `nil` when one of them cannot be.
    init?(_ fields: FormFields) {
        self.init()
        func parsed<Value>(_ name: String, _ parse: (String) -> Value?) -> Value?? {
            guard let text = fields[name], !text.isEmpty else { return .some(nil) }
            return parse(text).map { .some($0) }
        }
        guard let status = parsed("status", ImageStatus.init(rawValue:)), let owner = parsed("owner", { Owner($0) }),
            let instance = parsed("instance", { InstanceID($0) }), let page = parsed("page", { ImagePage($0) })
        else { return nil }
        self.status = status
        self.owner = owner
        instanceID = instance
        name = fields["name"].flatMap { $0.isEmpty ? nil : $0 }
        self.page = page
    }

    var fields: [(String, String)] {
        [
            ("status", status?.rawValue), ("owner", owner?.text), ("name", name), ("instance", instanceID?.text),
            ("page", page?.description),
        ].compactMap { name, value in value.map { (name, $0) } }
    }

    /// The same images from the newest on.
    var fromTheNewest: ImageQuery {
        var query = self
        query.page = nil
        return query
    }
}
