/// Something an image's making creates outside the store, and must delete again if the making fails.
///
/// Its identifier is derived from image, job and fencing number, so a worker that died between "written in the ledger"
/// and "created" leaves nothing that cannot be found, and two workers never write to the same place.
public struct Resource: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Sendable {
        /// The captured copy of a local system disk.
        case imageFile = "image-file"
        /// A snapshot of a cloud disk.
        case snapshot
        /// The image's copy at one location.
        case replica
        /// An instance that is being launched. Once it is launched it is its owner's, and no resource of the image.
        case instance
    }

    public var id: ResourceID
    public var kind: Kind
    public var imageID: ImageID
    /// Only for a replica.
    public var location: LocationName?
    /// The host that makes it, and must delete it. Absent: any worker can.
    public var host: HostName?
    /// The driver that makes it, and must delete it. Absent: the only one, or what was the only one then.
    public var driver: DriverName?

    public init(
        id: ResourceID,
        kind: Kind,
        imageID: ImageID,
        location: LocationName? = nil,
        host: HostName? = nil,
        driver: DriverName? = nil
    ) {
        self.id = id
        self.kind = kind
        self.imageID = imageID
        self.location = location
        self.host = host
        self.driver = driver
    }
}

/// For example `img-5f0c.vdb.1`: image, what of it, fencing number. Safe as one path component.
public struct ResourceID: Identifier {
    public let text: String

    /// Image ids and location names are at most 63 characters each, so the whole fits a file name (255).
    public init(image: ImageID, part: String, fence: Int64) {
        text = "\(image.text).\(part).\(fence)"
    }

    public init(known text: String) { self.text = text }

    public static func allows(_ text: String) -> Bool { IdentifierRule.allows(text, maximumLength: 200) }

    /// The fencing number of the attempt that it was made by: what stands behind the last dot.
    public var fence: Int64? { text.split(separator: ".").last.flatMap { Int64($0) } }

    /// The image that this was created for: the text before the first dot. Goldsmith's own image ids contain none.
    public var imageID: ImageID? {
        text.split(separator: ".", maxSplits: 1).first.flatMap { ImageID(String($0)) }
    }
}

/// What capturing one disk produced: a file (or snapshot) whose bytes are known by their checksum.
public struct Capture: Codable, Equatable, Sendable {
    public var resource: Resource
    public var device: DeviceName
    /// The size the guest sees, in bytes.
    public var virtualSizeBytes: Int64
    /// The size of the captured file, in bytes. Sparse parts of the disk take none. Of a snapshot that is no file, the size
    /// of its disk.
    public var fileSizeBytes: Int64
    /// SHA-256 of the captured file, 64 lower-case hexadecimal digits. Of a snapshot that is no file, of its record.
    public var sha256: String
    /// Absent: qcow2.
    public var format: Format?
    /// What was changed in the guest's files before the file was hashed; absent when no fix was requested.
    public var guestFix: GuestFix?
    /// What sealing has done; absent when it was not requested.
    public var seal: SealRecord?
    /// Where secrets were found, or were not looked for; absent when that was not requested.
    public var secrets: [Finding]?
    /// What was seen in the guest, for the judgement of the image; absent when no look was requested. It is not stored: the
    /// image keeps its findings.
    public var inspection: GuestInspection? = nil

    private enum CodingKeys: String, CodingKey {
        case resource, device, virtualSizeBytes, fileSizeBytes, sha256, format, guestFix, seal, secrets
    }

    /// What a capture's bytes are.
    public enum Format: String, Codable, Sendable {
        case qcow2
        case raw
        /// A snapshot in a cloud's block storage. None of its bytes were read: the checksum is that of its record there (id,
        /// volume, size, time), and shows that it is the snapshot that was taken, not what is in it.
        case cinderSnapshot = "cinder-snapshot"
    }

    public init(
        resource: Resource,
        device: DeviceName,
        virtualSizeBytes: Int64,
        fileSizeBytes: Int64,
        sha256: String,
        format: Format? = nil,
        guest: GuestResult = GuestResult()
    ) {
        self.resource = resource
        self.device = device
        self.virtualSizeBytes = virtualSizeBytes
        self.fileSizeBytes = fileSizeBytes
        self.sha256 = sha256
        self.format = format
        inspection = guest.inspection
        guestFix = guest.fix
        seal = guest.seal
        secrets = guest.secrets
    }
}

/// One image's verified copy at one location.
public struct Replica: Codable, Equatable, Sendable {
    public struct File: Codable, Equatable, Sendable {
        public var device: DeviceName
        /// Relative to the replica, for example `vda.qcow2`.
        public var name: String
        public var sizeBytes: Int64
        public var sha256: String

        public init(device: DeviceName, name: String, sizeBytes: Int64, sha256: String) {
            self.device = device
            self.name = name
            self.sizeBytes = sizeBytes
            self.sha256 = sha256
        }
    }

    public var resource: Resource
    public var location: LocationName
    public var files: [File]

    public init(resource: Resource, location: LocationName, files: [File]) {
        self.resource = resource
        self.location = location
        self.files = files
    }
}

/// How far a long operation is. `totalBytes` is 0 while it is not known.
public struct CopyProgress: Codable, Equatable, Sendable {
    public var doneBytes: Int64
    public var totalBytes: Int64

    public init(doneBytes: Int64, totalBytes: Int64) {
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
    }
}
