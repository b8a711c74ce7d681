/// What was seen on a system disk, without a word on what it means. All of it is the guest's: nothing is believed.
public struct GuestFacts: Codable, Equatable, Sendable {
    /// A file system with an operating system on it. Most disks have one; btrfs has one for each snapshot, too.
    public struct System: Codable, Equatable, Sendable {
        /// What was mounted: a volume's device, or `btrfsvol:/dev/sda2/@` for a subvolume.
        public var root: String
        /// By their path in the guest; missing files are absent.
        public var files: [String: GuestFile]
        /// Links in `/etc/systemd/system/*.wants` and `*.requires`, by which a start of the guest pulls units in.
        public var unitLinks: [String]
        /// Whether nothing can be written there, as with a read-only snapshot.
        public var isReadOnly: Bool

        public init(
            root: String,
            fstab: GuestFile = .absent,
            networkRules: GuestFile = .absent,
            files: [String: GuestFile] = [:],
            unitLinks: [String] = [],
            isReadOnly: Bool = false
        ) {
            self.root = root
            self.files = files
            self.unitLinks = unitLinks
            self.isReadOnly = isReadOnly
            if fstab != .absent { self.files[GuestFacts.fstabPath] = fstab }
            if networkRules != .absent { self.files[GuestFacts.networkRulesPath] = networkRules }
        }

        public var fstab: GuestFile { files[GuestFacts.fstabPath] ?? .absent }
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

    public var volumes: [GuestVolume]
    public var systems: [System]
    public var unread: [Unread]
    /// What boot loaders on the disk start, in no order.
    public var bootEntries: [BootEntry]

    public init(
        volumes: [GuestVolume],
        systems: [System],
        unread: [Unread] = [],
        bootEntries: [BootEntry] = []
    ) {
        self.volumes = volumes
        self.systems = systems
        self.unread = unread
        self.bootEntries = bootEntries
    }

    public typealias Volume = GuestVolume
}

/// What came of looking into a guest.
public enum GuestInspection: Equatable, Sendable {
    case seen(GuestFacts)
    /// Inspection was impossible.
    /// - Parameter mayPass: whether another try may succeed.
    case notChecked(reason: String, advice: String?, mayPass: Bool)
}

/// What was changed on a captured copy.
public struct GuestFix: Codable, Equatable, Sendable {
    /// What was found on the source: `fixed`, or still a `warning` where a fix was not safe.
    public var findings: [Finding]
    /// A unified diff of every changed file, made safe to be shown; empty when nothing had to be changed.
    public var diff: String

    public init(findings: [Finding], diff: String) {
        self.findings = findings
        self.diff = diff
    }
}
