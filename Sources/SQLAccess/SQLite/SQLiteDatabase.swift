import GRDB
import Glibc

/// SQLite through GRDB: one connection a process, several processes on one machine.
///
/// A `DatabaseQueue` and not a `DatabasePool`: the pool sets `synchronous` back to NORMAL after every hook it offers,
/// and with NORMAL in WAL mode a committed transaction can be gone after a power failure.
public final class SQLiteDatabase: SQLDatabase {
    private let queue: DatabaseQueue
    private let group: GroupCommit

    /// How long a transaction waits for another process's, in seconds.
    private static let busyTimeout = 15.0

    /// Opens the database at `path`, or makes it.
    public init(path: String) throws(SQLError) {
        var configuration = Configuration()
        configuration.busyMode = .timeout(Self.busyTimeout)
        configuration.journalMode = .wal
        configuration.label = "goldsmith"
        do {
            queue = try Self.open(path, configuration)
            let synchronous = try queue.inDatabase { database in
                try database.execute(sql: "PRAGMA synchronous = FULL")
                return try Int.fetchOne(database, sql: "PRAGMA synchronous")
            }
            guard synchronous == 2 else {
                throw SQLError(.unavailable, "SQLite did not take synchronous=FULL; commits would not be durable")
            }
        } catch {
            throw SQLError(error, "cannot open \(path)")
        }
        group = GroupCommit(queue)
    }

    /// When several processes open a new database at once, one of them switches it to WAL, and SQLite tells the others
    /// that it is locked without waiting for the busy time-out.
    private static func open(_ path: String, _ configuration: Configuration) throws -> DatabaseQueue {
        let deadline = ContinuousClock.now + .seconds(busyTimeout)
        while true {
            do {
                return try DatabaseQueue(path: path, configuration: configuration)
            } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && .now < deadline {
                usleep(10_000)
            }
        }
    }

    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        // GRDB's own `async` functions refuse to work in a cancelled task, see GroupCommit.
        let result: Result<Value, SQLError> = await withCheckedContinuation { continuation in
            queue.asyncWriteWithoutTransaction { database in
                var result: Result<Value, SQLError>?
                do {
                    try database.inTransaction(.deferred) {
                        result = .success(try body(SQLiteConnection(database: database)))
                        return .commit
                    }
                } catch {
                    result = .failure(SQLError(error, "SQLite"))
                }
                continuation.resume(
                    returning: result ?? .failure(SQLError(.unavailable, "the transaction did not run"))
                )
            }
        }
        return try result.get()
    }

    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try await group.run(body).get()
    }
}
