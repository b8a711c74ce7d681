import Foundation

/// Where the broker's management plugin answers, as the setting `managementUrl` says, and as whom to ask.
struct ManagementAddress: Sendable {
    /// Without the user's name and password, and without a slash at the end.
    let base: String
    let user: String
    let password: String

    /// Reads `http[s]://user:password@host:port`, each part percent-encoded.
    init?(_ url: String) {
        guard var parts = URLComponents(string: url), parts.scheme == "http" || parts.scheme == "https",
            parts.host?.isEmpty == false, parts.query == nil, parts.fragment == nil,
            let user = parts.user, !user.isEmpty
        else { return nil }
        self.user = user
        password = parts.password ?? ""
        (parts.user, parts.password) = (nil, nil)
        guard let base = parts.string, (user + password + base).allSatisfy({ !$0.isNewline && $0 != "\0" }) else {
            return nil
        }
        self.base = base.hasSuffix("/") ? String(base.dropLast()) : base
    }
}
