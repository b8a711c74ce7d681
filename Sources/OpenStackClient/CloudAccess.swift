/// How a cloud is reached: an application credential, which belongs to one user and one project.
public struct CloudAccess: Sendable {
    /// Which of the catalog's addresses are used.
    public enum Interface: String, Sendable, CaseIterable {
        case `public`
        case `internal`
        case admin
    }

    /// Keystone's, ending in `/v3`.
    public var authURL: String
    public var credentialID: String
    public var secret: CloudSecret
    /// `nil`: the catalog has one region only.
    public var region: String?
    public var interface: Interface
    /// A file of certificates to trust instead of the system's.
    public var caFile: String?
    /// Instead of the catalog's, `%(project_id)s` in them being the project's id.
    public var addresses: [CloudService: String]

    public init(
        authURL: String,
        credentialID: String,
        secret: CloudSecret,
        region: String? = nil,
        interface: Interface = .public,
        caFile: String? = nil,
        addresses: [CloudService: String] = [:]
    ) {
        var url = authURL
        while url.hasSuffix("/") { url.removeLast() }
        self.authURL = url.hasSuffix("/v3") ? url : url + "/v3"
        (self.credentialID, self.secret, self.region) = (credentialID, secret, region)
        (self.interface, self.caFile, self.addresses) = (interface, caFile, addresses)
    }
}

/// A secret that shows itself to nothing that prints.
public struct CloudSecret: Sendable, CustomStringConvertible, CustomReflectable {
    let text: String

    public init(_ text: String) { self.text = text }

    public var description: String { "<secret>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
