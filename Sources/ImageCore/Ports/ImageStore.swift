/// The one place state lives. Every function is one transaction; a state change, its journal lines and its messages are
/// never apart. One conformance suite runs against every store.
public protocol ImageStore: Sendable {
    /// The present moment by the store's own clock, which is what every time in it is told by.
    func time() async throws(StoreError) -> Timestamp

    // MARK: Requests

    /// The first answer to this request, if there was one.
    func answer(to identity: RequestIdentity) async throws(StoreError) -> RecordedAnswer?

    /// Reserves quota, keeps the image, queues its first job and records the answer: all of it or nothing.
    /// A request that was answered meanwhile gets that answer; one over quota is rejected, and that is recorded.
    func accept(
        _ request: CreateRequest,
        as image: ImageID,
        plan: Plan,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Carries out a command for an existing image, or refuses it (`Image.refusal`), and records the answer.
    /// - Parameter request: what was asked; `command` is what it means.
    func grant(
        _ command: ImageCommand,
        for image: ImageID,
        asked request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Makes a new image of an existing one: quota, the source's tie, the image and its first job, and the answer.
    func convert(
        _ request: ConvertRequest,
        as image: ImageID,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Records the answer to a request that changes nothing, for whoever asks again.
    func record(
        _ answer: Answer,
        to request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Records that a request was refused.
    func reject(
        _ identity: RequestIdentity,
        fingerprint: String,
        _ rejection: Rejection,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    // MARK: Jobs

    /// Asks for a job: the lease, the next fencing number, the ledger's entry, and for a stop-check the locks.
    ///
    /// - Parameters:
    ///   - lane: the lane the message came by; `nil` when that is the job's own.
    ///   - nonce: a number of this delivery's own. Whoever asks again with it, because the answer was lost, gets what was
    ///     granted, as long as that lease is alive.
    func begin(
        _ message: JobMessage,
        from lane: Lane?,
        by worker: WorkerID,
        nonce: Int64,
        lease: Duration,
        in context: TransitionContext
    ) async throws(StoreError) -> BeginResult

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

    // MARK: Outbox and sweeping

    /// Messages that were written before `moment`, or by a clock that was wrong after `future`, and are still here;
    /// oldest first.
    func unsent(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) async throws(StoreError) -> [OutgoingMessage]
    /// Takes confirmed messages out of the outbox.
    func markSent(_ messages: [OutgoingMessage]) async throws(StoreError)
    /// Puts messages that were not confirmed behind the others, so that what nobody takes holds up nothing else. A
    /// reply that was not taken `OutgoingMessage.replyTries` times is dropped: whoever still wants it asks again.
    func markUnsent(_ messages: [OutgoingMessage], at now: Timestamp) async throws(StoreError)
    /// Images with an open job of which nothing was heard in time (`StoredTime.isOverdue`).
    func overdue(at now: Timestamp, limit: Int) async throws(StoreError) -> [Image]
    func leases(of image: ImageID) async throws(StoreError) -> [Lease]

    // MARK: Dead letters

    /// Writes down a message that only a human can judge. One that is known has come again, and is open again.
    func keep(_ deadLetter: DeadLetter, _ message: KeptMessage, at now: Timestamp) async throws(StoreError)
    /// Those that match, the one that has waited longest first.
    func deadLetters(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetter]
    /// Those that match, counted by kind, step and cause; the largest first.
    func deadLetterGroups(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetterGroup]
    /// One dead letter with all that is known of it.
    func deadLetter(_ id: DeadLetterID) async throws(StoreError) -> DeadLetterFile?
    /// Replays a dead letter if `DeadLetter.replayed` allows it: marks it and puts its message into the outbox, both or
    /// neither, so that a command that dies half way has lost and doubled nothing.
    /// - Parameters:
    ///   - who: the person who asks for it.
    ///   - isForced: also beyond `DeadLetter.replayLimit`, and also when it has not come back.
    func replay(
        _ id: DeadLetterID,
        by who: String,
        isForced: Bool,
        sentBy sender: OutboxSender,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult
    /// A request was denied and is not recorded. If a replay asked for it, its dead letter is open again.
    func denied(_ identity: RequestIdentity, _ rejection: Rejection, at now: Timestamp) async throws(StoreError)
    /// Closes an open dead letter, or one that was replayed and has not come back. It stays, marked.
    func discard(
        _ id: DeadLetterID,
        by who: String,
        note: String?,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult

    // MARK: Workers

    /// Notes that a worker is there, by the store's clock, and forgets those that are long gone.
    func report(_ report: WorkerReport) async throws(StoreError)
    /// Forgets a worker that ends in order.
    func signOff(_ worker: WorkerID) async throws(StoreError)
    /// Everybody who has reported and has not signed off, by id.
    func workers() async throws(StoreError) -> [WorkerStatus]
    /// Everybody's leases, also those that have expired.
    func leases() async throws(StoreError) -> [Lease]

    // MARK: Looking

    /// Images with an open job, the oldest first.
    func openImages(limit: Int) async throws(StoreError) -> [Image]
    func image(_ id: ImageID) async throws(StoreError) -> Image?
    func images(_ query: ImageQuery) async throws(StoreError) -> [Image]
    /// Forgets what is older than `moment`: answers to requests, and images that are deleted and hold nothing any more,
    /// with their history. At most `limit` of each.
    /// - Returns: how many were forgotten.
    func forget(before moment: Timestamp, limit: Int) async throws(StoreError) -> Int
    /// An image's history after a sequence number, in order, at most `limit` lines.
    func journal(of image: ImageID, after sequence: Int64, limit: Int) async throws(StoreError) -> [Announcement]
    func locks() async throws(StoreError) -> [Lock]
    func quota(of owner: Owner) async throws(StoreError) -> QuotaUsage
    func setQuota(of owner: Owner, to limits: QuotaLimits) async throws(StoreError)
}

extension ImageStore {
    /// Asks for a job whose message came by its own lane.
    public func begin(
        _ message: JobMessage,
        by worker: WorkerID,
        nonce: Int64,
        lease: Duration,
        in context: TransitionContext
    ) async throws(StoreError) -> BeginResult {
        try await begin(message, from: nil, by: worker, nonce: nonce, lease: lease, in: context)
    }

    /// Messages that were written before `moment` and are still here, oldest first.
    public func unsent(before moment: Timestamp, limit: Int) async throws(StoreError) -> [OutgoingMessage] {
        try await unsent(before: moment, after: Timestamp(microseconds: .max), limit: limit)
    }

    /// All of an image's history after a sequence number, in order, read page by page: lines are only ever added.
    public func journal(of image: ImageID, after sequence: Int64) async throws(StoreError) -> [Announcement] {
        var lines: [Announcement] = []
        var page: [Announcement]
        repeat {
            page = try await journal(
                of: image,
                after: lines.last?.sequence ?? sequence,
                limit: HistoryPage.lineLimit
            )
            lines += page
        } while page.count == HistoryPage.lineLimit
        return lines
    }
}

/// One worker process, for people and for leases.
public struct WorkerID: Identifier {
    public let text: String
    public init(known text: String) { self.text = text }
}

public struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// Out of reach, busy, full, not allowed or restarting: the same call may work later.
        case unavailable
        /// The database gave a reason that this program does not know. The same call may work later.
        case unknown
        /// The database never takes what it was given: a fault of the program, or of tables that were changed by hand.
        case refused
        /// What was read is not what was written, or the schema is not ours. A human is needed.
        case unreadable
        /// The database says that its own data is damaged. A human is needed.
        case damaged

        /// Whether the same call may work later.
        public var mayPass: Bool {
            switch self {
            case .unavailable, .unknown: true
            case .refused, .unreadable, .damaged: false
            }
        }
    }

    public var kind: Kind
    public var message: String
    /// What can be done about it, where more is known than the kind.
    public var advice: String?

    public init(_ kind: Kind, _ message: String, advice: String? = nil) {
        self.kind = kind
        self.message = message
        self.advice = advice
    }

    public var description: String { "store \(kind.rawValue): \(message)" + (advice.map { "; \($0)" } ?? "") }
}

public struct RecordedAnswer: Equatable, Sendable {
    public var answer: Answer
    /// What was asked, to tell a repetition from another request under the same id.
    public var fingerprint: String

    public init(answer: Answer, fingerprint: String) {
        self.answer = answer
        self.fingerprint = fingerprint
    }

    /// The answer to `fingerprint` under this identity: the first one, or a conflict.
    public func answer(to fingerprint: String) -> Answer {
        fingerprint == self.fingerprint
            ? answer
            : .rejected(.otherRequest)
    }
}

extension Rejection {
    /// For a request under the id of another.
    public static let otherRequest = Rejection(
        .conflict,
        "this request id was used for a different request; use a new one",
        field: "requestId"
    )
}

/// A request's answer, and the messages that were put into the outbox for it.
public struct RequestOutcome: Equatable, Sendable {
    public var answer: Answer
    public var outgoing: [OutgoingMessage]
    /// Whether `outgoing` lies in the outbox. Default true.
    public var isKept = true

    public init(answer: Answer, outgoing: [OutgoingMessage]) {
        self.answer = answer
        self.outgoing = outgoing
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
    /// Somebody works on it, or (for a clean-up) still writes what is to be deleted. Recheck later.
    case busy(Lease)
    /// Nothing to do now; the messages say what else must be sent.
    case settled(outgoing: [OutgoingMessage])
    /// There is no such image: the message is not ours, or the store is not the one it was written for.
    case unknownImage
}

/// Who works on a job until when, and how far it is.
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

/// Something an image's making keeps others from using.
public struct Lock: Codable, Equatable, Sendable {
    /// `instance/i-web1` or `disk/i-web1/vdb`.
    public var key: String
    public var image: ImageID

    public init(key: String, image: ImageID) {
        self.key = key
        self.image = image
    }
}

public struct QuotaUsage: Codable, Equatable, Sendable {
    public var owner: Owner
    public var used: QuotaUse
    public var limits: QuotaLimits

    public init(owner: Owner, used: QuotaUse, limits: QuotaLimits) {
        self.owner = owner
        self.used = used
        self.limits = limits
    }
}
