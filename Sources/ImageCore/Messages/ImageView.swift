/// An image as it is shown: in the answer to `image.describe`, by `--json`, in the console's API. A contract: fields
/// are only ever added.
public struct ImageView: Codable, Equatable, Sendable {
    public struct Disk: Codable, Equatable, Sendable {
        public var device: DeviceName
        public var kind: DiskKind
        public var sizeBytes: Int64
        public var autoDelete: Bool
        /// The snapshot or image file, once captured.
        public var resource: ResourceID?
        public var resourceKind: Resource.Kind?
        public var fileSizeBytes: Int64?
        public var sha256: String?
    }

    public struct JobLine: Codable, Equatable, Sendable {
        public var job: Job
        public var phase: JobState.Phase
        public var attempt: Int
        public var worker: WorkerID?
        public var doneBytes: Int64?
        public var totalBytes: Int64?
        public var waitingFor: String?
        /// The host that does it; absent when no host must.
        public var host: HostName?
        /// When it continues, in RFC 3339; absent while a worker has it, and after its end.
        public var nextAt: String?
        /// What it does while no bytes say how far it is, and since when a worker has it, in RFC 3339.
        public var doing: String?
        public var since: String?
        public var lastFailure: StepFailure?
    }

    public struct Failure: Codable, Equatable, Sendable {
        public var step: Step?
        public var subject: String?
        public var attempts: Int
        public var code: ErrorCode
        public var message: String
        public var advice: String?
        public var cleanUp: Image.CleanUp
        public var cleaned: [ResourceID]
        public var left: [ResourceID]
    }

    public var id: ImageID
    public var owner: Owner
    public var name: String
    public var description: String
    public var status: ImageStatus
    /// Absent, like the request, the labels and the jobs, for an owner with whom the image is shared.
    public var instanceId: InstanceID?
    public var requestId: RequestID?
    public var labels: [String: String]
    public var createdAt: String
    public var updatedAt: String
    public var rootDeviceType: String
    public var deviceMapping: [Disk]
    public var replicas: [Replica]
    public var jobs: [JobLine]
    public var findings: [Finding]
    /// What guest checks changed on the captured copy.
    public var guestDiff: String?
    /// Whether it was seen to boot. Absent where no proof is made.
    /// What was removed from the system disk. Absent: the image is not sealed.
    public var seal: SealRecord?
    /// What the request wanted of a search for secrets; what was found is among the findings. Absent: nothing, or it is
    /// still to be done.
    public var secretScan: SecretScan?
    public var bootProof: BootView?
    public var failure: Failure?
    /// The owners it is shared with; absent when there are none.
    public var sharedWith: [Owner]?
    /// The image it was converted from.
    public var convertedFrom: ImageID?
    /// The image that is being converted from it now.
    public var convertingInto: ImageID?
    /// Snapshots that its owner kept when the image was deleted.
    public var keptSnapshots: [ResourceID]?
    /// Oldest first. In an answer one page of it (`HistoryPage`).
    public var history: [HistoryLine]?

    /// - Parameter owner: the viewer. Owners with whom it is only shared see no more than a launch needs.
    public init(_ image: Image, leases: [Lease] = [], for owner: Owner) {
        self.init(image, leases: leases)
        // What others launch is their business.
        let own = Set(image.references.launches.filter { $0.owner == owner }.map { Job.launch($0.instanceID) })
        jobs.removeAll { $0.job.step == .launch && !own.contains($0.job) }
        // Which hosts there are is the operators' business.
        for index in jobs.indices { jobs[index].host = nil }
        for index in replicas.indices { replicas[index].resource.host = nil }
        guard owner != image.owner else { return }
        instanceId = nil
        requestId = nil
        labels = [:]
        jobs = []
        findings = []
        guestDiff = nil
        secretScan = nil
        bootProof = nil
        sharedWith = nil
        convertedFrom = nil
        convertingInto = nil
    }

    /// - Parameter workers: the workers with their lanes; without them, a job does not say that no worker serves its lane.
    public init(_ image: Image, leases: [Lease] = [], workers: [WorkerStatus]? = nil) {
        id = image.id
        owner = image.owner
        name = image.name
        description = image.details
        status = image.status
        instanceId = image.plan.instanceID
        requestId = image.requestID
        labels = image.labels
        createdAt = image.createdAt.rfc3339
        updatedAt = image.updatedAt.rfc3339
        rootDeviceType = image.plan.systemDisk.kind == .local ? "localDisk" : "cloudDisk"
        let isWhole = image.status == .pending || image.status == .replicating || image.status == .available
        let captures = isWhole ? image.captures : []
        deviceMapping = image.plan.disks.map { disk in
            let capture = captures.first { $0.device == disk.device }
            return Disk(
                device: disk.device,
                kind: disk.kind,
                sizeBytes: disk.sizeBytes,
                autoDelete: disk.autoDelete,
                resource: capture?.resource.id,
                resourceKind: capture?.resource.kind,
                fileSizeBytes: capture?.fileSizeBytes,
                sha256: capture?.sha256
            )
        }
        replicas = isWhole ? image.replicas : []
        sharedWith = image.references.sharedWith.isEmpty ? nil : image.references.sharedWith
        convertedFrom = image.plan.conversion?.source
        convertingInto = image.references.conversion
        keptSnapshots = image.keptSnapshots.isEmpty ? nil : image.keptSnapshots
        jobs = image.jobs.sorted { $0.key < $1.key }.map { job, state in
            let lease = leases.first { $0.job == job }
            let missing = workers.flatMap { image.missingWorker(for: job, among: $0) }
            return JobLine(
                job: job,
                phase: state.phase,
                attempt: state.tries,
                worker: lease?.worker,
                doneBytes: lease?.progress?.doneBytes,
                totalBytes: lease?.progress?.totalBytes,
                // While a worker has it, what it waited for is history.
                waitingFor: lease == nil ? missing ?? state.waiting?.reason : nil,
                host: image.host(of: job),
                nextAt: lease == nil && state.isHeldBack ? state.dueAt?.rfc3339 : nil,
                doing: lease.flatMap { image.activity(of: job, $0.progress) },
                since: lease?.since?.rfc3339,
                lastFailure: state.lastFailure?.told(of: job, isFinal: state.phase.isOver)
            )
        }
        findings = image.findings
        guestDiff = captures.compactMap(\.guestFix?.diff).first { !$0.isEmpty }
        seal = captures.compactMap(\.seal).first
        seal?.left = nil
        secretScan = captures.contains { $0.secrets != nil } ? image.plan.secretScan : nil
        bootProof = BootView(of: image)
        failure = image.failure.map {
            Failure(
                step: $0.job?.step,
                subject: $0.job.flatMap { $0.subject.isEmpty ? nil : $0.subject },
                attempts: $0.attempts,
                code: $0.cause.code,
                message: $0.cause.message,
                advice: $0.cause.advice,
                cleanUp: image.cleanUp,
                cleaned: image.cleaned,
                left: image.ledger.map(\.resource.id)
            )
        }
    }
}

/// One line of an image's history, as it is shown.
public struct HistoryLine: Codable, Equatable, Sendable {
    public var sequence: Int64
    /// RFC 3339, UTC.
    public var at: String
    /// For example `image.pending`, `step.done`.
    public var what: String
    public var status: ImageStatus
    public var job: Job?
    public var attempt: Int?
    /// The worker that did it, or the user who requested it.
    public var by: String?
    /// What a done job has made.
    public var bytes: Int64?
    /// How long its attempt took.
    public var milliseconds: Int64?
    public var code: ErrorCode?
    public var message: String?
    public var advice: String?

    public init(_ line: Announcement) {
        sequence = line.sequence
        at = line.at.rfc3339
        what = line.kind.rawValue
        status = line.status
        job = line.job
        attempt = line.attempt
        by = line.actor
        bytes = line.bytes
        milliseconds = line.milliseconds
        code = line.failure?.code
        message = line.failure?.message ?? line.reason
        advice = line.failure?.advice
    }
}
