import ImageCore
import ImageDrivers
import OpenStackClient

/// Captures in a cloud, fetched from it for another driver's replica.
///
/// A snapshot has no bytes to fetch: a volume is made of it, and an image of that, which is fetched. Both have the
/// capture's marks, so its deletion deletes them too, and the replica's as their part, so the next attempt replaces them.
struct CloudCaptures: CaptureSource {
    let driver: OpenStackDriver
    let replica: Resource

    func allocatedBytes(of capture: Capture) async throws(StepFailure) -> Int64 {
        _ = try await driver.find(capture)
        return capture.fileSizeBytes
    }

    func copy(
        _ capture: Capture,
        to path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum {
        let sum = try await reading(capture) { content throws(StepFailure) in
            try await write(content, of: capture, to: path, subject, gauge)
        }
        gauge.add(capture.fileSizeBytes - sum.sizeBytes)
        return sum
    }

    /// A snapshot's checksum covers its record, which was compared before. The bytes were compared with Glance's.
    func isWanted(_ sum: FileSum, of capture: Capture) -> Bool {
        capture.format == .cinderSnapshot || sum.sha256 == capture.sha256
    }

    func machineFile(_ file: MachineFile, beside capture: Capture) -> [UInt8]? { nil }

    func hardware(of capture: Capture) async throws(StepFailure) -> [String: String] {
        var properties = try await driver.properties(of: driver.find(capture))
        // Another cloud has its own.
        properties[CloudMark.flavor] = nil
        return properties
    }

    // MARK: Bytes

    func reading<Value>(
        _ capture: Capture,
        _ body: (CaptureContent) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        switch try await driver.find(capture) {
        case .image(let image):
            let format = capture.format ?? .qcow2
            return try await body(content(of: image, capture, as: format) { sha256, _ in sha256 == capture.sha256 })
        case .snapshot(let snapshot):
            let sum = try OpenStackDriver.recordSum(of: snapshot)
            guard snapshot.status == "available", sum == capture.sha256 else {
                throw .differs(capture, at: replica.location ?? LocationName(known: "none"), sha256: sum)
            }
            let value: Value
            do throws(StepFailure) {
                let image = try await export(snapshot, of: capture)
                let content = content(of: image, capture, as: .qcow2) { sha256, sha512 in
                    ContentSums.agree(sha256, sha512, with: image)
                }
                value = try await body(content)
            } catch {
                // Not if the worker stops: the next attempt, or the capture's deletion, finds them.
                if error.code != .cancelled { try? await clear(ownMarks(of: capture)) }
                throw error
            }
            try await clear(ownMarks(of: capture))
            return value
        }
    }

    private func content(
        of image: CloudImage,
        _ capture: Capture,
        as format: Capture.Format,
        isWanted: @escaping @Sendable (_ sha256: String, _ sha512: String) -> Bool
    ) -> CaptureContent {
        let pieces = ImagePieces(image.id, in: driver.cloud)
        return CaptureContent(
            sizeBytes: image.size ?? 0,
            format: format,
            pieces: pieces,
            isWanted: isWanted,
            failure: { pieces.failure.map { .cloud($0, "The content of \(capture.device)") } }
        )
    }

    private func write(
        _ content: CaptureContent,
        of capture: Capture,
        to path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum {
        let sums = ContentSums()
        let sink = try FileSink(path, subject)
        do {
            var offset: Int64 = 0
            for try await piece in content.pieces {
                piece.withUnsafeBytes { sums.add($0) }
                try await sink.write(piece, at: offset)
                offset += Int64(piece.count)
                gauge.add(Int64(piece.count))
            }
        } catch {
            throw error as? StepFailure ?? content.failure() ?? .interrupted("The copy of \(capture.device)")
        }
        let file = try await sink.finish()
        // What came, and what can be read back.
        guard file.sha256 == sums.sha256 else {
            throw StepFailure(.transient, .unavailable, "What was written to \(subject) is not what was fetched.")
        }
        guard capture.format != .cinderSnapshot || content.isWhole(file.sizeBytes, sums) else {
            throw .notAsStored(capture)
        }
        return file
    }

    // MARK: The way out of a snapshot

    /// What every attempt to read a capture for a location has in common.
    private func marks(of capture: Capture) -> [String: String] {
        var marks = driver.scope.marks(of: capture.resource.id)
        marks[CloudMark.part] = replica.location?.text
        return marks
    }

    /// What this attempt has. One that was overtaken and does not know it must not delete what the next one needs.
    private func ownMarks(of capture: Capture) -> [String: String] {
        marks(of: capture).merging([CloudMark.replica: replica.id.text]) { $1 }
    }

    private func clear(_ marks: [String: String]) async throws(StepFailure) {
        try await driver.deleteImages(marks, "\(replica.id)")
        try await driver.deleteVolumes(marks, "\(replica.id)")
    }

    private func export(_ snapshot: CloudSnapshot, of capture: Capture) async throws(StepFailure) -> CloudImage {
        let (cloud, subject) = (driver.cloud, "\(capture.resource.id)")
        try await clear(marks(of: capture))
        let type = snapshot.metadata[CloudMark.volumeType]
        try await driver.requireRoom(volumes: [(snapshot.size, type)], subject)
        var all = driver.scope.marks(of: capture.resource)
        all.merge(ownMarks(of: capture)) { $1 }
        let (own, marks, name) = (ownMarks(of: capture), all, "goldsmith \(capture.resource.id)")
        let volume = try await driver.makeVolume(
            CloudVolumeRequest(
                name: name,
                gigabytes: snapshot.size,
                content: .snapshot(snapshot.id),
                type: type,
                marks: marks
            ),
            own,
            subject
        )
        try await driver.awaitVolume(volume, subject)
        // So that no image is without them, even for a moment.
        try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.setImageProperties(marks, ofVolume: volume)
        }
        let image = try await driver.once(
            subject,
            { () async throws(OpenStackError) in try await cloud.makeImage(named: name, ofVolume: volume) },
            orFound: { () async throws(OpenStackError) in try await cloud.images(with: own).first?.id }
        )
        return try await waiting(for: "The image of volume \(volume)", within: driver.timeout) {
            () async throws(StepFailure) -> CloudImage? in
            let found = try await asking(subject) { () async throws(OpenStackError) in try await cloud.image(image) }
            if found.status == "active" { return found }
            guard ["queued", "saving", "importing"].contains(found.status) else {
                throw StepFailure(
                    .transient,
                    .unavailable,
                    "Cinder's image of \(capture.device) is \(PlainText.word(found.status)).",
                    advice: "See the logs of cinder-volume and Glance."
                )
            }
            return nil
        }
    }
}

extension StepFailure {
    /// A snapshot's own checksum says nothing of these bytes.
    static func notAsStored(_ capture: Capture) -> StepFailure {
        StepFailure(.transient, .unavailable, "What was fetched of \(capture.device) is not what Glance has.")
    }
}

extension CaptureContent {
    func isWhole(_ bytes: Int64, _ sums: ContentSums) -> Bool {
        bytes == sizeBytes && isWanted(sums.sha256, sums.sha512)
    }
}
