import ImageCore
import ImageDrivers
import Logging
import OpenStackClient

/// A replica that stands alone: it has the bytes of the captures, not only their names.
extension OpenStackDriver {
    /// - Parameters:
    ///   - sources: of the target's captures, in their order.
    ///   - sheet: what is known of the disks before they are copied.
    ///   - properties: what the system disk's image has to say of its machine.
    func copy(
        _ call: ReplicateCall,
        to target: Target,
        _ sources: [any CaptureSource],
        as sheet: ReplicaSheet,
        _ properties: [String: String]
    ) async throws(StepFailure) -> Replica {
        try await requirePresent(target.place, target.location)
        try await clear(call.resource)
        try await requireRoom(forCopiesTo: target.place, of: sheet, "\(call.resource.id)")
        // Cinder's part is counted like that of the bytes: it is not known how long it takes.
        let parts: Int64 = if case .volumeType = target.place { 2 } else { 1 }
        let total = call.captures.reduce(0) { $0 + parts * $1.fileSizeBytes }
        let gauge = ProgressGauge(totalBytes: total, call.progress)
        let copying = Copying(
            call: call,
            target: target,
            sources: sources,
            sheet: sheet,
            properties: properties,
            gauge: gauge
        )
        let files =
            if case .volumeType(let type) = target.place {
                try await copyIntoVolumes(copying, of: type)
            } else {
                try await copyIntoImages(copying)
            }
        gauge.finish()
        let byDevice = Dictionary(files.map { ($0.device, $0) }) { first, _ in first }
        return Replica(
            resource: call.resource,
            location: target.location,
            files: call.captures.compactMap { byDevice[$0.device] }
        )
    }

    /// For the ways out, one after the other, and for what is kept.
    private func requireRoom(
        forCopiesTo place: CloudPlace,
        of sheet: ReplicaSheet,
        _ subject: String
    ) async throws(StepFailure) {
        var kept: [Room] = []
        if case .volumeType(let type) = place { kept = sheet.disks.map { ($0.size, type) } }
        try await requireRoom(volumes: kept, snapshots: kept, subject)
        let ways = Dictionary(grouping: sheet.disks.filter { $0.snapshot != nil }, by: \.volumeType)
        for (type, disks) in ways {
            try await requireRoom(volumes: [(disks.map(\.size).max() ?? 0, type)], subject)
        }
    }

    private struct Copying {
        var call: ReplicateCall
        var target: Target
        var sources: [any CaptureSource]
        var sheet: ReplicaSheet
        var properties: [String: String]
        var gauge: ProgressGauge

        func manifest(_ files: [Replica.File]) throws(StepFailure) -> [UInt8] {
            let manifest = try Manifest.describing(files, of: call.captures, in: call.manifest)
            guard manifest.count <= OpenStackDriver.largestProperty else {
                throw StepFailure(
                    .permanent,
                    .outOfRange,
                    "The manifest of \(call.resource.id) is too large for Glance."
                )
            }
            return manifest
        }
    }

    // MARK: Images

    /// One image for each disk. The one of the system disk is the replica, and comes last: until it is active and has
    /// the manifest, nothing is whole. The others have the same marks, and are found and deleted with it.
    private func copyIntoImages(_ copying: Copying) async throws(StepFailure) -> [Replica.File] {
        let (resource, system) = (copying.call.resource, copying.target.system)
        var sheet = copying.sheet
        var files: [Replica.File] = []
        for index in sheet.disks.indices.dropFirst() {
            let sent = try await send(copying, index, as: "\(sheet.disks[index].device)")
            (sheet.disks[index].snapshot, sheet.disks[index].image) = (nil, sent.image)
            sheet.disks[index].sha256 = sent.file.sha256
            files.append(sent.file)
        }
        sheet.disks[0].snapshot = nil
        // The checksum of a snapshot's bytes is not known before they are sent.
        let isKnown = system.format != .cinderSnapshot
        var properties = copying.properties
        if isKnown { properties.merge(try Self.described(sheet, files, copying)) { $1 } }
        let sent = try await send(copying, 0, properties)
        files.append(sent.file)
        if !isKnown {
            sheet.disks[0].sha256 = sent.file.sha256
            let described = try Self.described(sheet, files, copying)
            try await asking("\(resource.id)") { () async throws(OpenStackError) in
                try await cloud.setProperties(described, ofImage: sent.image)
            }
        }
        return files
    }

    /// What makes the system disk's image a replica.
    private static func described(
        _ sheet: ReplicaSheet,
        _ files: [Replica.File],
        _ copying: Copying
    ) throws(StepFailure) -> [String: String] {
        [
            CloudMark.disks: try sheet.text(),
            CloudMark.manifest: String(decoding: try copying.manifest(files), as: UTF8.self),
        ]
    }

    // MARK: Volumes

    /// One volume for each disk, made of a temporary image, and a snapshot of it. The replica is an image that names the
    /// snapshots, and comes last. All have its marks.
    private func copyIntoVolumes(_ copying: Copying, of type: String) async throws(StepFailure) -> [Replica.File] {
        let resource = copying.call.resource
        var sheet = copying.sheet
        var files: [Replica.File] = []
        for index in sheet.disks.indices {
            let device = sheet.disks[index].device
            let sent = try await send(
                copying,
                index,
                as: "\(device)",
                device.isSystem ? copying.properties : [:]
            )
            let snapshot = try await keep(sent.image, sheet.disks[index], of: type, resource)
            do throws(StepFailure) { try await deleteImage(sent.image) } catch {
                guard error.code != .cancelled else { throw error }
                // Of a raw image Ceph makes a volume that depends on it. Then it is a part of the replica.
                logger.warning(
                    "an image is left under its volume",
                    metadata: ["image": "\(sent.image)", "error": "\(error.message)"]
                )
            }
            copying.gauge.add(copying.target.captures[index].fileSizeBytes)
            (sheet.disks[index].snapshot, sheet.disks[index].volumeType) = (snapshot.id, type)
            sheet.disks[index].content = sent.file.sha256
            sheet.disks[index].sha256 = try Self.recordSum(of: snapshot)
            files.append(sent.file)
        }
        let manifest = try copying.manifest(files)
        let id = try await queue(resource, copying.target.system, sheet, copying.properties, manifest: manifest)
        try await asking("\(resource.id)") { () async throws(OpenStackError) in try await cloud.uploadNothing(to: id) }
        return files
    }

    /// Has Cinder make a volume of an image, and takes a snapshot of it.
    private func keep(
        _ image: String,
        _ disk: ReplicaSheet.Entry,
        of type: String,
        _ resource: Resource
    ) async throws(StepFailure) -> CloudSnapshot {
        let (subject, name) = ("\(disk.device) of \(resource.id)", "goldsmith \(resource.id) \(disk.device)")
        var own = scope.marks(of: resource.id)
        own[CloudMark.device] = disk.device.description
        let (found, marks) = (own, own.merging(scope.marks(of: resource)) { $1 })
        let wanted = CloudVolumeRequest(
            name: name,
            gigabytes: disk.size,
            content: .image(image),
            type: type,
            marks: marks
        )
        let room = [(gigabytes: disk.size, type: String?.some(type))]
        let volume: String
        do throws(StepFailure) { volume = try await makeVolume(wanted, found, subject) } catch {
            throw await named(error, volumes: room, subject)
        }
        try await awaitVolume(volume, subject)
        let asked: CloudSnapshot
        do throws(StepFailure) {
            asked = try await once(
                subject,
                { () async throws(OpenStackError) in
                    try await cloud.createSnapshot(of: volume, name: name, metadata: marks)
                },
                orFound: { () async throws(OpenStackError) in try await cloud.snapshots(with: found).first }
            )
        } catch {
            throw await named(error, snapshots: room, subject)
        }
        return try await waiting(
            for: "The snapshot of \(subject)",
            within: timeout,
            advice: Self.adviceIfForgotten(asked.id)
        ) { () async throws(StepFailure) -> CloudSnapshot? in
            let now = try await asking(subject) { () async throws(OpenStackError) in
                try await cloud.snapshot(asked.id)
            }
            if now.status == "available" { return now }
            guard now.status == "creating" else {
                throw try await failed("The snapshot of \(subject)", now.status, now.id)
            }
            return nil
        }
    }

    // MARK: Content

    /// Makes an image of a capture, which becomes active only with the capture's bytes.
    /// - Parameter part: which of the resource's images it is; `nil`: the replica itself.
    private func send(
        _ copying: Copying,
        _ index: Int,
        as part: String? = nil,
        _ properties: [String: String] = [:]
    ) async throws(StepFailure) -> (image: String, file: Replica.File) {
        let (resource, capture, gauge) = (copying.call.resource, copying.target.captures[index], copying.gauge)
        let store = copying.target.place.imageStore
        return try await copying.sources[index].reading(capture) { content throws(StepFailure) in
            let image = try await queue(
                resource,
                part: part,
                format: content.format.rawValue,
                minDisk: Self.gigabytes(capture.virtualSizeBytes),
                properties.merging(scope.marks(of: resource)) { $1 }
            )
            let sums = ContentSums()
            do throws(OpenStackError) {
                try await cloud.upload(
                    content.pieces,
                    to: image,
                    in: store,
                    bytes: content.sizeBytes,
                    each: { piece in
                        sums.add(piece)
                        gauge.add(Int64(piece.count))
                    },
                    isWanted: { content.isWanted(sums.sha256, sums.sha512) }
                )
            } catch {
                if let failure = content.failure() { throw failure }
                guard error.kind == .contentRefused else { throw .cloud(error, "The copy of \(capture.device)") }
                guard capture.format != .cinderSnapshot else { throw .notAsStored(capture) }
                throw .differs(capture, at: copying.target.location, sha256: sums.sha256)
            }
            try await requireStored(sums, in: image, at: store, "The copy of \(capture.device)")
            gauge.add(capture.fileSizeBytes - content.sizeBytes)
            let file = Replica.File(
                device: capture.device,
                name: "\(capture.device.shortName).\(content.format.rawValue)",
                sizeBytes: content.sizeBytes,
                sha256: sums.sha256
            )
            return (image, file)
        }
    }
}
