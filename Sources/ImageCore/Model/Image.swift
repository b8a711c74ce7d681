/// Exactly the statuses people see.
///
/// ```
/// (new) ─► pending ─► replicating ─► available ─► deleting ◄─► deleted
///            ▲▼            ▲▼                        ▲
///            └┴── error ───┴┴────────────────────────┘
///
/// pending     ─► replicating  the last disk is captured
/// replicating ─► available    the last location is replicated
/// pending     ─► error        a job's dead letter arrived, or its owner cancelled; also from replicating
/// error       ─► pending      tried again, and the captures are gone
/// error       ─► replicating  tried again, and the captures are complete
/// available   ─► deleting     its owner confirmed the deletion; also from error
/// deleting    ─► deleted      the last clean-up is done
/// deleted     ─► deleting     the kept snapshots are deleted too
/// ```
public enum ImageStatus: String, Codable, Sendable, CaseIterable {
    /// Being checked and captured. Can become `replicating` when every disk is captured, or `error`.
    case pending = "Pending"
    /// Captured, being copied to its locations. Can become `available` when every replica is verified, or `error`.
    case replicating = "Replicating"
    /// Whole and verified. An end.
    case available = "Available"
    /// Failed or cancelled; what its making created is being deleted or is gone. An end.
    case error = "Error"
    /// Its owner has confirmed the deletion; its replicas and its image file are being deleted.
    case deleting = "Deleting"
    /// Gone. Only its history is kept, and what snapshots its owner chose to keep. An end.
    case deleted = "Deleted"

    /// Whether nothing is being made any more.
    public var isEnd: Bool {
        switch self {
        case .pending, .replicating: false
        case .available, .error, .deleting, .deleted: true
        }
    }
}

/// Why an image is in Error, in the words its owner sees.
public struct ImageFailure: Codable, Equatable, Sendable {
    public var job: Job?
    public var attempts: Int
    public var cause: StepFailure
    public var at: Timestamp

    public init(job: Job?, attempts: Int, cause: StepFailure, at: Timestamp) {
        self.job = job
        self.attempts = attempts
        self.cause = cause
        self.at = at
    }
}

/// Everything the store knows of one image; the state of its machine (`Image+Machine.swift`).
///
/// A value: stored whole, compared in tests, printed. Nothing in it depends on a process being alive.
public struct Image: Codable, Equatable, Sendable {
    public let id: ImageID
    public let owner: Owner
    public let requestID: RequestID
    public let name: String
    public let details: String
    public let labels: [String: String]
    public let createdAt: Timestamp
    /// Fixed when the request is accepted.
    public let plan: Plan

    public internal(set) var status: ImageStatus = .pending
    public internal(set) var jobs: [Job: JobState] = [:]
    /// Every resource the making has created or was about to create, and that may still exist.
    public internal(set) var ledger: [LedgerEntry] = []
    /// What clean-up has deleted.
    public internal(set) var cleaned: [ResourceID] = []
    public internal(set) var failure: ImageFailure?
    public internal(set) var findings: [Finding] = []
    /// What the last proof has shown. Absent before one has ended.
    public internal(set) var bootProof: BootRecord?
    /// What this image holds of its owner's quota.
    public internal(set) var quota: QuotaUse
    /// The last fencing number. Grows with every attempt that begins, of any job.
    public internal(set) var fence: Int64 = 0
    /// The number of the last announced event.
    public internal(set) var sequence: Int64 = 0
    public internal(set) var updatedAt: Timestamp
    /// Absent in the stored document while it holds nothing, which is most of an image's life.
    private(set) var storedReferences: References?
    /// Attempts that earlier tries of the whole image have used. A new try counts on, so that a message of an earlier
    /// one is recognised by its attempt. Absent: none.
    private(set) var attemptsBefore: Int?
    /// The highest attempt of a launch that is forgotten. A later launch counts on from it, since it may have the same
    /// instance id, so that a late message of the forgotten one is recognised by its attempt. Absent: none.
    var launchAttempts: Int?
    /// The trace in which the image was requested. Absent without a trace.
    public internal(set) var trace: TraceContext?

    init(id: ImageID, request: RequestIdentity, label: Label, plan: Plan, at now: Timestamp) {
        self.id = id
        owner = request.owner
        requestID = request.requestID
        name = label.name
        details = label.details
        labels = label.labels
        createdAt = now
        updatedAt = now
        self.plan = plan
        quota = plan.quota
    }

    /// What people call an image.
    public struct Label: Equatable, Sendable {
        public var name: String
        public var details: String
        public var labels: [String: String]

        public init(name: String, details: String, labels: [String: String]) {
            self.name = name
            self.details = details
            self.labels = labels
        }
    }

    public internal(set) var references: References {
        get { storedReferences ?? References() }
        set { storedReferences = newValue == References() ? nil : newValue }
    }

    /// The first attempt of a job that is opened now. Clean-ups are new jobs each time and count from 1.
    func firstAttempt(of job: Job) -> Int {
        switch job {
        case .stopCheck, .systemDisk, .dataDisk, .convert, .replicate, .bootProof: 1 + (attemptsBefore ?? 0)
        case .launch: 1 + (launchAttempts ?? 0)
        case .cleanUp: 1
        }
    }

    /// How many attempts the present try of a job has used.
    func attemptsUsed(by job: Job) -> Int {
        let tries = jobs[job]?.tries ?? 1
        return job.step.isForward ? tries + 1 - firstAttempt(of: job) : tries
    }

    mutating func countAttempts() {
        attemptsBefore = jobs.filter { $0.key.step.isForward }.map(\.value.attempt).max() ?? attemptsBefore
    }

    public var captures: [Capture] {
        let own = plan.captureJobs.compactMap {
            if case .captured(let capture) = jobs[$0]?.output { capture } else { nil }
        }
        return own + (plan.conversion?.captures ?? [])
    }

    public var replicas: [Replica] {
        plan.replicateJobs.compactMap { if case .replicated(let replica) = jobs[$0]?.output { replica } else { nil } }
    }

    /// Where the clean-up of a failed image stands.
    public enum CleanUp: String, Codable, Sendable {
        case notNeeded = "not-needed"
        case running
        case done
        /// Something could not be deleted and is parked for a human.
        case incomplete
    }

    public var cleanUp: CleanUp {
        guard status == .error || status == .deleting else { return .notNeeded }
        // A deletion leaves alone what its owner keeps.
        let doomed = status == .error ? ledger : ledger.filter { jobs[.cleanUp($0.resource.id)] != nil }
        let left = doomed.filter { jobs[.cleanUp($0.resource.id)]?.phase != .failed }
        if doomed.isEmpty { return .done }
        return left.isEmpty ? .incomplete : .running
    }
}

/// A resource that exists or may exist.
public struct LedgerEntry: Codable, Equatable, Sendable {
    public var resource: Resource
    /// The job that makes it.
    public var job: Job
    public var fence: Int64
    /// Whether a commit has made it part of the image. What is not adopted is deleted.
    public var isAdopted: Bool

    public init(resource: Resource, job: Job, fence: Int64, isAdopted: Bool = false) {
        self.resource = resource
        self.job = job
        self.fence = fence
        self.isAdopted = isAdopted
    }
}

/// Where one job stands.
public struct JobState: Codable, Equatable, Sendable {
    /// ```
    /// (opened) ─► waiting ─► done
    ///             ▲▼   └───► abandoned
    ///            failed
    ///
    /// waiting ─► waiting    began, retried, interrupted, throttled, instance held, rechecked; a launch's disks are built
    /// waiting ─► done       a success was reported under the current fence
    /// waiting ─► failed     permanent, out of attempts, waited too long, 20 attempts lost, dead-lettered by the broker
    /// waiting ─► abandoned  the image failed or was cancelled (forward jobs only); a proof whose image is deleted
    /// failed  ─► waiting    a clean-up was replayed, or opened again by a deletion
    /// done    ─► waiting    an Available image is to be proven again at that location
    /// any     ─► (gone)     the image is tried again; a finished launch is forgotten
    /// ```
    public enum Phase: String, Codable, Sendable {
        /// Queued, in the retry queues, or being worked on.
        case waiting
        case done
        /// Out of attempts. For a forward step the dead letter is on its way; for a clean-up a human is needed.
        case failed
        /// No longer wanted: the image has failed.
        case abandoned

        /// Whether it is not tried any more.
        var isOver: Bool {
            switch self {
            case .waiting: false
            case .done, .failed, .abandoned: true
            }
        }
    }

    public var phase: Phase = .waiting
    /// The attempt that runs or will run next, from 1. Interruptions and waits use none.
    public var attempt = 1
    /// The fencing number of the attempt that runs, as far as is known; 0 when none does.
    public var fence: Int64 = 0
    /// Attempts that began and were never heard of again.
    public var lost = 0
    /// When the attempt that runs, or the last that ran, began.
    public var startedAt: Timestamp?
    public var output: JobOutput?
    public var lastFailure: StepFailure?
    /// Why it waits without using an attempt, and since when.
    public var waiting: Waiting?
    /// When its message should have reached a worker. Past it, the sweeper asks whether the message was lost.
    public var expectedAt: Timestamp
    /// When its message was to be in its queue, for the age of what waits. Absent in what an older version wrote.
    public var dueAt: Timestamp?
    /// How many of `attempt` are no tries of their own: a launch counts on from those before it, and its publishing goes
    /// under the next number, so that a copy of the message before it does nothing. Absent: none.
    private(set) var publications: Int?

    /// Which try it is, from 1, as people count them.
    public var tries: Int { max(1, attempt - (publications ?? 0)) }

    /// The try that runs goes on under the next number.
    mutating func publish() {
        attempt += 1
        publications = (publications ?? 0) + 1
    }

    public struct Waiting: Codable, Equatable, Sendable {
        public var reason: String
        public var since: Timestamp
    }

    /// - Parameter uncounted: how many of `attempt` are no tries of this job.
    init(attempt: Int = 1, uncounted: Int = 0, expectedAt: Timestamp, dueAt: Timestamp? = nil) {
        self.attempt = attempt
        publications = uncounted == 0 ? nil : uncounted
        self.expectedAt = expectedAt
        self.dueAt = dueAt
    }
}

/// What a job leaves behind when it is done.
public enum JobOutput: Codable, Equatable, Sendable {
    case checked([Finding])
    case captured(Capture)
    case replicated(Replica)
    /// What was seen of a machine started from a replica. It leaves nothing behind: the verdict is the image's.
    case observed(BootObservation)
    /// A launch's disks are put together; the instance is still to be put in place.
    case built
    case launched(InstanceID)
    case cleaned

    /// What is kept of it: a capture without what was seen in the guest.
    var stored: JobOutput {
        guard case .captured(var capture) = self else { return self }
        capture.inspection = nil
        return .captured(capture)
    }
}
