public import SQLAccess
import Synchronization

/// A database that counts its statements, and in which one of them fails.
public final class FailingDatabase: SQLDatabase {
    private let database: any SQLDatabase
    private let countdown = Mutex(0)
    private let total = Atomic(0)

    public init(_ database: any SQLDatabase) { self.database = database }

    /// Lets the statement fail that is number `number` from now, from 1.
    public func fail(at number: Int) { countdown.withLock { $0 = number } }
    /// Whether the failure is still to come.
    public var isArmed: Bool { countdown.withLock { $0 > 0 } }
    /// Statements so far, without those that begin and end transactions.
    public var statements: Int { total.load(ordering: .relaxed) }
    public func disarm() { countdown.withLock { $0 = 0 } }

    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try await database.read { (connection) throws(SQLError) in
            try body(Connection(connection: connection, owner: self))
        }
    }

    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try await database.write { (connection) throws(SQLError) in
            try body(Connection(connection: connection, owner: self))
        }
    }

    public func facts() async throws(SQLError) -> DatabaseFacts { try await database.facts() }

    private func count() throws(SQLError) {
        total.add(1, ordering: .relaxed)
        let isDue = countdown.withLock { countdown in
            countdown -= 1
            return countdown == 0
        }
        if isDue { throw SQLError(.unavailable, "this statement fails for a test") }
    }

    private struct Connection: SQLConnection {
        let connection: any SQLConnection
        let owner: FailingDatabase

        func execute(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) {
            try owner.count()
            try connection.execute(sql, arguments)
        }

        func rowsChanged(by sql: String, _ arguments: [SQLValue]) throws(SQLError) -> Int {
            try owner.count()
            return try connection.rowsChanged(by: sql, arguments)
        }

        func queryForUpdate(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
            try owner.count()
            return try connection.queryForUpdate(sql, arguments)
        }

        func hasTable(_ name: String) throws(SQLError) -> Bool {
            try owner.count()
            return try connection.hasTable(name)
        }

        func lockSchema() throws(SQLError) { try connection.lockSchema() }
        var nowExpression: String { connection.nowExpression }

        func query(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
            try owner.count()
            return try connection.query(sql, arguments)
        }
    }
}
