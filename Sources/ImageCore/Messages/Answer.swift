/// The answer to a request, sent to `reply_to` and recorded in case the request is repeated.
public struct Answer: Codable, Equatable, Sendable {
    public enum Status: String, Codable, Sendable {
        case accepted
        case rejected
    }

    public var status: Status
    public var imageId: ImageID?
    public var imageStatus: ImageStatus?
    public var code: ErrorCode?
    public var message: String?
    public var field: String?
    /// Of a launch: the new instance, and its disks under the names they get.
    public var instanceId: InstanceID?
    public var disks: [LaunchDisk]?
    /// Of a description.
    public var image: ImageView?
    public var images: [ImageView]?
    /// Of a list or a history that goes on: ask with this `page`.
    public var nextPage: Page?
    /// Of a dry run.
    public var dryRun: DryRun?

    /// Of a request that is about no single image.
    public static func accepted() -> Answer { Answer(status: .accepted) }

    public static func accepted(_ image: ImageID, _ status: ImageStatus) -> Answer {
        Answer(status: .accepted, imageId: image, imageStatus: status)
    }

    public static func rejected(_ rejection: Rejection) -> Answer {
        Answer(status: .rejected, code: rejection.code, message: rejection.message, field: rejection.field)
    }

    public var rejection: Rejection? {
        guard status == .rejected, let code, let message else { return nil }
        return Rejection(code, message, field: field)
    }
}

/// What `image.create` would do.
public struct DryRun: Codable, Equatable, Sendable {
    public struct Disk: Codable, Equatable, Sendable {
        public var device: DeviceName
        public var kind: DiskKind
        /// The capacity a new instance would get, in bytes.
        public var sizeBytes: Int64
        public var autoDelete: Bool
        /// What the capture would copy at most, in bytes.
        public var copyBytes: Int64

        public init(_ disk: PlannedDisk, copyBytes: Int64) {
            device = disk.device
            kind = disk.kind
            sizeBytes = disk.sizeBytes
            autoDelete = disk.autoDelete
            self.copyBytes = copyBytes
        }
    }

    public var deviceMapping: [Disk]
    public var locations: [LocationName]
    /// All captures and all replicas together, in bytes.
    public var copyBytes: Int64
    public var findings: [Finding]
    public var quotaLimits: QuotaLimits
    public var quotaBefore: QuotaUse
    public var quotaAfter: QuotaUse
    /// The look into the guest and the copies, from images made lately; absent while there are none.
    public var estimatedSeconds: Int64?

    public init(
        plan: Plan,
        copyBytes sizes: [DeviceName: Int64],
        findings: [Finding],
        quota: QuotaUsage,
        rates: CopyRates
    ) {
        deviceMapping = plan.disks.map { Disk($0, copyBytes: sizes[$0.device] ?? 0) }
        locations = plan.locations
        let captured = deviceMapping.reduce(0) { $0 + $1.copyBytes }
        copyBytes = captured * Int64(1 + plan.locations.count)
        self.findings = findings
        quotaLimits = quota.limits
        quotaBefore = quota.used
        quotaAfter = QuotaUse(
            images: quota.used.images + plan.quota.images,
            snapshots: quota.used.snapshots + plan.quota.snapshots
        )
        // Disks are captured side by side, and so are locations: the longest of each is what is waited for.
        if let capture = rates.capture, let replication = rates.replication {
            let longest = deviceMapping.map(\.copyBytes).max() ?? 0
            let work = plan.guestWork(on: .system)
            let look = plan.looksFirst || work != GuestWork() ? rates.lookSeconds ?? 0 : 0
            let capturing = Double(longest) / capture
            // Beside the copying, unless it is what decides about it, or is done on the copy.
            let first = plan.looksFirst || work.needsCopy ? look + capturing : max(look, capturing)
            estimatedSeconds = Int64((first + Double(captured) / replication).rounded(.up))
        }
    }
}

/// How fast images were made lately; `nil` while nothing is known.
public struct CopyRates: Equatable, Sendable {
    /// In bytes per second.
    public var capture: Double?
    /// In bytes per second.
    public var replication: Double?
    /// How long a look into a guest took, or work on it, in seconds.
    public var lookSeconds: Double?

    public init(capture: Double? = nil, replication: Double? = nil, lookSeconds: Double? = nil) {
        self.capture = capture
        self.replication = replication
        self.lookSeconds = lookSeconds
    }

    /// From the done lines of some images' histories, one image after the other.
    public init(of lines: [Announcement]) {
        replication = Self.rate(lines) { $0 == .replicate }
        // A look beside it makes the capture of a small disk long. The bytes do not flow slower for that than to a
        // location.
        capture = Self.rate(lines) { $0 == .systemDisk || $0 == .dataDisk }.map { max($0, replication ?? 0) }
        let looks = Self.looks(lines, copiedAt: capture).sorted()
        // The upper half: images for which nobody looked, because it was not requested, took no time for it.
        lookSeconds = looks.isEmpty ? nil : looks[looks.count * 3 / 4]
    }

    /// In seconds, for each image: its stop check, and what its system disk took longer than its bytes.
    private static func looks(_ lines: [Announcement], copiedAt rate: Double?) -> [Double] {
        var looks: [Double] = []
        for line in lines where line.kind == .stepDone {
            let seconds = Double(line.milliseconds ?? 0) / 1_000
            switch line.job?.step {
            case .stopCheck: looks.append(seconds)
            case .systemDisk where !looks.isEmpty:
                looks[looks.count - 1] += max(0, seconds - (rate.map { Double(line.bytes ?? 0) / $0 } ?? seconds))
            default: break
            }
        }
        return looks
    }

    private static func rate(_ lines: [Announcement], _ isMeant: (Step) -> Bool) -> Double? {
        let done = lines.filter { $0.kind == .stepDone && $0.bytes != nil && $0.job.map { isMeant($0.step) } == true }
        let bytes = done.reduce(0.0) { $0 + Double($1.bytes ?? 0) }
        let seconds = done.reduce(0.0) { $0 + Double($1.milliseconds ?? 0) / 1_000 }
        return bytes > 0 && seconds > 0 ? bytes / seconds : nil
    }
}
