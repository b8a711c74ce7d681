/// Where the store is, as the setting `storeUrl` says.
enum StoreAddress: Sendable, CustomStringConvertible, CustomReflectable {
    /// The absolute path of a file.
    case sqlite(String)
    /// Contains the password; libpq reads it.
    case postgresql(String)

    init?(_ url: String) {
        if url.hasPrefix("sqlite:///") {
            self = .sqlite(String(url.dropFirst("sqlite://".count)))
        } else if url.hasPrefix("postgresql://") || url.hasPrefix("postgres://") {
            self = .postgresql(url)
        } else {
            return nil
        }
    }

    var description: String { kind }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// The name people know it by.
    var kind: String {
        switch self {
        case .sqlite: "SQLite"
        case .postgresql: "PostgreSQL"
        }
    }

    /// What to do when the database cannot be opened.
    var advice: String {
        switch self {
        case .sqlite(let path): "is \(path) there, and may this user write it?"
        case .postgresql:
            "does the server run, is \(SettingKey.storeUrl.environmentName) right, and may its user make tables there?"
        }
    }
}
