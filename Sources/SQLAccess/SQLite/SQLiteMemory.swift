import GRDB

/// SQLite in memory, worked by the caller's own thread: for a simulation, where no other thread may decide what comes
/// first. Gone with the process.
public final class SQLiteMemory: SQLDatabase {
    private let queue: DatabaseQueue

    public init() throws(SQLError) {
        do {
            queue = try DatabaseQueue()
        } catch {
            throw SQLError(error, "cannot open a database in memory")
        }
    }

    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try transact(.deferred, body)
    }

    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try transact(.immediate, body)
    }

    private func transact<Value: Sendable>(
        _ kind: Database.TransactionKind,
        _ body: @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) throws(SQLError) -> Value {
        var result: Value?
        do {
            try queue.inDatabase { database in
                try database.inTransaction(kind) {
                    result = try body(SQLiteConnection(database: database))
                    return .commit
                }
            }
        } catch {
            throw SQLError(error, "SQLite")
        }
        guard let result else { throw SQLError(.unavailable, "the transaction did not run") }
        return result
    }
}
