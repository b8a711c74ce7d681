/// Steps that bring a database's schema up to date. Append-only: a released step is never changed.
public struct SQLMigrations: Sendable {
    /// Each step's statements; the first step's number is 1.
    private let steps: [[String]]

    public init(_ steps: [[String]]) { self.steps = steps }

    public var version: Int { steps.count }

    /// Applies what is missing, in one transaction.
    /// - Throws: `.tooNew` when the database has steps this program does not know, `.damaged` when it is damaged.
    public func apply(to database: some SQLDatabase) async throws(SQLError) {
        // Write only if the schema is behind: starting must not wait for a writer.
        if try await status(of: database).state == .current { return }
        try await database.write { (connection) throws(SQLError) in
            // Many workers may start together; one migrates and the others find it done.
            try connection.lockSchema()
            let done = try version(in: connection)
            guard done <= steps.count else {
                throw SQLError(
                    .tooNew,
                    "the database has schema version \(done), this program knows \(steps.count); use the newer program"
                )
            }
            guard done < steps.count else { return }
            if done == 0 { try connection.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)") }
            for statement in steps[done...].joined() { try connection.execute(statement) }
            try connection.execute("DELETE FROM schema_version")
            try connection.execute("INSERT INTO schema_version (version) VALUES ($1)", [SQLValue(steps.count)])
        }
    }

    /// How far a database is. Changes nothing.
    /// - Throws: `.damaged` when it is damaged, `.unreadable` when its tables are not ours.
    public func status(of database: some SQLDatabase) async throws(SQLError) -> SchemaStatus {
        let version = try await database.read { (connection) throws(SQLError) in try self.version(in: connection) }
        return SchemaStatus(version: version, known: steps.count)
    }

    /// 0 only when there is no such table: it is made, and its one row written, in the transaction of the first step.
    private func version(in connection: any SQLConnection) throws(SQLError) -> Int {
        guard try connection.hasTable("schema_version") else { return 0 }
        // Whatever its columns are: another's table may have the same name.
        let rows = try connection.query("SELECT * FROM schema_version")
        guard rows.count == 1, let version = Int(exactly: try rows[0].integer("version")), version > 0 else {
            throw SQLError(.unreadable, "the table schema_version does not hold one version")
        }
        return version
    }
}

/// How far a database's schema is, beside what this program knows.
public struct SchemaStatus: Encodable, Equatable, Sendable {
    public enum State: String, Encodable, Sendable {
        /// No schema yet.
        case empty
        case behind
        case current
        /// Written by a newer program.
        case newer
    }

    /// 0 when there is no schema yet.
    public var version: Int
    public var known: Int
    public var state: State

    init(version: Int, known: Int) {
        (self.version, self.known) = (version, known)
        state = version == 0 ? .empty : version < known ? .behind : version == known ? .current : .newer
    }
}
