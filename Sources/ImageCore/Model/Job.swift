/// The kinds of work. Each is a queue of its own, so that people can scale them apart.
public enum Step: String, Codable, Sendable, CaseIterable {
    case stopCheck = "stop-check"
    case systemDisk = "system-disk"
    case dataDisk = "data-disk"
    case convert
    case replicate
    case bootProof = "boot-proof"
    case launch
    case cleanUp = "clean-up"

    /// Whether it belongs to the making of an image, which it brings down with it when it fails.
    public var isForward: Bool { stage != nil }

    /// What a human does to have a given-up job tried again.
    var anotherTry: String {
        switch self {
        case .stopCheck, .systemDisk, .dataDisk, .convert, .replicate, .bootProof: "retry the image"
        case .launch: "launch again"
        case .cleanUp: "replay its dead letter"
        }
    }
}

/// One step of one image: the unit that is queued, retried, leased and dead-lettered.
public enum Job: Hashable, Sendable {
    case stopCheck
    case systemDisk
    case dataDisk(DeviceName)
    /// The system disk of a converted image: a snapshot made of the source's image file.
    case convert
    case replicate(LocationName)
    /// A throw-away machine started from the replica at a location.
    case bootProof(LocationName)
    /// A new instance from an Available image.
    case launch(InstanceID)
    case cleanUp(ResourceID)

    public var step: Step {
        switch self {
        case .stopCheck: .stopCheck
        case .systemDisk: .systemDisk
        case .dataDisk: .dataDisk
        case .convert: .convert
        case .replicate: .replicate
        case .bootProof: .bootProof
        case .launch: .launch
        case .cleanUp: .cleanUp
        }
    }

    /// What tells this job from the others of its step; empty for a step with one job an image.
    public var subject: String {
        switch self {
        case .stopCheck, .systemDisk, .convert: ""
        case .dataDisk(let device): device.description
        case .replicate(let location), .bootProof(let location): location.text
        case .launch(let instance): instance.text
        case .cleanUp(let resource): resource.text
        }
    }

    /// The disk a capture job captures.
    public var device: DeviceName? {
        switch self {
        case .systemDisk, .convert: .system
        case .dataDisk(let device): device
        case .stopCheck, .replicate, .bootProof, .launch, .cleanUp: nil
        }
    }

    public var location: LocationName? {
        switch self {
        case .replicate(let location), .bootProof(let location): location
        case .stopCheck, .systemDisk, .dataDisk, .convert, .launch, .cleanUp: nil
        }
    }
}

/// As text: `stop-check`, `data-disk:/dev/vdb`, `replicate:east`. This is how jobs stand in messages and the store.
extension Job: Codable, CodingKeyRepresentable, Comparable, CustomStringConvertible {
    public var description: String { subject.isEmpty ? step.rawValue : "\(step.rawValue):\(subject)" }

    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let step = Step(rawValue: parts[0]) else { return nil }
        let subject = parts.count == 2 ? parts[1] : nil
        switch (step, subject) {
        case (.stopCheck, nil): self = .stopCheck
        case (.systemDisk, nil): self = .systemDisk
        case (.dataDisk, let subject?):
            guard let device = DeviceName(subject), !device.isSystem else { return nil }
            self = .dataDisk(device)
        case (.convert, nil): self = .convert
        case (.replicate, let subject?):
            guard let location = LocationName(subject) else { return nil }
            self = .replicate(location)
        case (.bootProof, let subject?):
            guard let location = LocationName(subject) else { return nil }
            self = .bootProof(location)
        case (.launch, let subject?):
            guard let instance = InstanceID(subject) else { return nil }
            self = .launch(instance)
        case (.cleanUp, let subject?):
            guard let resource = ResourceID(subject) else { return nil }
            self = .cleanUp(resource)
        case (.stopCheck, _), (.systemDisk, _), (.convert, _), (.dataDisk, nil), (.replicate, nil), (.bootProof, nil),
            (.launch, nil), (.cleanUp, nil):
            return nil
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Job(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a job")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public var codingKey: any CodingKey { Key(stringValue: description) }
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }

    /// In the order an image's making goes through them.
    public static func < (left: Job, right: Job) -> Bool {
        let order = Step.allCases
        let (a, b) = (order.firstIndex(of: left.step) ?? 0, order.firstIndex(of: right.step) ?? 0)
        guard a == b else { return a < b }
        if let first = left.device, let second = right.device { return first < second }
        return left.subject < right.subject
    }
}
