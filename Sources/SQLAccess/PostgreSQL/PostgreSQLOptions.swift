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
    let options: PostgreSQLOptions
    /// What the URL says, by libpq's keywords.
    private let given: [String: String]

    /// - Throws: without a word of the URL, in which a password may stand anywhere.
    init(_ url: String, _ options: PostgreSQLOptions) throws(SQLError) {
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
        self.given = given
    }

    private static let unreadable = SQLError(
        .unavailable,
        "the PostgreSQL URL cannot be read; it is postgresql://user:password@host/name, percent-encoded"
    )

    /// What every transaction runs under.
    private var settings: [(name: String, value: String)] {
        func milliseconds(_ duration: Duration) -> String { String(duration.wholeMilliseconds) }
        return [
            ("statement_timeout", milliseconds(options.statementTimeout)),
            ("lock_timeout", milliseconds(options.lockTimeout)),
            // Only a stopped or dying worker leaves one open: after this time its rows are free for others.
            ("idle_in_transaction_session_timeout", milliseconds(options.answerTimeout)),
            // A commit is on the disk when it returns, whatever the role's or the database's default is.
            ("synchronous_commit", "on"),
        ]
    }

    /// The same and the URL's own, which come last and win: for a transaction behind a pooler, where what a connection was
    /// opened with is not what its transactions run under. Nil when the URL's options hold anything but settings.
    var transactionSettings: [(name: String, value: String)]? {
        Self.settings(in: given["options"] ?? "").map { settings + $0 }
    }

    /// Keywords in libpq's order: what stands before the URL's yields to them, what stands behind does not.
    /// - Parameter withOptions: false for a pooler that takes none.
    func keywords(withOptions: Bool) -> [(String, String)] {
        var given = given
        let own = given.removeValue(forKey: "options") ?? ""
        // The URL's own come last: they win.
        let session = (settings.map { "-c \($0.name)=\($0.value)" } + [own]).joined(separator: " ")
        return [
            ("connect_timeout", String(max(2, options.connectTimeout.wholeMilliseconds / 1000))),
            ("fallback_application_name", "goldsmith"),
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", String(options.answerTimeout.wholeMilliseconds)),
        ] + given.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + [("client_encoding", "UTF8")]
            + (withOptions ? [("options", session)] : [])
    }

    /// The settings in an `options` text, as the server reads it: words apart by blanks, a backslash before what is meant
    /// as it is; `-c name=value`, `-cname=value` and `--name=value`.
    /// - Returns: nil when there is anything else in it.
    static func settings(in text: String) -> [(name: String, value: String)]? {
        var words: [String] = []
        var word: String?
        var isEscaped = false
        for character in text {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character.isWhitespace {
                if let word { words.append(word) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        var settings: [(name: String, value: String)] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            let setting: Substring
            if word == "-c" {
                guard let next = rest.popFirst() else { return nil }
                setting = next[...]
            } else if word.hasPrefix("--") || word.hasPrefix("-c") {
                setting = word.dropFirst(2)
            } else {
                return nil
            }
            guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else { return nil }
            let name = setting[..<equals].replacing("-", with: "_")
            settings.append((String(name), String(setting[setting.index(after: equals)...])))
        }
        return settings
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
