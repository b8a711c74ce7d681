import ImageCore
import OpenStackClient

/// A server as an instance: its id, its owner, and its disks by the names that its guest gives them.
struct CloudInstance: Sendable {
    struct AttachedDisk: Sendable {
        var device: DeviceName
        var kind: DiskKind
        var sizeBytes: Int64
        var autoDelete: Bool
        /// `nil`: the local system disk.
        var volume: CloudVolume?
    }

    var id: InstanceID
    var owner: Owner
    var server: CloudServer
    var disks: [AttachedDisk]

    var instance: Instance {
        Instance(
            id: id,
            owner: owner,
            status: Self.status(of: server),
            disks: disks.map {
                Disk(device: $0.device, kind: $0.kind, sizeBytes: $0.sizeBytes, autoDelete: $0.autoDelete)
            }
        )
    }

    /// Stopped only while nothing is being done with it: a server that is just being started is `SHUTOFF` too.
    static func status(of server: CloudServer) -> InstanceStatus {
        let word = server.status.split(separator: "_").map { $0.prefix(1) + $0.dropFirst().lowercased() }.joined()
        let status: InstanceStatus =
            switch server.status {
            case "SHUTOFF": .stopped
            case "ACTIVE": .running
            default: .other(word)
            }
        guard let task = server.taskState else { return status }
        return .other("\(status) (\(task))")
    }

    /// The id under which Goldsmith launched it, else its own.
    static func id(of server: CloudServer) -> InstanceID? {
        if let launched = server.metadata[CloudMark.instance].flatMap({ InstanceID($0) }),
            server.tags.contains(MarkScope.tag(of: launched))
        {
            return launched
        }
        return InstanceID(server.id)
    }

    func disk(_ device: DeviceName) throws(StepFailure) -> AttachedDisk {
        guard let disk = disks.first(where: { $0.device == device }) else {
            throw StepFailure(.permanent, .notFound, "Instance \(id) has no disk \(device).")
        }
        return disk
    }

    /// - Parameters:
    ///   - attached: by `attached(to:)`. Volumes that are not in it are left out.
    ///   - volumes: those that are attached, by their ids.
    ///   - defaultOwner: of servers that name none.
    init(
        _ server: CloudServer,
        _ attached: [(DeviceName, VolumeAttachment)],
        _ volumes: [String: CloudVolume],
        defaultOwner: Owner
    ) throws(StepFailure) {
        guard let id = Self.id(of: server) else {
            throw StepFailure(.permanent, .internal, "The cloud gives a server no usable id.")
        }
        (self.id, self.server) = (id, server)
        owner = server.metadata[CloudMark.owner].flatMap { Owner($0) } ?? defaultOwner
        var disks: [AttachedDisk] = []
        if server.imageID != nil {
            let size = Int64(server.flavor.disk) << 30
            disks.append(AttachedDisk(device: .system, kind: .local, sizeBytes: size, autoDelete: true, volume: nil))
        }
        for (device, attachment) in attached {
            guard let volume = volumes[attachment.volumeID] else {
                throw StepFailure(.transient, .unavailable, "The volume at \(device) of instance \(id) is not told.")
            }
            disks.append(
                AttachedDisk(
                    device: device,
                    kind: .cloud,
                    sizeBytes: Int64(volume.size) << 30,
                    autoDelete: attachment.deletesOnTermination ?? false,
                    volume: volume
                )
            )
        }
        self.disks = disks.sorted { $0.device < $1.device }
    }

    /// Each of a server's volumes with its name: the attachments' own where all are names of virtio disks; else names in
    /// the order of theirs, as a guest numbers them.
    static func attached(
        _ attachments: [VolumeAttachment],
        to server: CloudServer
    ) throws(StepFailure) -> [(DeviceName, VolumeAttachment)] {
        let first = server.imageID == nil ? 0 : 1
        let named = attachments.compactMap { attachment in
            attachment.device.flatMap { DeviceName($0) }.map { ($0, attachment) }
        }
        let names = Set(named.map(\.0))
        if names.count == attachments.count, names.contains(.system) == (first == 0) || attachments.isEmpty {
            return named
        }
        let ordered = attachments.sorted { left, right in
            let (left, right) = (left.device ?? "", right.device ?? "")
            return (left.utf8.count, left) < (right.utf8.count, right)
        }
        var devices: [(DeviceName, VolumeAttachment)] = []
        for (position, attachment) in ordered.enumerated() {
            guard let device = DeviceName(position: position + first) else {
                throw StepFailure(
                    .permanent,
                    .failedPrecondition,
                    "Server \(server.id) has more disks than have names (\(DeviceName.lastPosition + 1))."
                )
            }
            devices.append((device, attachment))
        }
        return devices
    }
}
