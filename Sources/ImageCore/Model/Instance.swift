/// What the compute system reports about an instance: untrusted facts, read again whenever they matter.
public struct Instance: Codable, Equatable, Sendable {
    public var id: InstanceID
    public var owner: Owner
    public var status: InstanceStatus
    /// In the order of their device names; the system disk first.
    public var disks: [Disk]
    /// The host that has its disks. Absent: every worker reaches them.
    public var host: HostName?

    public init(id: InstanceID, owner: Owner, status: InstanceStatus, disks: [Disk], host: HostName? = nil) {
        self.id = id
        self.owner = owner
        self.status = status
        self.disks = disks.sorted { $0.device < $1.device }
        self.host = host
    }

    public var systemDisk: Disk? { disks.first { $0.device.isSystem } }
    public var dataDisks: [Disk] { disks.filter { !$0.device.isSystem } }
    public func disk(_ device: DeviceName) -> Disk? { disks.first { $0.device == device } }
}

/// Only `stopped` instances can be captured; every other word a compute system uses is kept as it is.
public enum InstanceStatus: Hashable, Sendable, CustomStringConvertible {
    case running
    case stopped
    case other(String)

    public init(_ text: String) {
        switch text {
        case "Running": self = .running
        case "Stopped": self = .stopped
        default: self = .other(text)
        }
    }

    /// A stopped instance that will go on from saved memory, so that its disks are as a running one left them.
    public static let saved = InstanceStatus.other("Saved")

    /// What to do before it can be captured.
    public var wayToStopped: String {
        self == .saved
            ? "start it and shut it down, or drop its saved memory" : "stop it first, so that its disks are consistent"
    }

    public var description: String {
        switch self {
        case .running: "Running"
        case .stopped: "Stopped"
        case .other(let text): text
        }
    }
}

extension InstanceStatus: Codable {
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A disk attached to an instance.
public struct Disk: Codable, Equatable, Sendable {
    public var device: DeviceName
    public var kind: DiskKind
    /// The size the guest sees, in bytes.
    public var sizeBytes: Int64
    /// Whether the disk goes when its instance is deleted; carried into the image's device mapping.
    public var autoDelete: Bool

    public init(device: DeviceName, kind: DiskKind, sizeBytes: Int64, autoDelete: Bool = true) {
        self.device = device
        self.kind = kind
        self.sizeBytes = sizeBytes
        self.autoDelete = autoDelete
    }
}

/// A local disk lives on its host and can only be copied into an image file; a cloud disk can be snapshotted.
public enum DiskKind: String, Codable, Sendable {
    case local
    case cloud
}
