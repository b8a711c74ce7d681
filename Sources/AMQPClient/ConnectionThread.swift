import Glibc
import Synchronization

/// The actor which lives on a ``ConnectionThread``.
protocol ThreadResident: AnyObject, Sendable {
    /// Called on the thread after every wake; does all that can be done without waiting, and returns what to wait for.
    func turn() -> PollInterest
}

/// One OS thread which is the executor of one actor and sleeps in `poll` on the actor's socket.
///
/// librabbitmq's state must be used by one thread only, and some of its calls block, so it cannot run on the
/// cooperative pool. The thread ends when ``stop()`` is called, which the actor does in its `deinit`.
final class ConnectionThread: SerialExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isStopping = false
        // Weak, or the thread would keep its actor alive and neither would ever end.
        weak var resident: (any ThreadResident)?
    }
    private let state = Mutex(State())
    private let signal = WakeSignal()
    private let identity = Atomic<UInt>(0)

    /// Starts the thread; called once, when the actor is complete.
    func start(_ resident: some ThreadResident) {
        state.withLock { $0.resident = resident }
        // The thread owns the executor until it ends.
        NamedThread.start("amqp-connection") { self.run() }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    func wake() { signal.wake() }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = state.withLock { state in
            state.jobs.append(job)
            return state.jobs.count == 1
        }
        if isFirst { wake() }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    func checkIsolated() { precondition(isOnThread, "not on the connection's thread") }
    func isIsolatingCurrentContext() -> Bool? { isOnThread }

    private var isOnThread: Bool { identity.load(ordering: .relaxed) == UInt(pthread_self()) }

    private func run() {
        identity.store(UInt(pthread_self()), ordering: .relaxed)
        let executor = asUnownedSerialExecutor()
        while true {
            let (jobs, isStopping) = state.withLock { state in
                defer { state.jobs = [] }
                return (state.jobs, state.isStopping)
            }
            for job in jobs { job.runSynchronously(on: executor) }
            if isStopping && jobs.isEmpty { return }
            // The eventfd is emptied by wait() before jobs and mailboxes are looked at, so no wake is lost.
            signal.wait(for: takeTurn())
        }
    }

    // A function of its own, so that the strong reference is gone while the thread sleeps.
    private func takeTurn() -> PollInterest {
        guard let resident = state.withLock({ $0.resident }) else { return PollInterest() }
        return resident.turn()
    }
}

/// Hands values to a connection's thread, which is woken once per batch.
final class Mailbox<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    private let thread: ConnectionThread

    init(thread: ConnectionThread) { self.thread = thread }

    func post(_ element: Element) { post(contentsOf: CollectionOfOne(element)) }

    func post(contentsOf new: some Collection<Element> & Sendable) {
        let wasEmpty = elements.withLock { elements in
            defer { elements.append(contentsOf: new) }
            return elements.isEmpty
        }
        if wasEmpty { thread.wake() }
    }

    /// What has been posted and not taken yet.
    var contents: [Element] { elements.withLock { $0 } }

    func takeAll() -> [Element] {
        elements.withLock { elements in
            defer { elements = [] }
            return elements
        }
    }
}
