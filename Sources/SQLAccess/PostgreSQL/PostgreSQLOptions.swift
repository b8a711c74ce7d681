import CPostgres

/// How long PostgreSQL may take. A lock is waited for less long than a statement may run, and a statement runs less long
/// than its answer is waited for: so the server says itself what took too long, as long as it can say anything.
public struct PostgreSQLOptions: Sendable {
    /// Connections of this process, at least 1. Default 4.
    public var connections = 4
    /// From the first packet to a usable connection, for each host the URL names. Default 5 s.
    public var connectTimeout: Duration = .seconds(5)
    /// How long a statement waits for another transaction's row. Default 5 s.
    public var lockTimeout: Duration = .seconds(5)
    /// How long a statement may run. Default 10 s.
    public var statementTimeout: Duration = .seconds(10)
    /// Without a byte from the server for so long while an answer is due, the connection is given up. Default 15 s.
    public var answerTimeout: Duration = .seconds(15)

    public init() {}
}

/// A URL as libpq understands it, checked, and what is added to it.
struct PostgreSQLEndpoint: Sendable {
    let url: String
    let options: PostgreSQLOptions
    /// The URL's own `options`.
    private let given: String

    /// - Throws: without a word of the URL, in which a password may stand anywhere.
    init(_ url: String, _ options: PostgreSQLOptions) throws(SQLError) {
        self.url = url
        self.options = options
        guard let known = PQconninfoParse(url, nil) else {
            throw Self.unreadable
        }
        defer { PQconninfoFree(known) }
        var given: [String: String] = [:]
        var option = known
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        // An `@`, `:` or `/` of a password that is not percent-encoded ends up in one of these, and libpq would repeat it
        // when it does not find the host.
        let host = given["host"] ?? ""
        let isHost = host.hasPrefix("/") || !host.contains { "@/".contains($0) }
        let isPort = given["port"]?.allSatisfy { $0.isNumber || $0 == "," } ?? true
        guard isHost, isPort, given["dbname"]?.contains("@") != true else { throw Self.unreadable }
        self.given = given["options"] ?? ""
    }

    private static let unreadable = SQLError(
        .unavailable,
        "the PostgreSQL URL cannot be read; it is postgresql://user:password@host/name, percent-encoded"
    )

    /// Keywords in libpq's order: what stands before `dbname` yields to the URL, what stands behind does not.
    var keywords: [(String, String)] {
        let session = [
            "statement_timeout": options.statementTimeout, "lock_timeout": options.lockTimeout,
            // Only a stopped or dying worker leaves one open: everybody else's rows are free again then.
            "idle_in_transaction_session_timeout": options.answerTimeout,
        ]
        // A commit is on the disk when it returns, whatever the role's or the database's default is.
        let settings =
            session.map { "-c \($0.key)=\($0.value.wholeMilliseconds)" }.sorted() + ["-c synchronous_commit=on"]
        return [
            ("connect_timeout", String(max(2, options.connectTimeout.wholeMilliseconds / 1000))),
            ("fallback_application_name", "goldsmith"),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", String(options.answerTimeout.wholeMilliseconds)),
            ("dbname", url),
            ("client_encoding", "UTF8"),
            // The URL's own come last: they win.
            ("options", (settings + [given]).joined(separator: " ")),
        ]
    }
}

extension PostgreSQLEndpoint: CustomStringConvertible, CustomReflectable {
    // The URL holds a password: it shows in no print and no dump, also of whatever holds an endpoint.
    var description: String { "a PostgreSQL server" }
    var customMirror: Mirror { Mirror(self, children: []) }
}

extension Duration {
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
