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

struct SQLiteConnection: SQLConnection {
    let database: Database

    /// To SQLite `$2` is a *name*, numbered by where it first stands in the text; only `?2` is the second argument.
    /// Without this, a statement that mentions `$2` before `$1` would bind the wrong values and say nothing.
    private func statement(_ sql: String) throws -> Statement {
        try database.cachedStatement(sql: String(decoding: sql.utf8.map { $0 == 0x24 ? 0x3F : $0 }, as: UTF8.self))
    }

    func execute(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) { _ = try rowsChanged(by: sql, arguments) }

    /// There is one writer at a time, and it sees the newest state.
    func queryForUpdate(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
        try query(sql, arguments)
    }

    func hasTable(_ name: String) throws(SQLError) -> Bool {
        try !query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1", [.text(name)]).isEmpty
    }

    func lockSchema() {}

    // To the millisecond; older versions of SQLite know nothing finer.
    var nowExpression: String { "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000" }

    func rowsChanged(by sql: String, _ arguments: [SQLValue]) throws(SQLError) -> Int {
        do {
            try statement(sql).execute(
                arguments: StatementArguments(arguments.map(\.databaseValue))
            )
            return database.changesCount
        } catch {
            throw SQLError(error, "SQLite")
        }
    }

    func query(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
        do {
            let statement = try statement(sql)
            let rows = try Row.fetchAll(statement, arguments: StatementArguments(arguments.map(\.databaseValue)))
            return rows.map { row in
                SQLRow(
                    Dictionary(
                        row.map { ($0, SQLValue($1)) },
                        uniquingKeysWith: { first, _ in first }
                    )
                )
            }
        } catch {
            throw SQLError(error, "SQLite")
        }
    }
}

extension SQLValue {
    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let value): value.databaseValue
        case .text(let value): value.databaseValue
        }
    }

    fileprivate init(_ value: DatabaseValue) {
        switch value.storage {
        case .null: self = .null
        case .int64(let number): self = .integer(number)
        case .double(let number): self = .text(String(number))
        case .string(let text): self = .text(text)
        case .blob(let data): self = .text(String(decoding: data, as: UTF8.self))
        }
    }
}
