/// What a database says of itself.
public struct DatabaseFacts: Equatable, Sendable {
    /// A setting under which commits are not durable, or not possible.
    public struct Problem: Equatable, Sendable {
        public var message: String
        public var advice: String
    }

    public var product: String
    public var version: String
    /// By its own clock, in microseconds since 1970.
    public var microseconds: Int64
    public var problems: [Problem]
    /// Whether a pooler between this program and the server shares its connections among clients.
    public var isPooled = false
}

extension SQLiteDatabase {
    public func facts() async throws(SQLError) -> DatabaseFacts {
        try await read { (connection) throws(SQLError) in try .ofSQLite(connection) }
    }
}

extension SQLiteMemory {
    public func facts() async throws(SQLError) -> DatabaseFacts {
        try await read { (connection) throws(SQLError) in try .ofSQLite(connection) }
    }
}

extension DatabaseFacts {
    /// Durability is asked for, and its answer looked at, whenever a file is opened.
    fileprivate static func ofSQLite(_ connection: any SQLConnection) throws(SQLError) -> DatabaseFacts {
        let rows = try connection.query("SELECT sqlite_version() AS version, \(connection.nowExpression) AS now")
        guard let row = rows.first else { throw SQLError(.unavailable, "SQLite says nothing of itself") }
        return DatabaseFacts(
            product: "SQLite",
            version: try row.text("version"),
            microseconds: try row.integer("now"),
            problems: []
        )
    }
}

extension PostgreSQLDatabase {
    /// The oldest server that is known to do.
    private static let oldest = 12

    public func facts() async throws(SQLError) -> DatabaseFacts {
        var facts = try await read { (connection) throws(SQLError) in
            let rows = try connection.query(
                """
                SELECT current_setting('server_version') AS version,
                    CAST(current_setting('server_version_num') AS BIGINT) AS number,
                    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
                    current_setting('synchronous_commit') AS synchronous_commit,
                    CAST(pg_is_in_recovery() AS TEXT) AS standby, \(connection.nowExpression) AS now
                """
            )
            guard let row = rows.first else { throw SQLError(.unavailable, "PostgreSQL says nothing of itself") }
            var problems: [DatabaseFacts.Problem] = []
            if try row.integer("number") < Self.oldest * 10_000 {
                problems.append(
                    .init(message: "it is too old", advice: "use PostgreSQL \(Self.oldest) or newer")
                )
            }
            for name in ["fsync", "full_page_writes", "synchronous_commit"] where try row.text(name) == "off" {
                problems.append(
                    .init(
                        message: "\(name) is off: a commit can be gone after a power failure",
                        advice: "set \(name) = on, for the server, this user and this database"
                    )
                )
            }
            if try row.text("standby") == "true" {
                problems.append(
                    .init(
                        message: "this is a standby, which takes no writes",
                        advice: "name both hosts in the URL, with target_session_attrs=read-write"
                    )
                )
            }
            return DatabaseFacts(
                product: "PostgreSQL",
                version: try row.text("version"),
                microseconds: try row.integer("now"),
                problems: problems
            )
        }
        facts.isPooled = isPooled
        return facts
    }
}
