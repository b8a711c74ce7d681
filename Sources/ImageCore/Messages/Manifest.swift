/// What a replica says of itself, written last: a copy with a manifest is a whole copy.
public struct Manifest: Codable, Equatable, Sendable {
    public struct File: Codable, Equatable, Sendable {
        public var device: DeviceName
        public var kind: DiskKind
        public var sizeBytes: Int64
        public var autoDelete: Bool
        /// `qcow2`, `raw`, or `cinder-snapshot`, whose checksum is that of its record (`Capture.Format`).
        public var format: String
        public var fileSizeBytes: Int64
        public var sha256: String
        /// The snapshot or image file this disk was captured into.
        public var resource: ResourceID
    }

    public var version = 1
    public var imageId: ImageID
    public var name: String
    public var owner: Owner
    public var instanceId: InstanceID
    public var createdAt: String
    public var rootDeviceType: String
    public var disks: [File]
    /// What was removed from the system disk. Absent: the image is not sealed.
    public var seal: [SealItem]?

    public init(of image: Image) {
        imageId = image.id
        name = image.name
        owner = image.owner
        instanceId = image.plan.instanceID
        createdAt = image.createdAt.rfc3339
        rootDeviceType = image.plan.systemDisk.kind == .local ? "localDisk" : "cloudDisk"
        seal = image.captures.compactMap(\.seal).first?.removed.map(\.item)
        disks = image.captures.compactMap { capture in
            guard let planned = image.plan.disks.first(where: { $0.device == capture.device }) else { return nil }
            return File(
                device: capture.device,
                kind: planned.kind,
                sizeBytes: planned.sizeBytes,
                autoDelete: planned.autoDelete,
                format: (capture.format ?? .qcow2).rawValue,
                fileSizeBytes: capture.fileSizeBytes,
                sha256: capture.sha256,
                resource: capture.resource.id
            )
        }
    }
}

extension Manifest {
    /// The same manifest, in which some disks are what they are as files of a replica.
    /// - Returns: `nil` when it is no manifest.
    public static func describing(_ files: [Replica.File], in manifest: [UInt8]) -> [UInt8]? {
        guard var described = try? CanonicalJSON.decode(Manifest.self, from: manifest) else { return nil }
        for file in files {
            guard let index = described.disks.firstIndex(where: { $0.device == file.device }) else { return nil }
            described.disks[index].format = Capture.Format.qcow2.rawValue
            described.disks[index].fileSizeBytes = file.sizeBytes
            described.disks[index].sha256 = file.sha256
        }
        return CanonicalJSON.bytes(described)
    }
}
