import Crypto
public import ImageCore
import ImageDrivers
import OpenStackClient

extension OpenStackDriver {
    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        let (device, instance, resource, progress) = (call.device, call.instance, call.resource, call.progress)
        let found = try await find(instance, only: device)
        try requireStopped(instance, found.server)
        let disk = try found.disk(device)
        try DiskRules.requireFit(disk.kind, device, resource.kind, .disk(device, instance))
        guard !call.guestWork.needsCopy else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The guest of instance \(instance) cannot be fixed, sealed or searched: its disks are in the cloud.",
                advice: "Ask for the image without guestChecks fix, seal and secretScan.",
                madeNothing: true
            )
        }
        try requireSound(disk, of: found)
        if let volume = disk.volume {
            try await requireRoom(snapshotsOf: [volume], "\(device) of instance \(instance)")
        }
        return try await holding(found, for: resource) { hold throws(StepFailure) in
            progress(CopyProgress(doneBytes: 0, totalBytes: 0))
            var capture =
                if let volume = disk.volume {
                    try await captureVolume(volume, disk, hold, progress)
                } else {
                    try await captureLocal(disk, hold, progress)
                }
            if call.guestWork.looks { capture.inspection = Self.outOfReach }
            return capture
        }
    }

    // MARK: Volumes

    private func captureVolume(
        _ volume: CloudVolume,
        _ disk: CloudInstance.AttachedDisk,
        _ hold: Hold,
        _ progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        let (resource, subject) = (hold.resource, "\(disk.device) of instance \(hold.instance.id)")
        let all = scope.marks(ofAllFor: resource.imageID)
        let present = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.snapshots(with: all)
        }
        if present.contains(where: { $0.metadata[CloudMark.resource] == resource.id.text }) {
            try await clear(resource)
        }
        var marks = scope.marks(of: resource).merging(all) { $1 }
        marks[CloudMark.device] = disk.device.description
        marks[CloudMark.flavor] = hold.instance.server.flavor.name
        marks[CloudMark.volumeType] = volume.type
        marks[CloudMark.autoDelete] = disk.autoDelete ? CloudMark.yes : "no"
        let asked: CloudSnapshot
        do throws(StepFailure) {
            asked = try await once(
                subject,
                { () async throws(OpenStackError) in
                    try await cloud.createSnapshot(of: volume.id, name: "goldsmith \(resource.id)", metadata: marks)
                },
                orFound: { () async throws(OpenStackError) in
                    try await cloud.snapshots(with: scope.marks(of: resource.id)).first
                }
            )
        } catch {
            throw await named(error, snapshots: [(volume.size, volume.type)], subject)
        }
        let gauge = ProgressGauge(totalBytes: disk.sizeBytes, progress)
        let snapshot = try await waiting(
            for: "The snapshot of \(subject)",
            within: timeout,
            advice: Self.adviceIfForgotten(asked.id)
        ) { pause async throws(StepFailure) in
            let (now, server) = try await asking(subject) { () async throws(OpenStackError) in
                try await look(at: asked.id, all, hold, after: pause)
            }
            if now.status == "available" { return now as CloudSnapshot? }
            guard now.status == "creating" else {
                throw try await failed("The snapshot of \(subject)", now.status, now.id)
            }
            let percent = now.progress.flatMap { Int64($0.prefix { $0.isNumber }) } ?? 0
            gauge.reach(disk.sizeBytes / 100 * min(percent, 99))
            try await keep(hold, server)
            return nil
        }
        gauge.finish()
        return Capture(
            resource: resource,
            device: disk.device,
            virtualSizeBytes: disk.sizeBytes,
            fileSizeBytes: disk.sizeBytes,
            sha256: try Self.recordSum(of: snapshot),
            format: .cinderSnapshot
        )
    }

    /// One look for all captures of an image that wait at the same time: the snapshots, and the server.
    /// - Parameters:
    ///   - marks: what all of the image's snapshots have.
    ///   - pause: before it; who comes meanwhile gets its answer too.
    private func look(
        at snapshot: String,
        _ marks: [String: String],
        _ hold: Hold,
        after pause: Duration
    ) async throws(OpenStackError) -> (CloudSnapshot, CloudServer) {
        let server = hold.instance.server.id
        let seen = try await looks.answer(to: hold.shared, gathering: pause) { () async throws(OpenStackError) in
            CloudLook(snapshots: try await cloud.snapshots(with: marks), server: try await cloud.server(server))
        }
        if let found = seen.snapshots.first(where: { $0.id == snapshot }) { return (found, seen.server) }
        // Whether it is gone, its own address says.
        return (try await cloud.snapshot(snapshot), seen.server)
    }

    /// Cinder makes a snapshot no more when cinder-volume died in the moment of taking it over, and then lets nobody but
    /// its operator touch it.
    static func adviceIfForgotten(_ snapshot: String) -> String {
        "If it stays creating, the cloud's operator frees it: "
            + "`openstack volume snapshot set --state error \(PlainText.word(snapshot))`."
    }

    /// The SHA-256 of what identifies a snapshot. No bytes of a volume are read: it says that this is the snapshot that
    /// was taken, not what is in it.
    static func recordSum(of snapshot: CloudSnapshot) throws(StepFailure) -> String {
        let record: JSONPart = [
            "created_at": .text(snapshot.createdAt), "id": .text(snapshot.id), "size": .number(snapshot.size),
            "volume_id": .text(snapshot.volumeID),
        ]
        do throws(OpenStackError) {
            return Hexadecimal.text(SHA256.hash(data: Array(try record.line().utf8)))
        } catch {
            throw .cloud(error, "The record of a snapshot")
        }
    }

    // MARK: Local disks

    private func captureLocal(
        _ disk: CloudInstance.AttachedDisk,
        _ hold: Hold,
        _ progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        let (resource, subject) = (hold.resource, "\(disk.device) of instance \(hold.instance.id)")
        try await clear(resource)
        var marks = scope.marks(of: resource)
        marks[CloudMark.device] = disk.device.description
        marks[CloudMark.flavor] = hold.instance.server.flavor.name
        let server = hold.instance.server.id
        let id = try await once(
            subject,
            { () async throws(OpenStackError) in
                try await cloud.createImage(of: server, name: MarkScope.imageName(of: resource.id), metadata: marks)
            },
            orFound: { () async throws(OpenStackError) in
                try await images(with: scope.marks(of: resource.id)).first?.id
            }
        )
        let image = try await waiting(for: "The image of \(subject)", within: timeout) {
            () async throws(StepFailure) in
            let found = try await unlessMissing(subject) { () async throws(OpenStackError) in try await cloud.image(id)
            }
            let now = try await asking(subject) { () async throws(OpenStackError) in try await cloud.server(server) }
            guard let found, ["queued", "saving", "active"].contains(found.status),
                found.status == "active" || now.taskState != nil || hold.instance.server.status != now.status
            else {
                // The task may have ended between the two looks.
                let last = try await unlessMissing(subject) { () async throws(OpenStackError) in
                    try await cloud.image(id)
                }
                guard let last, last.status == "active" else {
                    throw StepFailure(.transient, .unavailable, "\(subject): Nova gave its image up.")
                }
                return last
            }
            // Glance has all of it shortly before Nova is done.
            guard found.status == "active", now.taskState == nil else { return nil as CloudImage? }
            return found
        }
        // Nova has given it one of its own choice. By this it is found under any name.
        try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.setProperties([CloudMark.own: id], ofImage: id)
        }
        let gauge = ProgressGauge(totalBytes: image.size ?? 0, progress)
        let sum = try await contentSum(of: image, subject) { gauge.add($0) }
        gauge.finish()
        return Capture(
            resource: resource,
            device: disk.device,
            virtualSizeBytes: disk.sizeBytes,
            fileSizeBytes: image.size ?? 0,
            sha256: sum,
            format: image.diskFormat == "raw" ? .raw : .qcow2
        )
    }

    /// Reads all of an image's content.
    /// - Returns: its SHA-256.
    func contentSum(
        of image: CloudImage,
        _ subject: String,
        _ read: (Int64) -> Void
    ) async throws(StepFailure) -> String {
        var hash = SHA256()
        try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.download(image.id) { piece in
                hash.update(bufferPointer: piece)
                read(Int64(piece.count))
            }
        }
        return Hexadecimal.text(hash.finalize())
    }

    // MARK: What both need

    /// Asks for something that has no id of our choice. After an answer that leaves doubt, looks for it by its marks,
    /// and never asks a second time.
    func once<Value>(
        _ subject: String,
        _ ask: () async throws(OpenStackError) -> Value,
        orFound find: () async throws(OpenStackError) -> Value?
    ) async throws(StepFailure) -> Value {
        let doubt: OpenStackError
        do throws(OpenStackError) { return try await ask() } catch {
            guard error.leavesDoubt else { throw .cloud(error, subject) }
            doubt = error
        }
        // A request that is still at work shows within seconds, if it does.
        let what = "\(subject), after an answer that leaves doubt (\(doubt.message)),"
        return try await waiting(for: what, within: .seconds(4)) { () async throws(StepFailure) in
            try await asking(subject, find)
        }
    }

    /// What the cloud says of something that has the status `error`.
    func failed(_ what: String, _ status: String, _ id: String) async throws(StepFailure) -> StepFailure {
        let messages = (try? await cloud.messages(about: id)) ?? []
        let said = messages.first.map { ": \(PlainText.sentence($0))" } ?? ""
        return StepFailure(
            .transient,
            .unavailable,
            "\(what) is \(PlainText.word(status))\(said).",
            advice: "See the logs of cinder-volume; it is deleted, and tried again."
        )
    }
}
