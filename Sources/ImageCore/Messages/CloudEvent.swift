/// A CloudEvents 1.0 event in structured JSON mode. What upstream systems follow an image by.
public struct CloudEvent: Codable, Equatable, Sendable {
    public struct Data: Codable, Equatable, Sendable {
        public struct File: Codable, Equatable, Sendable {
            public var device: DeviceName
            public var resource: ResourceID
            public var virtualSizeBytes: Int64
            public var fileSizeBytes: Int64
            public var sha256: String
        }

        public var imageId: ImageID?
        public var owner: Owner
        public var name: String?
        public var instanceId: InstanceID?
        public var requestId: RequestID?
        public var status: ImageStatus?
        public var step: Step?
        /// The disk, location or resource a step is about.
        public var subject: String?
        public var attempt: Int?
        public var code: ErrorCode?
        public var message: String?
        public var advice: String?
        public var field: String?
        public var disks: [File]?
        public var locations: [LocationName]?
        public var progress: CopyProgress?
        /// What was found in the guest, once it has been looked at.
        public var findings: [Finding]?
        /// Whether the image was seen to boot, once that was tried.
        public var bootProof: BootView?
    }

    public var specversion = "1.0"
    public var id: String
    public var source = "goldsmith"
    public var type: String
    public var subject: String?
    public var time: String
    /// From 1 per image; absent for progress, which is neither stored nor counted.
    public var sequence: String?
    public var datacontenttype = "application/json"
    public var data: Data
    /// Not part of the event: the topic brokers route and restrict by.
    private var topic: String

    private enum CodingKeys: String, CodingKey {
        case specversion, id, source, type, subject, time, sequence, datacontenttype, data
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        type = try container.decode(String.self, forKey: .type)
        subject = try container.decodeIfPresent(String.self, forKey: .subject)
        time = try container.decode(String.self, forKey: .time)
        sequence = try container.decodeIfPresent(String.self, forKey: .sequence)
        data = try container.decode(Data.self, forKey: .data)
        topic = ""
    }

    /// The announced line of an image's history.
    public init(_ line: Announcement, of image: Image) {
        id = "\(image.id)/\(line.sequence)"
        let name = Self.name(of: line)
        type = "goldsmith." + name
        let owner = line.launch?.owner ?? image.owner
        topic = "\(name).\(owner)"
        subject = image.id.text
        time = line.at.rfc3339
        sequence = String(line.sequence)
        data = Data(
            imageId: image.id,
            owner: owner,
            name: image.name,
            // A launch's events go to the launching owner, who may not see the image's source instance.
            instanceId: line.launch?.instanceID ?? image.plan.instanceID,
            requestId: line.launch?.requestID ?? image.requestID,
            status: line.status,
            step: line.job?.step,
            subject: line.job.flatMap { $0.subject.isEmpty ? nil : $0.subject },
            attempt: line.attempt,
            code: line.failure?.code,
            message: line.failure?.message ?? line.reason,
            advice: line.failure?.advice
        )
        if line.kind == .imageBootProof || line.kind == .imageAvailable, image.bootProof != nil {
            data.bootProof = BootView(of: image)
        }
        if line.tellsFindings, !image.findings.isEmpty { data.findings = image.findings }
        if line.kind == .imageAvailable {
            data.locations = image.replicas.map(\.location)
            data.disks = image.captures.map {
                Data.File(
                    device: $0.device,
                    resource: $0.resource.id,
                    virtualSizeBytes: $0.virtualSizeBytes,
                    fileSizeBytes: $0.fileSizeBytes,
                    sha256: $0.sha256
                )
            }
        }
    }

    /// A request that was refused.
    public init(rejected rejection: Rejection, of identity: RequestIdentity, at now: Timestamp) {
        id = "rejected/\(identity.owner)/\(identity.requestID)"
        type = "goldsmith.request.rejected"
        topic = "request.rejected.\(identity.owner)"
        time = now.rfc3339
        data = Data(
            owner: identity.owner,
            requestId: identity.requestID,
            code: rejection.code,
            message: rejection.message,
            field: rejection.field
        )
    }

    /// How far a copy is. Best effort: sent without a number, and never stored.
    public init(progress: CopyProgress, of job: Job, fence: Int64, image: Image, at now: Timestamp) {
        id = "\(image.id)/progress/\(job)/\(fence)/\(progress.doneBytes)"
        type = "goldsmith.image.progress"
        let owner = image.launch(of: job)?.owner ?? image.owner
        topic = "image.progress.\(owner)"
        subject = image.id.text
        time = now.rfc3339
        data = Data(
            imageId: image.id,
            owner: owner,
            status: image.status,
            step: job.step,
            subject: job.subject.isEmpty ? nil : job.subject,
            progress: progress
        )
    }

    public func outgoing() -> OutgoingMessage {
        OutgoingMessage(
            id: id,
            destination: .events,
            routingKey: topic,
            contentType: "application/cloudevents+json",
            correlationID: subject,
            body: CanonicalJSON.text(self)
        )
    }

    /// `image.pending`, `step.data-disk.started`, …
    private static func name(of line: Announcement) -> String {
        guard let job = line.job, let outcome = line.kind.rawValue.split(separator: ".").last,
            line.kind.rawValue.hasPrefix("step.")
        else { return line.kind.rawValue }
        return "step.\(job.step.rawValue).\(outcome)"
    }
}

extension Timestamp {
    /// RFC 3339 in UTC with milliseconds, for example `2026-01-31T12:00:00.000Z`.
    public var rfc3339: String {
        let (second, fraction) = Self.divide(microseconds, by: 1_000_000)
        let (day, time) = Self.divide(second, by: 86_400)
        let (year, month, dayOfMonth) = Self.date(day)
        func digits(_ number: Int64, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(dayOfMonth, 2))"
        let clock = "\(digits(time / 3600, 2)):\(digits(time / 60 % 60, 2)):\(digits(time % 60, 2))"
        return "\(date)T\(clock).\(digits(fraction / 1000, 3))Z"
    }

    /// The date of a day that is counted from 1970-01-01, in the Gregorian calendar. Howard Hinnant's
    /// `civil_from_days`: years begin in March, so that the leap day is their last.
    private static func date(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = divide(day + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let isPastDecember = month >= 10
        return (
            yearOfEra + era * 400 + (isPastDecember ? 1 : 0), isPastDecember ? month - 9 : month + 3,
            dayOfYear - (153 * month + 2) / 5 + 1
        )
    }

    /// Rounds down, also below zero.
    private static func divide(_ number: Int64, by divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = number.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }
}

extension Announcement {
    fileprivate var tellsFindings: Bool {
        kind == .imageAvailable || (kind == .stepDone && (job == .stopCheck || job == .systemDisk))
    }

    /// Whether its event says what may be another thing, or be there at all, by the time the event is sent again.
    var tellsMoreThanItself: Bool { tellsFindings || kind == .imageBootProof }
}
