import FoundationEssentials

/// What was seen on a system disk, without a word on what it means. All of it is the guest's: nothing is believed.
public struct GuestFacts: Codable, Equatable, Sendable {
    /// Something that holds, or could hold, a file system or swap space: a disk, a partition, a logical volume.
    public struct Volume: Codable, Equatable, Sendable {
        /// As the inspector names it: `/dev/sda1`, `/dev/vg/root`. The system disk is its first disk.
        public var device: String
        /// For example `ext4`, `swap`, `crypto_LUKS`, `LVM2_member`.
        public var type: String?
        public var uuid: String?
        public var label: String?
        public var partUUID: String?
        public var partLabel: String?

        public init(
            device: String,
            type: String? = nil,
            uuid: String? = nil,
            label: String? = nil,
            partUUID: String? = nil,
            partLabel: String? = nil
        ) {
            self.device = device
            self.type = type
            self.uuid = uuid
            self.label = label
            self.partUUID = partUUID
            self.partLabel = partLabel
        }
    }

    /// A file system with an operating system on it. Most disks have one.
    public struct System: Codable, Equatable, Sendable {
        /// What was mounted: a volume's device, or `btrfsvol:/dev/sda2/@` for a subvolume.
        public var root: String
        public var fstab: GuestFile
        public var networkRules: GuestFile

        public init(root: String, fstab: GuestFile = .absent, networkRules: GuestFile = .absent) {
            self.root = root
            self.fstab = fstab
            self.networkRules = networkRules
        }
    }

    /// A file system that could not be looked into.
    public struct Unread: Codable, Equatable, Sendable {
        public var root: String
        public var type: String
        /// In a few words.
        public var reason: String

        public init(root: String, type: String, reason: String) {
            self.root = root
            self.type = type
            self.reason = reason
        }
    }

    public var volumes: [Volume]
    public var systems: [System]
    public var unread: [Unread]

    public init(volumes: [Volume], systems: [System], unread: [Unread] = []) {
        self.volumes = volumes
        self.systems = systems
        self.unread = unread
    }
}

/// One file of a guest, as far as it was read.
public enum GuestFile: Equatable, Sendable {
    /// Files that matter here have a few kilobytes. What is larger is not read.
    public static let sizeLimit = 256 << 10

    case absent
    case bytes([UInt8])
    /// Why not, in a few words.
    case unread(String)
}

extension GuestFile: Codable {
    private enum CodingKeys: String, CodingKey {
        case base64
        case unread
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let data = try container.decodeIfPresent(Data.self, forKey: .base64) {
            self = .bytes(Array(data))
        } else if let reason = try container.decodeIfPresent(String.self, forKey: .unread) {
            self = .unread(reason)
        } else {
            self = .absent
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .absent: break
        case .bytes(let bytes): try container.encode(Data(bytes), forKey: .base64)
        case .unread(let reason): try container.encode(reason, forKey: .unread)
        }
    }
}

/// What came of looking into a guest.
public enum GuestInspection: Equatable, Sendable {
    case seen(GuestFacts)
    /// Nobody could look.
    /// - Parameter mayPass: whether another try may succeed.
    case notChecked(reason: String, advice: String?, mayPass: Bool)
}

/// What was mended on a captured copy.
public struct GuestMending: Codable, Equatable, Sendable {
    /// What was found on the source; all are `fixed`.
    public var findings: [Finding]
    /// A unified diff of every changed file, made safe to be shown; empty when nothing had to be changed.
    public var diff: String

    public init(findings: [Finding], diff: String) {
        self.findings = findings
        self.diff = diff
    }
}
