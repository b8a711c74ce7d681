import Synchronization

/// What a process has learned of a pooler between it and the server, such as PgBouncer.
///
/// A pooler that pools transactions runs each one on whichever of its connections is free. What belongs to a connection
/// then belongs to no transaction: statements prepared before, settings, session locks. So behind a pooler a transaction
/// brings everything along: one statement more, which travels with the others.
final class PostgreSQLPooler: Sendable {
    private struct State {
        var isThere = false
        var takesOptions = true
    }

    private let state = Mutex(State())

    /// Once seen, it is believed in until the process ends: a direct connection works the same way, only slower.
    var isThere: Bool {
        get { state.withLock { $0.isThere } }
        set { state.withLock { $0.isThere = $0.isThere || newValue } }
    }

    /// Whether a connection may be opened with `options`.
    var takesOptions: Bool { state.withLock { $0.takesOptions } }

    /// A server's words when it refused a connection. libpq does not give the code of such an error, and poolers say it in
    /// English only: PgBouncer "unsupported startup parameter: options" or "… in options: …", Amazon RDS Proxy "currently
    /// doesn't support command-line options".
    func noteRefusal(_ complaint: String) {
        let signs = ["unsupported startup parameter", "command-line options"]
        guard signs.contains(where: { complaint.contains($0) }) else { return }
        state.withLock { state in
            state.isThere = true
            state.takesOptions = false
        }
    }
}
