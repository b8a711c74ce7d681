/// What a worker process says of itself, about every ten seconds.
public struct WorkerReport: Codable, Equatable, Sendable {
    public var worker: WorkerID
    public var identity: WorkerIdentity
    /// What it serves: `intake`, a step's name, `dead-letters`, …
    public var lanes: [String]
    /// Jobs at once in each lane.
    public var concurrency: Int
    /// By its own machine's clock, like `at`: as long before it as the worker has run, however the clock was set
    /// meanwhile.
    public var startedAt: Timestamp
    public var at: Timestamp
    /// Which of its tools failed their last trial. Absent: a worker of an older version, or one that has not tried yet.
    public var faults: [ToolFault]?
    /// Lanes out of `lanes` that it does not serve at present, because a tool fails. Absent: none.
    public var pausedLanes: [String]?
    /// Whether it takes nothing new and only finishes what runs. Absent: no.
    public var isDraining: Bool?

    /// What it takes work from now.
    public var servedLanes: [String] {
        isDraining == true ? [] : lanes.filter { pausedLanes?.contains($0) != true }
    }

    public init(
        worker: WorkerID,
        identity: WorkerIdentity,
        lanes: [String],
        concurrency: Int,
        startedAt: Timestamp,
        at: Timestamp
    ) {
        self.worker = worker
        self.identity = identity
        self.lanes = lanes
        self.concurrency = concurrency
        self.startedAt = startedAt
        self.at = at
    }
}

/// Where a worker runs, to find its process.
public struct WorkerIdentity: Codable, Equatable, Sendable {
    public var host: String
    public var processID: Int32
    public var version: String

    public init(host: String = "", processID: Int32 = 0, version: String = "") {
        (self.host, self.processID, self.version) = (host, processID, version)
    }
}

/// A worker's last report, beside the time that the store's own clock gave it: workers' clocks may differ.
public struct WorkerStatus: Codable, Equatable, Sendable {
    public var report: WorkerReport
    /// By the database's clock.
    public var storedAt: Timestamp
    /// When it was read, by the same clock.
    public var readAt: Timestamp

    /// Longer without a report than this, a worker counts as gone: three reports that did not come.
    public static let goneAfter = Duration.seconds(30)
    /// How long a worker that is gone stays listed.
    public static let forgottenAfter = Duration.seconds(24 * 3600)

    public init(report: WorkerReport, storedAt: Timestamp, readAt: Timestamp) {
        (self.report, self.storedAt, self.readAt) = (report, storedAt, readAt)
    }

    public var silence: Duration { readAt - storedAt }
    /// Also a worker whose report is from the future: the store's clock was set back since, and a living worker reports
    /// again.
    public var isGone: Bool { silence > Self.goneAfter || silence < .zero - StoredTime.tolerance }
    /// When it started, by the database's clock.
    public var upSince: Timestamp { storedAt + (report.startedAt - report.at) }
    /// How far the worker's clock is ahead of the database's, to within the time a commit takes.
    public var skew: Duration { report.at - storedAt }
}
