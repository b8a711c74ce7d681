/// What others have to do with an image once it is made. Most images have none of it.
public struct References: Codable, Equatable, Sendable {
    /// How many owners one image can be shared with.
    public static let shareLimit = 10

    /// The owners it is shared with, in order. They cannot share it further.
    public var sharedWith: [Owner] = []
    /// The conversion that reads it now. Until it ends, the image is neither deleted nor converted again.
    public var conversion: ImageID?
    /// Images that use its data-disk snapshots, because they were converted from it.
    public var borrowers: [ImageID] = []
    /// The image it was converted from, while it still uses that one's data-disk snapshots.
    public var borrowsFrom: ImageID?
    /// Launches that run, and, for an image on local disks, the instances that may still exist.
    public var launches: [Launch] = []

    public init() {}
}

/// One instance that is, or was, launched from an image.
public struct Launch: Codable, Equatable, Sendable {
    /// Chosen when the request is accepted.
    public var instanceID: InstanceID
    /// The instance's future owner: the image's owner, or one it is shared with.
    public var owner: Owner
    public var requestID: RequestID
    /// The location of the replica it is made from.
    public var location: LocationName
    /// System disk first, under the names the new instance gets.
    public var disks: [LaunchDisk]

    public init(
        instanceID: InstanceID,
        owner: Owner,
        requestID: RequestID,
        location: LocationName,
        disks: [LaunchDisk]
    ) {
        self.instanceID = instanceID
        self.owner = owner
        self.requestID = requestID
        self.location = location
        self.disks = disks
    }
}

/// One disk of a new instance.
public struct LaunchDisk: Codable, Equatable, Sendable {
    public var device: DeviceName
    public var kind: DiskKind
    /// In bytes. At least what the image holds.
    public var sizeBytes: Int64
    public var autoDelete: Bool
    /// The image's disk it is created from; absent for an empty one.
    public var from: DeviceName?

    public init(device: DeviceName, kind: DiskKind, sizeBytes: Int64, autoDelete: Bool, from: DeviceName?) {
        self.device = device
        self.kind = kind
        self.sizeBytes = sizeBytes
        self.autoDelete = autoDelete
        self.from = from
    }
}
