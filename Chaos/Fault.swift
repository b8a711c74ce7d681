import GoldsmithTestSupport

/// What goes wrong.
enum Fault: String, CaseIterable, Codable, Sendable {
    /// SIGKILL to a worker.
    case killWorker = "kill-worker"
    /// SIGSTOP to a worker, SIGCONT past its lease.
    case freezeWorker = "freeze-worker"
    /// SIGTERM to a worker.
    case drainWorker = "drain-worker"
    /// SIGKILL to the broker.
    case killBroker = "kill-broker"
    case restartBroker = "restart-broker"
    case freezeBroker = "freeze-broker"
    /// SIGKILL to the node that leads a queue, in a cluster.
    case killLeader = "kill-leader"
    /// Every connection to the broker is cut.
    case cutBroker = "cut-broker"
    /// One connection to the broker is cut in the middle of a frame.
    case cutFrame = "cut-frame"
    /// Publishers are blocked by the broker's memory alarm.
    case memoryAlarm = "memory-alarm"
    /// A queue of jobs is emptied.
    case purgeQueue = "purge-queue"
    case killStore = "kill-store"
    case restartStore = "restart-store"
    /// The database answers no one.
    case freezeStore = "freeze-store"
    /// Every connection to the database is cut.
    case cutStore = "cut-store"
    /// One connection to the database is cut in the middle of a statement or its answer, at best of a commit.
    case cutStatement = "cut-statement"
    /// A location has no space left.
    case fillLocation = "fill-location"
    /// An instance is started by its owner while it is being captured.
    case startInstance = "start-instance"

    /// Faults of what all depend on come one after the other; those of single workers and connections beside them.
    var isOfServers: Bool {
        switch self {
        case .killBroker, .restartBroker, .freezeBroker, .killLeader, .memoryAlarm, .killStore, .restartStore,
            .freezeStore, .fillLocation:
            true
        case .killWorker, .freezeWorker, .drainWorker, .cutBroker, .cutFrame, .purgeQueue, .cutStore, .cutStatement,
            .startInstance:
            false
        }
    }
}

/// Deals faults like cards: each of its kinds once, in a new order, before any comes again.
struct Deck {
    private let faults: [Fault]
    private var left: [Fault] = []

    init(_ faults: [Fault]) { self.faults = faults }

    mutating func next(_ generator: inout SeededGenerator) -> Fault? {
        if left.isEmpty { left = faults.shuffled(using: &generator) }
        return left.popLast()
    }
}
