import Synchronization

/// PostgreSQL through libpq: a small pool of connections, each with a thread of its own that blocks on it.
///
/// A server that is away, frozen or cut off ends every transaction within the bounds of ``PostgreSQLOptions`` as
/// `.unavailable`. So does a connection that is lost while a commit is on its way: the commit may then have happened,
/// and whoever repeats the transaction must be ready to find it done. Serialization failures, deadlocks and lost races
/// for a key are repeated here, a bounded number of times; the body of a transaction may run more than once.
public final class PostgreSQLDatabase: SQLDatabase {
    private struct Job: Sendable {
        /// Returns what tells the caller. Only then, with its place given back, is it free to come again: one caller
        /// after another needs one connection.
        var run: @Sendable (PostgreSQLSession) -> @Sendable () -> Void
        var fail: @Sendable (SQLError) -> Void
    }

    private struct State {
        var idle: [PostgreSQLSession]
        var waiting: [Job] = []
    }

    private final class Pool: Sendable {
        let state = Mutex(State(idle: []))

        /// Answers all who wait: they would only meet the same failure, one after another.
        func fail(_ error: SQLError) {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            for job in waiting { job.fail(error) }
        }

        /// Who gave back its place last has the warmest connection.
        func start(_ job: Job) {
            let session = state.withLock { state in
                let session = state.idle.popLast()
                if session == nil { state.waiting.append(job) }
                return session
            }
            if let session { run(job, on: session) }
        }

        private func run(_ job: Job, on session: PostgreSQLSession) {
            session.run {
                let tell = job.run(session)
                let next = self.state.withLock { state in
                    guard !state.waiting.isEmpty else {
                        // One without a connection comes last: it may be that the server takes no more of them, while
                        // those that are there are well.
                        if session.isConnected { state.idle.append(session) } else { state.idle.insert(session, at: 0) }
                        return nil as Job?
                    }
                    return state.waiting.removeFirst()
                }
                tell()
                if let next { self.run(next, on: session) }
            }
        }
    }

    private let pool: Pool

    /// Connects to nothing yet.
    ///
    /// - Parameter url: as libpq takes it: several hosts, TLS (`sslmode`, `sslrootcert`), `options` and all the rest.
    /// - Throws: when the URL cannot be read. Its words are never repeated.
    public init(url: String, options: PostgreSQLOptions = .init()) throws(SQLError) {
        let endpoint = try PostgreSQLEndpoint(url, options)
        let pool = Pool()
        let backoff = PostgreSQLBackoff { [weak pool] in pool?.fail($0) }
        let sessions = (1...max(1, options.connections)).map { PostgreSQLSession($0, endpoint, backoff) }
        // The first is taken first, so that a process which is not busy has one connection.
        pool.state.withLock { $0.idle = sessions.reversed() }
        self.pool = pool
    }

    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try await run(.read, body).get()
    }

    public func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value {
        try await run(.write, body).get()
    }

    /// Goes on in a cancelled task: a worker that is told to stop must still write down where it stopped.
    private func run<Value: Sendable>(
        _ access: PostgreSQLSession.Access,
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async -> Result<Value, SQLError> {
        await withCheckedContinuation { continuation in
            pool.start(
                Job(
                    run: { session in
                        let result = session.transact(access, body)
                        return { continuation.resume(returning: result) }
                    },
                    fail: { continuation.resume(returning: .failure($0)) }
                )
            )
        }
    }
}
