/// For which owners a user of the broker may ask.
///
/// The broker vouches for a message's `user_id`: it refuses one that is not the user of its connection.
public enum Authority: Equatable, Sendable {
    /// Every publisher may ask for any owner. For a broker without other users.
    case everybody
    /// Only these, each for these owners.
    case users([String: Owners])

    public enum Owners: Equatable, Sendable {
        case all
        case these(Set<Owner>)

        func contains(_ owner: Owner) -> Bool {
            switch self {
            case .all: true
            case .these(let owners): owners.contains(owner)
            }
        }
    }

    /// `nil` when `user` may ask for `owner`.
    public func refusal(of user: String?, for owner: Owner) -> Rejection? {
        switch self {
        case .everybody: return nil
        case .users(let users):
            guard let user else {
                return Rejection(
                    .permissionDenied,
                    "the message says no user_id; set it to the broker's user that publishes",
                    field: "user_id"
                )
            }
            if users[user]?.contains(owner) == true { return nil }
            return Rejection(.permissionDenied, "this user may not ask for owner \(owner)", field: "user_id")
        }
    }

    /// Reads `web=acct-42,acct-43;ops=*`, or `*` for everyone; empty means no one. `nil` when it is neither.
    public init?(_ text: String) {
        if text == "*" {
            self = .everybody
            return
        }
        var users: [String: Owners] = [:]
        for entry in text.split(separator: ";") {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                String($0.trimmingSpaces())
            }
            guard parts.count == 2, !parts[0].isEmpty, users[parts[0]] == nil else { return nil }
            if parts[1] == "*" {
                users[parts[0]] = .all
                continue
            }
            var owners: Set<Owner> = []
            for name in parts[1].split(separator: ",") {
                guard let owner = Owner(String(name.trimmingSpaces())) else { return nil }
                owners.insert(owner)
            }
            guard !owners.isEmpty else { return nil }
            users[parts[0]] = .these(owners)
        }
        self = .users(users)
    }
}

extension Substring {
    fileprivate func trimmingSpaces() -> Substring {
        let start = drop { $0 == " " }
        return start.prefix(upTo: start.lastIndex { $0 != " " }.map { start.index(after: $0) } ?? start.startIndex)
    }
}
