/// Steps that bring a database's schema up to date. Append-only: a released step is never changed.
public struct SQLMigrations: Sendable {
    /// Each step's statements; the first step's number is 1.
    private let steps: [[String]]

    public init(_ steps: [[String]]) { self.steps = steps }

    public var version: Int { steps.count }

    /// Applies what is missing, in one transaction.
    /// - Throws: `.tooNew` when the database has steps this program does not know.
    public func apply(to database: some SQLDatabase) async throws(SQLError) {
        // Only what is behind is written: a listing must not wait for a writer.
        if await isApplied(to: database) { return }
        try await database.write { (connection) throws(SQLError) in
            // Many workers start at once; one does it and the others find it done.
            try connection.lockSchema()
            try connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
            let current = try connection.query("SELECT version FROM schema_version").first?.integer("version")
            let done = Int(current ?? 0)
            guard done <= steps.count else {
                throw SQLError(
                    .tooNew,
                    "the database has schema version \(done), this program knows \(steps.count); use the newer program"
                )
            }
            guard done < steps.count else { return }
            for statement in steps[done...].joined() { try connection.execute(statement) }
            try connection.execute("DELETE FROM schema_version")
            try connection.execute("INSERT INTO schema_version (version) VALUES ($1)", [SQLValue(steps.count)])
        }
    }

    /// How far a database is. Changes nothing.
    public func status(of database: some SQLDatabase) async throws(SQLError) -> SchemaStatus {
        do throws(SQLError) {
            let version = try await database.read { (connection) throws(SQLError) in
                try connection.query("SELECT version FROM schema_version").first?.integer("version")
            }
            return SchemaStatus(version: Int(version ?? 0), known: steps.count)
        } catch {
            // The database answers, and has no such table.
            guard error.kind == .corrupt else { throw error }
            return SchemaStatus(version: 0, known: steps.count)
        }
    }

    /// Any error, such as a table that is not there yet, is for `apply` to meet.
    private func isApplied(to database: some SQLDatabase) async -> Bool {
        let version = try? await database.read { (connection) throws(SQLError) in
            try connection.query("SELECT version FROM schema_version").first?.integer("version")
        }
        return version == Int64(steps.count)
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
