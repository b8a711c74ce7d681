import FoundationEssentials

/// What Keystone gives for a credential.
struct Token: Sendable {
    var value: String
    var expiresAt: Date
    var projectID: String
    var catalog: [CatalogEntry]

    /// Not used any more shortly before it expires: a request under way must not lose it.
    func isFresh(at now: Date) -> Bool { now.addingTimeInterval(120) < expiresAt }
}

/// The services that a cloud has, by their types in Keystone's catalog.
public enum CloudService: String, Sendable, CaseIterable {
    case compute
    case volumes
    case images
    case identity

    var types: [String] {
        switch self {
        case .compute: ["compute"]
        case .volumes: ["volumev3", "block-storage", "volume"]
        case .images: ["image"]
        case .identity: ["identity"]
        }
    }

    /// What a request asks for in `OpenStack-API-Version`. The first releases that have them are Train and Xena.
    var microversion: String? {
        switch self {
        case .compute: "compute 2.79"
        case .volumes: "volume 3.66"
        case .images, .identity: nil
        }
    }
}

struct CatalogEntry: Decodable, Sendable {
    var type: String
    var endpoints: [Endpoint]

    struct Endpoint: Decodable, Sendable {
        var interface: String
        var region: String?
        var url: String
    }
}

extension Token {
    struct Answer: Decodable {
        var token: Body

        struct Body: Decodable {
            var expires_at: String
            var project: Project?
            var catalog: [CatalogEntry]?
        }
        struct Project: Decodable { var id: String }
    }

    init(value: String, body: [UInt8]) throws(OpenStackError) {
        guard let answer = try? JSONText.decode(Answer.self, from: body), let project = answer.token.project else {
            throw OpenStackError(.malformed, "Keystone's answer is no token of a project")
        }
        self.value = value
        expiresAt = Self.moment(answer.token.expires_at) ?? .distantPast
        projectID = project.id
        catalog = answer.token.catalog ?? []
    }

    /// `2026-11-24T07:00:00.000000Z`
    private static func moment(_ text: String) -> Date? {
        let seconds = text.split(separator: ".", maxSplits: 1).first.map(String.init) ?? text
        return try? Date.ISO8601FormatStyle().parse(seconds.hasSuffix("Z") ? seconds : seconds + "Z")
    }

    /// - Throws: when the catalog has none, or several regions' and none is chosen.
    func url(of service: CloudService, for access: CloudAccess) throws(OpenStackError) -> String {
        if let address = access.addresses[service] {
            return Self.complete(address.replacing("%(project_id)s", with: projectID), of: service)
        }
        for type in service.types {
            let found = catalog.filter { $0.type == type }.flatMap(\.endpoints)
                .filter {
                    $0.interface == access.interface.rawValue && (access.region == nil || $0.region == access.region)
                }
            guard let endpoint = found.first else { continue }
            guard Set(found.map(\.region)).count == 1 else {
                throw OpenStackError(.unknownService, "the catalog has several regions; choose one")
            }
            return Self.complete(endpoint.url, of: service)
        }
        throw OpenStackError(
            .unknownService,
            "the catalog has no \(access.interface.rawValue) address of the service \(service.types[0])"
                + (access.region.map { " in region \($0)" } ?? "")
        )
    }

    /// Glance's addresses come with and without the version.
    private static func complete(_ address: String, of service: CloudService) -> String {
        var url = address
        while url.hasSuffix("/") { url.removeLast() }
        return service == .images && !url.hasSuffix("/v2") ? url + "/v2" : url
    }
}
