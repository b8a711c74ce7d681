public import ImageCore
import ImageDrivers
import OpenStackClient

/// A replica is an image in Glance, under an id that follows from its resource. It is active, and has its manifest,
/// only when all that it names was verified.
extension OpenStackDriver {
    /// What a capture is in the cloud.
    enum Kept {
        case snapshot(CloudSnapshot)
        case image(CloudImage)
    }

    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        let target = try target(of: call)
        var kept: [Kept] = []
        for capture in target.captures { kept.append(try await find(capture)) }
        let properties = try await properties(of: kept[0])
        var entries: [ReplicaSheet.Entry] = []
        for (capture, found) in zip(target.captures, kept) {
            entries.append(try entry(of: capture, found, at: target.location))
        }
        let sheet = ReplicaSheet(flavor: properties[CloudMark.flavor] ?? "", disks: entries)
        guard target.place == .captures else {
            let source = CloudCaptures(driver: self, replica: call.resource)
            var isRoomOurs = true
            for capture in target.captures where capture.format == .cinderSnapshot {
                isRoomOurs = try await source.deleteEarlierWaysOut(of: capture) && isRoomOurs
            }
            do throws(StepFailure) {
                return try await copy(call, to: target, target.captures.map { _ in source }, as: sheet, properties)
            } catch {
                throw isRoomOurs ? error : error.whileEarlierOnesTakeRoom
            }
        }
        try await clear(call.resource)
        let gauge = ProgressGauge(totalBytes: call.captures.reduce(0) { $0 + $1.fileSizeBytes }, call.progress)
        for (capture, found) in zip(target.captures, kept) {
            if case .snapshot = found { gauge.add(capture.fileSizeBytes) }
        }
        let id = try await queue(call.resource, target.system, sheet, properties, manifest: call.manifest)
        switch kept[0] {
        case .snapshot:
            try await asking("\(call.resource.id)") { () async throws(OpenStackError) in
                try await cloud.uploadNothing(to: id)
            }
        case .image(let source):
            let system = target.system
            try await copyContent(of: source, to: id, sha256: system.sha256, gauge) {
                .differs(system, at: target.location, sha256: $0)
            }
        }
        gauge.finish()
        return Replica(
            resource: call.resource,
            location: target.location,
            files: call.captures.map {
                Replica.File(
                    device: $0.device,
                    name: "\($0.device.shortName).\(($0.format ?? .qcow2).rawValue)",
                    sizeBytes: $0.fileSizeBytes,
                    sha256: $0.sha256
                )
            }
        )
    }

    /// Where a replica is to be, and of what.
    struct Target {
        var location: LocationName
        var place: CloudPlace
        /// In the order of their devices, the system disk first.
        var captures: [Capture]
        var system: Capture { captures[0] }
    }

    func target(of call: ReplicateCall) throws(StepFailure) -> Target {
        let (location, place) = try requirePlace(call.resource)
        guard call.resource.kind == .replica else {
            throw StepFailure(.permanent, .invalidArgument, "\(call.resource.id) is not a replica.")
        }
        let ordered = call.captures.sorted { $0.device < $1.device }
        guard ordered.first?.device.isSystem == true, Set(ordered.map(\.device)).count == ordered.count,
            call.manifest.count <= Self.largestProperty
        else {
            throw StepFailure(.permanent, .invalidArgument, "A replica has a system disk, and each device once.")
        }
        return Target(location: location, place: place, captures: ordered)
    }

    /// Glance keeps properties of at most 64 KiB.
    static let largestProperty = 60_000

    // MARK: Captures

    func find(_ capture: Capture) async throws(StepFailure) -> Kept {
        let marks = scope.marks(of: capture.resource.id)
        let subject = "\(capture.resource.id)"
        if capture.format == .cinderSnapshot {
            let found = try await asking(subject) { () async throws(OpenStackError) in
                try await cloud.snapshots(with: marks)
            }
            if let snapshot = found.first { return .snapshot(snapshot) }
        } else {
            let found = try await asking(subject) { () async throws(OpenStackError) in
                try await images(with: marks)
            }
            if let image = found.first(where: { $0.status == "active" }) { return .image(image) }
        }
        throw StepFailure(
            .permanent,
            .notFound,
            "The capture of \(capture.device), \(capture.resource.id), is gone."
        )
    }

    private func entry(
        of capture: Capture,
        _ found: Kept,
        at location: LocationName
    ) throws(StepFailure) -> ReplicaSheet.Entry {
        let gigabytes = Self.gigabytes(capture.virtualSizeBytes)
        switch found {
        case .image(let image):
            guard capture.device.isSystem else {
                throw StepFailure(.permanent, .invalidArgument, "Only a system disk can be an image file.")
            }
            let marks = image.properties
            return ReplicaSheet.Entry(
                device: capture.device,
                size: gigabytes,
                autoDelete: marks[CloudMark.autoDelete] != "no",
                snapshot: nil,
                volumeType: marks[CloudMark.volumeType],
                sha256: capture.sha256
            )
        case .snapshot(let snapshot):
            let sum = try Self.recordSum(of: snapshot)
            guard snapshot.status == "available", sum == capture.sha256 else {
                throw .differs(capture, at: location, sha256: sum)
            }
            return ReplicaSheet.Entry(
                device: capture.device,
                size: snapshot.size,
                autoDelete: snapshot.metadata[CloudMark.autoDelete] == CloudMark.yes,
                snapshot: snapshot.id,
                volumeType: snapshot.metadata[CloudMark.volumeType],
                sha256: capture.sha256
            )
        }
    }

    /// What the system disk says of its hardware and its guest (`hw_…`, `os_…`), and its source's flavor. Glance's own
    /// names (`os_hash_algo`), and `signature_verified`, which Cinder stumbles over, are left out.
    func properties(of system: Kept) async throws(StepFailure) -> [String: String] {
        var told: [String: String] = [:]
        switch system {
        case .image(let image): told = image.properties
        case .snapshot(let snapshot):
            let volume = try await unlessMissing("The volume of \(snapshot.id)") { () async throws(OpenStackError) in
                try await cloud.volume(snapshot.volumeID)
            }
            told = volume?.imageMetadata ?? [:]
            told[CloudMark.flavor] = snapshot.metadata[CloudMark.flavor]
        }
        return told.filter { name, _ in
            name == CloudMark.flavor
                || (name.hasPrefix("hw_") || name.hasPrefix("os_"))
                    && !["os_hash_", "os_hidden", "os_glance_"].contains(where: name.hasPrefix)
        }
    }

    // MARK: The image

    /// Makes the image, without content, and with all that it says.
    func queue(
        _ resource: Resource,
        _ system: Capture,
        _ sheet: ReplicaSheet,
        _ properties: [String: String],
        manifest: [UInt8]
    ) async throws(StepFailure) -> String {
        var marks = properties.merging(scope.marks(of: resource)) { $1 }
        marks[CloudMark.disks] = try sheet.text()
        if sheet.disks.allSatisfy({ $0.snapshot != nil }) {
            marks["bdm_v2"] = "True"
            marks["root_device_name"] = DeviceName.system.description
            marks["block_device_mapping"] = try await asking("\(resource.id)") { () async throws(OpenStackError) in
                try sheet.blockDevices()
            }
        }
        let id = try await queue(
            resource,
            format: system.format == .raw ? "raw" : "qcow2",
            minDisk: sheet.disks[0].size,
            marks
        )
        try await asking("\(resource.id)") { () async throws(OpenStackError) in
            try await cloud.setProperties([CloudMark.manifest: String(decoding: manifest, as: UTF8.self)], ofImage: id)
        }
        return id
    }

    /// Makes an image without content, under an id that follows from its resource.
    /// - Parameter part: of a resource that is several images, which one; each has ids of its own.
    func queue(
        _ resource: Resource,
        part: String? = nil,
        format: String,
        minDisk: Int,
        _ marks: [String: String]
    ) async throws(StepFailure) -> String {
        var marks = marks
        marks[CloudMark.part] = part
        guard marks.values.allSatisfy({ $0.utf8.count <= Self.largestProperty }) else {
            throw StepFailure(
                .permanent,
                .outOfRange,
                "\(resource.id) has more disks than an image in Glance can name."
            )
        }
        var members: [String: JSONPart] = marks.mapValues { .text($0) }
        members["name"] = .text(MarkScope.imageName(of: resource.id))
        members["disk_format"] = .text(format)
        members["container_format"] = "bare"
        members["visibility"] = "private"
        members["min_disk"] = .number(minDisk)
        for number in 0..<Self.mostImagesOfOneResource {
            let id = scope.imageID(of: resource.id, part: part, number: number)
            (members["id"], members[CloudMark.own]) = (.text(id), .text(id))
            let image = JSONPart.object(members)
            do throws(OpenStackError) {
                try await cloud.createImage(image)
                return id
            } catch {
                guard error.leavesDoubt || error.kind == .conflict else { throw .cloud(error, "\(resource.id)") }
                let found = try await unlessMissing("\(resource.id)") { () async throws(OpenStackError) in
                    try await cloud.image(id)
                }
                // An answer that was lost: the id says that it is ours.
                if let found, found.status == "queued", scope.resource(found.properties)?.id == resource.id {
                    return id
                }
                // One of this id was made and deleted before.
                guard found == nil, error.kind == .conflict else { throw .cloud(error, "\(resource.id)") }
            }
        }
        throw StepFailure(.transient, .unavailable, "\(resource.id) was made and deleted too often.")
    }

    private static let mostImagesOfOneResource = 1000

    /// The image that stands for a resource.
    /// - Returns: `nil` when there is none.
    func image(of resource: Resource) async throws(StepFailure) -> CloudImage? {
        try await asking("\(resource.id)") { () async throws(OpenStackError) in
            try await images(with: scope.marks(of: resource))
        }
        .first { $0.properties[CloudMark.part] == nil }
    }

    /// Copies an image's content into a queued one. It becomes active only with the wanted content, byte for byte.
    func copyContent(
        of source: CloudImage,
        to target: String,
        sha256 wanted: String,
        _ gauge: ProgressGauge,
        otherwise: (String) -> StepFailure
    ) async throws(StepFailure) {
        let sums = ContentSums()
        do throws(OpenStackError) {
            try await cloud.copyContent(
                from: source.id,
                to: target,
                bytes: source.size ?? 0,
                each: { piece in
                    sums.add(piece)
                    gauge.add(Int64(piece.count))
                },
                isWanted: { sums.sha256 == wanted }
            )
        } catch {
            let sum = sums.sha256
            guard error.kind == .contentRefused else { throw .cloud(error, "The copy of \(source.id)") }
            throw otherwise(sum)
        }
        try await requireStored(sums, in: target, "The copy of \(source.id)")
    }

    /// Compares what Glance says of what it wrote, and of where.
    /// - Parameter store: the wanted one; `nil`: any.
    func requireStored(
        _ sums: ContentSums,
        in image: String,
        at store: String? = nil,
        _ subject: String
    ) async throws(StepFailure) {
        let stored = try await asking(subject) { () async throws(OpenStackError) in try await cloud.image(image) }
        let isThere = store.map(stored.stores.contains) ?? true
        guard !isThere || !sums.agree(with: stored) else { return }
        try? await deleteImage(image)
        throw StepFailure(
            .transient,
            .unavailable,
            isThere
                ? "Glance has stored something else than it was sent."
                : "Glance has not stored what it was sent in \(PlainText.word(store ?? ""))."
        )
    }
}
