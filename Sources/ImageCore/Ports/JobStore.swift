/// What a worker needs to carry out jobs, and to keep the store tidy. Every function is one transaction.
public protocol JobStore: Sendable {
    /// Asks for a job: the lease, the next fencing number, the ledger's entry, and for a stop-check the locks.
    func begin(_ claim: JobClaim, in context: TransitionContext) async throws(StoreError) -> BeginResult

    /// Keeps a lease alive and notes the progress. `false` when the job is lost or no longer wanted: stop.
    func renew(
        _ jobLease: JobLease,
        by worker: WorkerID,
        progress: CopyProgress?,
        until: Timestamp
    ) async throws(StoreError) -> Bool

    /// Applies one event. `nil` when there is no such image.
    func apply(
        _ event: Event,
        to image: ImageID,
        in context: TransitionContext
    ) async throws(StoreError) -> Applied?

    // MARK: Sweeping

    /// Images with an open job of which nothing was heard in time (`StoredTime.isOverdue`).
    func overdue(at now: Timestamp, limit: Int) async throws(StoreError) -> [Image]

    /// Forgets what is older than `moment`: answers to requests, and images that are deleted and hold nothing any more,
    /// with their history. At most `limit` of each.
    /// - Returns: how many were forgotten.
    func forget(before moment: Timestamp, limit: Int) async throws(StoreError) -> Int

    // MARK: Workers

    /// Notes that a worker is there, by the store's clock, and forgets those that are long gone.
    func report(_ report: WorkerReport) async throws(StoreError)
    /// Forgets a worker that ends in order.
    func signOff(_ worker: WorkerID) async throws(StoreError)
}

/// What a worker says when it asks for a job.
public struct JobClaim: Sendable {
    public var message: JobMessage
    /// The lane the message came by; `nil` when that is the job's own.
    public var lane: Lane?
    public var worker: WorkerID
    /// A number of this delivery's own. A claim repeated with it, because the answer was lost, gets what was granted, as
    /// long as that lease is alive.
    public var nonce: Int64
    /// How long the lease lives without being renewed.
    public var lease: Duration

    public init(_ message: JobMessage, from lane: Lane? = nil, by worker: WorkerID, nonce: Int64, lease: Duration) {
        self.message = message
        self.lane = lane
        self.worker = worker
        self.nonce = nonce
        self.lease = lease
    }
}

/// One attempt at a job: what it works on, and its fencing number.
public struct JobLease: Equatable, Sendable {
    public var image: Image
    public var job: Job
    public var attempt: Int
    public var fence: Int64
    /// Where the output goes, for jobs that create something.
    public var resource: Resource?

    public init(image: Image, job: Job, attempt: Int, fence: Int64, resource: Resource?) {
        self.image = image
        self.job = job
        self.attempt = attempt
        self.fence = fence
        self.resource = resource
    }
}

/// The answer to `begin`.
public enum BeginResult: Sendable {
    case granted(JobLease, outgoing: [OutgoingMessage])
    /// A worker has it or (for a clean-up) still writes what should be deleted. Recheck later.
    case busy(Lease)
    /// Nothing to do now; the messages say what else must be sent.
    case settled(outgoing: [OutgoingMessage])
    /// There is no such image: the message is not ours, or the store is not the one it was written for.
    case unknownImage
}

/// A worker's claim to a job, its expiry and its progress.
public struct Lease: Codable, Equatable, Sendable {
    public var image: ImageID
    public var job: Job
    public var fence: Int64
    public var worker: WorkerID
    public var expiresAt: Timestamp
    public var progress: CopyProgress?
    /// Since when; absent in what an older version wrote.
    public var since: Timestamp?
    /// How long it lives without being renewed; absent in what an older version wrote.
    public var length: Duration?

    private enum CodingKeys: String, CodingKey {
        case image, job, fence, worker, expiresAt, progress, since
    }

    public init(
        image: ImageID,
        job: Job,
        fence: Int64,
        worker: WorkerID,
        expiresAt: Timestamp,
        progress: CopyProgress?,
        since: Timestamp? = nil,
        length: Duration? = nil
    ) {
        self.image = image
        self.job = job
        self.fence = fence
        self.worker = worker
        self.expiresAt = expiresAt
        self.progress = progress
        self.since = since
        self.length = length
    }
}

public struct Applied: Equatable, Sendable {
    public var image: Image
    public var transition: Transition
    public var outgoing: [OutgoingMessage]

    public init(image: Image, transition: Transition, outgoing: [OutgoingMessage]) {
        self.image = image
        self.transition = transition
        self.outgoing = outgoing
    }
}

/// One worker process, for people and for leases.
public struct WorkerID: Identifier {
    public let text: String
    public init(known text: String) { self.text = text }
}
