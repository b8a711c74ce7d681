import HTTPTypes
import Hummingbird
import ImageCore

/// Programs' requests on an owner's behalf, and their outcome.
struct ActionInterface: Sendable {
    let pages: Pages
    let requests: RequestClient

    func add(to inside: RouterGroup<ConsoleContext>) {
        for action in ImageAction.allCases {
            inside.post("images/:id/\(action.rawValue)") { request, context in
                try await send(action, try await request.object(), context)
            }
        }
        inside.get("request") { request, _ in try await answer(request) }
    }

    private func send(
        _ action: ImageAction,
        _ fields: [String: JSONValue],
        _ context: ConsoleContext
    ) async throws -> Response {
        let account = try context.operatingAccount()
        let image = try await pages.image(try context.imageID())
        var body = fields
        guard body.updateValue(.string(image.id.text), forKey: "imageId") == nil else {
            throw Problem(Rejection(.invalidArgument, "the image stands in the address", field: "imageId"))
        }
        let owner = try Self.text("owner", in: body) ?? image.owner.text
        let requestID = try Self.text("requestId", in: body) ?? RequestClient.newRequestID().text
        guard let owner = Owner(owner) else {
            throw Problem(Rejection(.invalidArgument, "owner is not valid: \(Owner.sentence)", field: "owner"))
        }
        guard let requestID = ImageCore.RequestID(requestID) else {
            throw Problem(
                Rejection(
                    .invalidArgument,
                    "requestId is not valid: \(ImageCore.RequestID.sentence)",
                    field: "requestId"
                )
            )
        }
        let identity = RequestIdentity(owner: owner, requestID: requestID)
        switch try await requests.ask(action.operation, identity, body, by: account, context.logger) {
        case .rejected(let rejection): throw Problem(rejection)
        case .accepted(let answer): return .json(RequestDocument(identity, answer))
        case .sent:
            var response = Response.json(RequestDocument(identity, nil))
            response.status = .accepted
            return response
        }
    }

    private func answer(_ request: Request) async throws -> Response {
        guard let identity = FormFields(parsing: request.uri.query ?? "").flatMap({ RequestIdentity($0) }) else {
            throw Problem(Rejection(.invalidArgument, "owner and id must be those of a request", field: "id"))
        }
        let page = try await pages.request(identity)
        guard page.recorded != nil || page.isWaiting else {
            throw Problem(.notFound, "no request of that owner and id is known", advice: "it may not be answered yet")
        }
        return .json(RequestDocument(identity, page.recorded?.answer))
    }

    private static func text(_ name: String, in fields: [String: JSONValue]) throws -> String? {
        switch fields[name] {
        case nil, .null?: return nil
        case .string(let text)?: return text
        default: throw Problem(Rejection(.invalidArgument, "\(name) must be a string", field: name))
        }
    }
}

/// A request, and its answer once there is one.
private struct RequestDocument: Encodable {
    var owner: Owner
    var requestId: ImageCore.RequestID
    var answer: Answer?

    init(_ identity: RequestIdentity, _ answer: Answer?) {
        owner = identity.owner
        requestId = identity.requestID
        self.answer = answer
    }
}

extension RequestIdentity {
    /// As the fields of an address say it.
    init?(_ fields: FormFields) {
        guard let owner = fields["owner"].flatMap({ Owner($0) }),
            let id = fields["id"].flatMap({ ImageCore.RequestID($0) })
        else { return nil }
        self.init(owner: owner, requestID: id)
    }
}
