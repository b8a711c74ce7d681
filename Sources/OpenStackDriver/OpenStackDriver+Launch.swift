public import ImageCore
import ImageDrivers
import OpenStackClient

/// A launch is put together as volumes, and an image without content that is its record. Publishing makes a server of
/// them.
///
/// Nova starts every server that it makes. It is stopped at once, so its guest may have begun to start.
extension OpenStackDriver {
    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        let (launch, replica, resource, progress) = (call.launch, call.replica, call.resource, call.progress)
        guard replica.location == launch.location, resource.kind == .instance else {
            throw StepFailure(
                .permanent,
                .invalidArgument,
                "\(replica.resource.id) is no replica at \(launch.location)."
            )
        }
        let subject = "\(resource.id)"
        let (image, sheet) = try await sheet(of: replica)
        try await clear(resource)
        let flavor = try await flavor(for: launch, sheet)
        var volumes: [(gigabytes: Int, type: String?)] = []
        for disk in launch.disks where try sheet.isVolume(disk) {
            volumes.append((Self.gigabytes(disk.sizeBytes), try sheet.entry(disk.from)?.volumeType))
        }
        try await requireRoom(volumes: volumes, subject)

        let files = Dictionary(replica.files.map { ($0.device, $0) }, uniquingKeysWith: { first, _ in first })
        let gauge = ProgressGauge(
            totalBytes: launch.disks.reduce(0) { $0 + ($1.from.flatMap { files[$0]?.sizeBytes } ?? 0) },
            progress
        )
        for disk in launch.disks {
            guard let from = disk.from else { continue }
            try await verify(from, image, sheet, replica, gauge)
        }
        var marks = scope.marks(of: resource)
        marks[CloudMark.flavor] = flavor
        marks[CloudMark.image] = image.id
        let record = try await queue(resource, format: "raw", minDisk: 0, marks)
        var made: [String] = []
        for disk in launch.disks where try sheet.isVolume(disk) {
            made.append(try await makeVolume(disk, of: launch, image, sheet, resource))
        }
        for volume in made { try await awaitVolume(volume, subject) }
        try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.setProperties([CloudMark.built: CloudMark.yes], ofImage: record)
        }
        gauge.finish()
    }

    /// GiB, rounded up: the sizes of a cloud.
    static func gigabytes(_ bytes: Int64) -> Int { Int((bytes + (1 << 30) - 1) >> 30) }

    private func sheet(of replica: Replica) async throws(StepFailure) -> (CloudImage, ReplicaSheet) {
        guard let image = try await image(of: replica.resource), image.status == "active",
            let sheet = ReplicaSheet(image)
        else {
            throw StepFailure(
                .permanent,
                .notFound,
                "The replica \(replica.resource.id) is not in Glance, or not whole."
            )
        }
        return (image, sheet)
    }

    /// The source's. A local system disk is as large as the flavor says.
    private func flavor(for launch: Launch, _ sheet: ReplicaSheet) async throws(StepFailure) -> String {
        let flavors = try await asking("The list of flavors") { () async throws(OpenStackError) in
            try await cloud.flavors()
        }
        guard !sheet.isOfFiles else { return try standardFlavor(among: flavors) }
        guard let flavor = flavors[sheet.flavor] else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "There is no flavor \(PlainText.word(sheet.flavor)) any more, which the image's source had.",
                advice: "Make a flavor of that name.",
                isFixedByAdvice: true,
                madeNothing: true
            )
        }
        if let system = launch.disks.first, try !sheet.isVolume(system), Int64(flavor.disk) << 30 != system.sizeBytes {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The flavor \(PlainText.word(flavor.name)) has a local disk of \(flavor.disk) GiB, and the image's has "
                    + "\(ByteText.of(system.sizeBytes)).",
                madeNothing: true
            )
        }
        return flavor.id
    }

    /// Whether a disk of the replica still is what was captured.
    private func verify(
        _ device: DeviceName,
        _ image: CloudImage,
        _ sheet: ReplicaSheet,
        _ replica: Replica,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) {
        guard let entry = try sheet.entry(device), let file = replica.files.first(where: { $0.device == device }) else {
            throw StepFailure(.permanent, .notFound, "The replica \(replica.resource.id) has no \(device).")
        }
        let sum: String
        if let id = entry.snapshot {
            let found = try await unlessMissing("The snapshot of \(device)") { () async throws(OpenStackError) in
                try await cloud.snapshot(id)
            }
            guard let found else {
                throw StepFailure(
                    .permanent,
                    .notFound,
                    "The snapshot of \(device) is gone: the replica \(replica.resource.id) cannot be used.",
                    advice: "Make the image anew."
                )
            }
            sum = try Self.recordSum(of: found)
            gauge.add(file.sizeBytes)
        } else {
            sum = try await contentSum(of: try await content(of: entry, image), "\(replica.resource.id)") {
                gauge.add($0)
            }
        }
        // The record of a copy's snapshot is known here alone.
        guard sum == (entry.content == file.sha256 ? entry.sha256 : file.sha256) else {
            throw StepFailure(
                .transient,
                .unavailable,
                "\(device) of the replica \(replica.resource.id) is not what was captured: its SHA-256 is \(sum), "
                    + "the capture's was \(file.sha256).",
                advice: "If it happens again, make the image anew."
            )
        }
    }

    // MARK: Volumes

    private func makeVolume(
        _ disk: LaunchDisk,
        of launch: Launch,
        _ image: CloudImage,
        _ sheet: ReplicaSheet,
        _ resource: Resource
    ) async throws(StepFailure) -> String {
        var marks = scope.marks(of: resource)
        marks[CloudMark.device] = disk.device.description
        var own = scope.marks(of: resource.id)
        own[CloudMark.device] = disk.device.description
        let entry = try sheet.entry(disk.from)
        return try await makeVolume(
            CloudVolumeRequest(
                name: "\(launch.instanceID) \(disk.device)",
                gigabytes: Self.gigabytes(disk.sizeBytes),
                content: entry.map { entry in entry.snapshot.map { .snapshot($0) } ?? .image(entry.image ?? image.id) },
                type: entry?.volumeType,
                marks: marks
            ),
            own,
            "\(disk.device) of \(launch.instanceID)"
        )
    }

    /// - Parameter found: the marks that only this volume has.
    /// - Returns: its id. It is not there yet.
    func makeVolume(
        _ volume: CloudVolumeRequest,
        _ found: [String: String],
        _ subject: String
    ) async throws(StepFailure) -> String {
        try await once(
            subject,
            { () async throws(OpenStackError) in try await cloud.createVolume(volume.json).id },
            orFound: { () async throws(OpenStackError) in try await cloud.volumes(with: found).first?.id }
        )
    }

    func awaitVolume(_ id: String, _ subject: String) async throws(StepFailure) {
        try await waiting(for: "Volume \(id)", within: timeout) { () async throws(StepFailure) -> Void? in
            let found = try await unlessMissing(subject) { () async throws(OpenStackError) in
                try await cloud.volume(id)
            }
            guard let volume = found else {
                throw StepFailure(.transient, .unavailable, "Volume \(id) of \(subject) was deleted meanwhile.")
            }
            if volume.status == "available" { return () }
            guard ["creating", "downloading"].contains(volume.status) else {
                throw try await failed("Volume \(id) of \(subject)", volume.status, id)
            }
            return nil
        }
    }

    // MARK: The server

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        let subject = "Instance \(launch.instanceID)"
        if let present = try await server(of: launch.instanceID) {
            guard present.tags.contains(scope.tag(of: resource.id)) else { throw .exists(launch.instanceID) }
            return try await settle(present.id, launch, resource)
        }
        guard let plan = try await builtRecord(resource), let flavor = plan.properties[CloudMark.flavor],
            let image = plan.properties[CloudMark.image]
        else { throw .notBuilt(launch.instanceID) }
        let volumes = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.volumes(with: scope.marks(of: resource.id))
        }
        let byDevice = Dictionary(
            volumes.map { ($0.metadata[CloudMark.device] ?? "", $0.id) },
            uniquingKeysWith: { first, _ in first }
        )
        var devices: [JSONPart] = []
        for disk in launch.disks {
            var device: [String: JSONPart] = ["boot_index": .number(disk.device.isSystem ? 0 : -1)]
            let volume = byDevice[disk.device.description]
            // A local disk that was captured as a file is a volume here.
            if disk.kind == .local, volume == nil {
                device["uuid"] = .text(image)
                (device["source_type"], device["destination_type"]) = ("image", "local")
                device["delete_on_termination"] = true
            } else {
                guard let volume else { throw .notBuilt(launch.instanceID) }
                device["uuid"] = .text(volume)
                (device["source_type"], device["destination_type"]) = ("volume", "volume")
                device["delete_on_termination"] = .flag(disk.autoDelete)
                device["device_name"] = .text(disk.device.description)
            }
            devices.append(.object(device))
        }
        var server: [String: JSONPart] = [
            "name": .text(launch.instanceID.text), "flavorRef": .text(flavor),
            "block_device_mapping_v2": .list(devices), "networks": networks,
            "tags": [.text(MarkScope.tag(of: launch.instanceID)), .text(scope.tag(of: resource.id))],
            "metadata": [
                CloudMark.instance: .text(launch.instanceID.text), CloudMark.owner: .text(launch.owner.text),
                CloudMark.scope: .text(scope.name), CloudMark.resource: .text(resource.id.text),
            ],
        ]
        if launch.disks.first?.kind == .local, byDevice[DeviceName.system.description] == nil {
            server["imageRef"] = .text(image)
        }
        let wanted = JSONPart.object(server)
        let id = try await once(
            subject,
            { () async throws(OpenStackError) in try await cloud.createServer(wanted) },
            orFound: { () async throws(OpenStackError) in
                try await cloud.servers([("tags", scope.tag(of: resource.id))]).first?.id
            }
        )
        // A clean-up that came between found no server yet.
        guard try await builtRecord(resource) != nil else {
            try await deleteServer(id, subject)
            throw .notBuilt(launch.instanceID)
        }
        try await settle(id, launch, resource)
    }

    private var networks: JSONPart {
        switch network {
        case .automatic: "auto"
        case .none: "none"
        case .one(let id): [["uuid": .text(id)]]
        }
    }

    /// - Returns: `nil` when the launch is not whole, or was deleted.
    private func builtRecord(_ resource: Resource) async throws(StepFailure) -> CloudImage? {
        let image = try await image(of: resource)
        return image?.properties[CloudMark.built] == CloudMark.yes ? image : nil
    }

    /// Waits until the server is there, stops it, and gives it its volumes for good.
    private func settle(_ id: String, _ launch: Launch, _ resource: Resource) async throws(StepFailure) {
        let subject = "Instance \(launch.instanceID)"
        var isStopping = false
        try await waiting(for: "The stop of instance \(launch.instanceID)", within: .seconds(1800)) {
            () async throws(StepFailure) -> Void? in
            let server = try await asking(subject) { () async throws(OpenStackError) in try await cloud.server(id) }
            switch server.status {
            case "SHUTOFF" where server.taskState == nil: return ()
            case "ERROR":
                throw StepFailure(
                    .transient,
                    .unavailable,
                    "Nova could not make a server for \(subject).",
                    advice: "See `openstack server show \(id)`: has the cloud room for this flavor?",
                    isFixedByAdvice: true
                )
            case "ACTIVE" where server.taskState == nil && !isStopping:
                do throws(OpenStackError) {
                    try await cloud.act(on: id, ["os-stop": nil])
                    isStopping = true
                } catch  where error.kind == .conflict || error.leavesDoubt {
                } catch {
                    throw .cloud(error, subject)
                }
            default: break
            }
            return nil
        }
        let volumes = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.volumes(with: scope.marks(of: resource.id))
        }
        for volume in volumes where volume.metadata[CloudMark.published] != CloudMark.yes {
            try await asking(subject) { () async throws(OpenStackError) in
                try await cloud.setMetadata([CloudMark.published: CloudMark.yes], ofVolume: volume.id)
            }
        }
        try await deleteImages(scope.marks(of: resource.id), subject)
    }

    func launchedServer(of resource: Resource) async throws(StepFailure) -> CloudServer? {
        try await asking("\(resource.id)") { () async throws(OpenStackError) in
            try await cloud.servers([("tags", scope.tag(of: resource.id))])
        }
        .first { $0.metadata[CloudMark.resource] == resource.id.text }
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        let subject = "\(resource.id)"
        // The record first: without it nothing is published any more.
        try await deleteImages(scope.marks(of: resource.id), subject)
        if let server = try await launchedServer(of: resource) { try await deleteServer(server.id, subject) }
        try await deleteVolumes(scope.marks(of: resource.id), subject)
    }

    private func deleteServer(_ id: String, _ subject: String) async throws(StepFailure) {
        try await waiting(for: "The deletion of server \(id)", within: .seconds(600)) {
            () async throws(StepFailure) -> Void? in
            do throws(OpenStackError) {
                try await cloud.deleteServer(id)
            } catch  where error.kind == .notFound {
                return ()
            } catch  where error.kind == .conflict || error.leavesDoubt {
            } catch {
                throw .cloud(error, subject)
            }
            return nil
        }
    }
}

extension ReplicaSheet {
    /// - Returns: `nil` for no device.
    /// - Throws: when the replica has no such disk.
    func entry(_ device: DeviceName?) throws(StepFailure) -> Entry? {
        guard let device else { return nil }
        guard let entry = disks.first(where: { $0.device == device }) else {
            throw StepFailure(.permanent, .notFound, "The replica has no \(device).")
        }
        return entry
    }
}
