public import ImageCore

public struct WorkerOptions: Sendable {
    public var id: WorkerID
    /// What it serves. Default: every lane of no host.
    public var lanes = LaneList.served(on: nil)
    /// The host whose files it reads and writes. Default: none.
    public var host: HostName?
    /// The lanes of the whole installation. Default: those of no host.
    public var installation = LaneList()
    /// The drivers of the whole installation. Default: one without a name.
    public var drivers = DriverList()
    /// Jobs at once in each lane. At least 1; default 4.
    public var concurrency = 4
    /// How long a delivery waits for its work before a recheck takes its place in the queue. Default 60 s; brokers
    /// close the channel of a delivery that is held for 30 minutes.
    public var hold: Duration = .seconds(60)
    /// How long a lease lives without being renewed. Default 15 s: a dead worker's job is taken over after it.
    public var lease: Duration = .seconds(15)
    /// How often a lease is renewed and the progress noted. Default 1 s.
    public var renewEvery: Duration = .seconds(1)
    /// How long running work may go on after a request to stop, unless it is set: most copies end within it.
    public static let standardDrain = Duration.seconds(900)
    /// How long running work may go on after a request to stop. Default 15 minutes; then it is handed to another
    /// worker.
    public var drain: Duration = standardDrain
    /// How often lost messages and unsent ones are looked for. Default 5 s.
    public var sweepEvery: Duration = .seconds(5)
    /// How often to look for orphaned resources. Default 10 minutes.
    public var orphansEvery: Duration = .seconds(600)
    /// How often the worker says in the store that it is there. Default 10 s.
    public var reportEvery: Duration = .seconds(10)
    /// How often store and queues are looked at for metrics and health. Default 10 s.
    public var pollEvery: Duration = .seconds(10)
    /// What it says of itself besides.
    public var identity = WorkerIdentity()
    /// The age at which a message in the outbox is taken for left behind by a dead process. Default 10 s.
    public var unsentAfter: Duration = OutgoingMessage.leftBehindAfter
    /// How long messages that the broker has confirmed are gathered before the store marks them as sent, in one
    /// transaction. Default 100 ms; zero: each sender marks its own at once.
    var markSentEvery: Duration = .milliseconds(100)
    public var policy = RetryPolicy()
    /// What holds for requests that say nothing of a boot proof. Default: none is made.
    public var bootProof = BootPolicy()
    /// Which users may ask for which owners. Default: all for every owner.
    public var authority = Authority.everybody
    /// Where answers are sent. Default: for the default prefix; `Worker` puts its transport's in.
    public var replies = ReplyRule(prefix: WorkerOptions.standardPrefix)
    /// What the names of queues and exchanges begin with, unless it is set.
    public static let standardPrefix = "goldsmith"
    /// How long answers and deleted images' histories are kept. Default a year: a request that is repeated later than
    /// that is a new one.
    public var retention: Duration = .seconds(365 * 24 * 3600)

    public init(id: WorkerID) { self.id = id }

    /// Whether it reads and writes the files that are on a host, or on none.
    func reaches(_ other: HostName?) -> Bool { other == nil || other == host }

    /// Jobs at once in one lane.
    ///
    /// Intake has half: a request is one transaction, each job of its image two. With as many as the others it would
    /// run ahead of them, and a long queue of requests would slow down the images that are already being made.
    func concurrency(of lane: Lane) -> Int {
        switch lane {
        case .intake: max(1, concurrency / 2)
        // Each is a virtual machine with memory of its own.
        case .job(.bootProof, _): 1
        case .job, .deadLetters: max(1, concurrency)
        // Seldom anything, and then it may be large.
        case .parked, .unrouted: 1
        }
    }
}
