import Dispatch
import Glibc
import Synchronization

/// One place in the pool: a connection that is made when it is first needed and again when it is lost, and the thread
/// that blocks on it.
final class PostgreSQLSession: Sendable {
    enum Access: String {
        case read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        /// Rows that a transaction reads in order to change them are locked by the reading (``SQLConnection``'s
        /// `queryForUpdate`); a stricter level would only add retries.
        case write = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    }

    enum Outcome<Value> {
        case over(Result<Value, SQLError>)
        /// There is no connection, and nothing of the transaction has happened.
        case notBegun(SQLError)
    }

    /// How often a transaction is begun before a race is called a failure.
    private static let attempts = 12

    private let queue: DispatchQueue
    private let endpoint: PostgreSQLEndpoint
    private let backoff: PostgreSQLBackoff
    private let pooler: PostgreSQLPooler
    private let link = Mutex<PostgreSQLLink?>(nil)

    init(_ number: Int, _ endpoint: PostgreSQLEndpoint, _ backoff: PostgreSQLBackoff, _ pooler: PostgreSQLPooler) {
        // A serial queue of its own has a thread of its own, outside of the cooperative pool.
        queue = DispatchQueue(label: "goldsmith.postgresql.\(number)")
        self.endpoint = endpoint
        self.backoff = backoff
        self.pooler = pooler
    }

    var isConnected: Bool { link.withLock { $0 != nil } }

    func run(_ body: @escaping @Sendable () -> Void) { queue.async(execute: body) }

    /// On the session's thread.
    func transact<Value: Sendable>(
        _ access: Access,
        _ body: @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) -> Outcome<Value> {
        link.withLock { link in
            var isSecondConnection = false
            var attempt = 1
            while true {
                let current: PostgreSQLLink
                do throws(SQLError) {
                    if let link { current = link } else { current = try connect() }
                } catch {
                    return .notBegun(error)
                }
                link = current
                var isCommitting = false
                do throws(SQLError) {
                    try current.renew()
                    let transaction = PostgreSQLTransaction(link: current, access: access)
                    let value = try body(transaction)
                    isCommitting = access == .write
                    try transaction.finish()
                    return .over(.success(value))
                } catch {
                    // The server's error comes before the body's.
                    let failure = current.failure
                    if failure?.endsConnection == true || !current.rollBack() { link = nil }
                    guard let failure else { return .over(.failure(error)) }
                    if failure.showsPooler { pooler.isThere = true }
                    if failure.isRace, attempt < Self.attempts {
                        Self.pause(after: attempt)
                        attempt += 1
                    } else if failure.deservesAnotherConnection, !isCommitting, !isSecondConnection {
                        // The server was restarted, say, while this connection was idle.
                        isSecondConnection = true
                    } else {
                        return .over(.failure(failure.error))
                    }
                }
            }
        }
    }

    private func connect() throws(SQLError) -> PostgreSQLLink {
        try backoff.check()
        do throws(SQLError) {
            let tookOptions = pooler.takesOptions
            let link: PostgreSQLLink
            do throws(SQLError) {
                link = try PostgreSQLLink(endpoint, behind: pooler)
            } catch {
                guard tookOptions, !pooler.takesOptions else { throw error }
                link = try PostgreSQLLink(endpoint, behind: pooler)
            }
            backoff.succeeded()
            return link
        } catch {
            backoff.failed(error)
            throw error
        }
    }

    /// Long enough for the other to end, and not as long as the other waits for us.
    private static func pause(after attempt: Int) {
        usleep(UInt32.random(in: 0...1000) << UInt32(min(attempt, 6)))
    }
}

/// What a body sees of a transaction.
private struct PostgreSQLTransaction: SQLConnection {
    let link: PostgreSQLLink
    let access: PostgreSQLSession.Access

    /// The advisory lock for schema changes: "gold".
    private static let schemaLock: Int64 = 0x676F_6C64

    private func begin() throws(SQLError) {
        if !link.isInTransaction { try link.begin(access.rawValue) }
    }

    func execute(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) {
        try begin()
        try link.send(sql, arguments)
    }

    func rowsChanged(by sql: String, _ arguments: [SQLValue]) throws(SQLError) -> Int {
        try begin()
        return try link.ask(sql, arguments).changed
    }

    func query(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
        try begin()
        return try link.ask(sql, arguments).rows
    }

    func query(_ queries: [SQLQuery]) throws(SQLError) -> [[SQLRow]] {
        try begin()
        for query in queries {
            try link.send(
                query.isForUpdate && access == .write ? query.text + " FOR UPDATE" : query.text,
                query.arguments
            )
        }
        return try link.takeAnswers().suffix(queries.count).map(\.rows)
    }

    func queryForUpdate(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
        try query(access == .write ? sql + " FOR UPDATE" : sql, arguments)
    }

    /// Through `pg_class`, which the transaction's snapshot shows: `to_regclass` also finds a table that was created
    /// since, whose rows the transaction cannot see yet.
    func hasTable(_ name: String) throws(SQLError) -> Bool {
        try !query("SELECT relname FROM pg_catalog.pg_class WHERE oid = to_regclass($1)", [.text(name)]).isEmpty
    }
    // Not the time at which the transaction began, which is what now() is.
    var nowExpression: String { "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)" }

    /// Changing a big table takes long, and so does waiting for another process that does.
    func lockSchema() throws(SQLError) {
        try begin()
        link.isPatient = true
        try link.send("SET LOCAL statement_timeout = '9min'")
        try link.send("SET LOCAL lock_timeout = '9min'")
        _ = try link.ask("SELECT pg_advisory_xact_lock($1)", [.integer(Self.schemaLock)])
    }

    func finish() throws(SQLError) {
        guard link.isInTransaction else { return }
        switch access {
        case .read: try link.commitWithoutWaiting()
        case .write: try link.commit()
        }
    }
}

/// Keeps a process from asking again and again for a server that is away.
final class PostgreSQLBackoff: Sendable {
    private struct State {
        var failures = 0
        var until = ContinuousClock.now
        var error = SQLError(.unavailable, "")
    }

    private static let longest = Duration.seconds(2)
    private let state = Mutex(State())

    /// - Throws: the last failure, while it is too early to try again.
    func check() throws(SQLError) {
        let error = state.withLock { $0.failures > 0 && ContinuousClock.now < $0.until ? $0.error : nil }
        if let error { throw error }
    }

    func succeeded() { state.withLock { $0.failures = 0 } }

    func failed(_ error: SQLError) {
        state.withLock { state in
            let pause = Duration.milliseconds(50 << min(state.failures, 6))
            state.failures += 1
            state.until = ContinuousClock.now + min(pause, Self.longest)
            state.error = error
        }
    }
}
