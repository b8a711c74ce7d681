import Synchronization

/// PostgreSQL through libpq: a small pool of connections, each with a thread of its own that blocks on it.
///
/// A server that is away, frozen or cut off ends every transaction within the bounds of ``PostgreSQLOptions`` as
/// `.unavailable`. So does a connection that is lost while a commit is on its way: the commit may then have happened,
/// and a caller that repeats the transaction must be ready to find it done. Serialization failures, deadlocks and lost
/// races for a key are repeated here, a bounded number of times; the body of a transaction may run more than once.
public final class PostgreSQLDatabase: SQLDatabase {
    private struct Job: Sendable {
        var run: @Sendable (PostgreSQLSession) -> End
        var fail: @Sendable (SQLError) -> Void
    }

    private enum End {
        /// Resumes the caller. Only then, when its place is free, can the caller come again: one caller after another
        /// needs one connection.
        case done(@Sendable () -> Void)
        /// Nothing of it has happened, for want of a connection.
        case unreachable(SQLError)
    }

    private struct State {
        /// Those without a connection come first and are taken last: it may be that the server takes no more of them,
        /// while those that are there are well.
        var idle: [PostgreSQLSession]
        var busy = 0
        var waiting: [Job] = []

        mutating func release(_ session: PostgreSQLSession) {
            busy -= 1
            if session.isConnected { idle.append(session) } else { idle.insert(session, at: 0) }
        }
    }

    /// A job without a session waits for one, which takes the next job when it has done its own, within the time a
    /// transaction may take. Work is refused only when the last of them cannot connect.
    private final class Pool: Sendable {
        let state: Mutex<State>

        init(_ sessions: [PostgreSQLSession]) { state = Mutex(State(idle: sessions)) }

        /// The session that was freed last has the warmest connection.
        func start(_ job: Job) {
            let session = state.withLock { state in
                let session = state.idle.popLast()
                if session == nil { state.waiting.append(job) } else { state.busy += 1 }
                return session
            }
            if let session { run(job, on: session) }
        }

        private func run(_ job: Job, on session: PostgreSQLSession) {
            session.run {
                switch job.run(session) {
                case .done(let tell):
                    let next = self.state.withLock { state in
                        guard state.waiting.isEmpty else { return state.waiting.removeFirst() as Job? }
                        state.release(session)
                        return nil
                    }
                    tell()
                    if let next { self.run(next, on: session) }
                case .unreachable(let error):
                    self.pass(on: job, from: session, because: error)
                }
            }
        }

        /// Gives a job to a session that may still connect, or fails all that wait: they would only meet the same
        /// failure, one after another.
        private func pass(on job: Job, from session: PostgreSQLSession, because error: SQLError) {
            let (other, refused) = state.withLock { state -> (PostgreSQLSession?, [Job]) in
                state.release(session)
                if let other = state.idle.last, other.isConnected {
                    state.idle.removeLast()
                    state.busy += 1
                    return (other, [])
                }
                state.waiting.insert(job, at: 0)
                guard state.busy == 0 else { return (nil, []) }
                defer { state.waiting = [] }
                return (nil, state.waiting)
            }
            if let other { run(job, on: other) }
            for job in refused { job.fail(error) }
        }
    }

    private let pool: Pool
    private let pooler: PostgreSQLPooler

    /// Whether something between this program and the server shares the server's connections among clients. Known once a
    /// transaction was begun.
    var isPooled: Bool { pooler.isThere }

    /// Connects to nothing yet.
    ///
    /// - Parameter url: as libpq takes it: several hosts, TLS (`sslmode`, `sslrootcert`), `options` and all the rest.
    /// - Throws: when the URL cannot be read. Its words are never repeated.
    public init(url: String, options: PostgreSQLOptions = .init()) throws(SQLError) {
        let endpoint = try PostgreSQLEndpoint(url, options)
        let backoff = PostgreSQLBackoff()
        let pooler = PostgreSQLPooler()
        self.pooler = pooler
        let sessions = (1...max(1, options.connections)).map { PostgreSQLSession($0, endpoint, backoff, pooler) }
        // The first is taken first, so that a process which is not busy has one connection.
        pool = Pool(sessions.reversed())
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

    /// Goes on in a cancelled task: a stopping worker must still write down where it stopped.
    private func run<Value: Sendable>(
        _ access: PostgreSQLSession.Access,
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async -> Result<Value, SQLError> {
        await withCheckedContinuation { continuation in
            pool.start(
                Job(
                    run: { session in
                        switch session.transact(access, body) {
                        case .over(let result): .done { continuation.resume(returning: result) }
                        case .notBegun(let error): .unreachable(error)
                        }
                    },
                    fail: { continuation.resume(returning: .failure($0)) }
                )
            )
        }
    }
}
