import ImageCore
import ImageDrivers
import OpenStackClient

/// Captures in a cloud, fetched from it for a replica elsewhere, or for one here that stands alone.
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
                await leaveWayOut(of: capture)
                throw Self.inTheMiddle(error, capture)
            }
            await leaveWayOut(of: capture)
            return value
        }
    }

    /// Other disks may have been copied already, and a later attempt takes the way out from an earlier one.
    private static func inTheMiddle(_ error: StepFailure, _ capture: Capture) -> StepFailure {
        guard error.code != .notFound else {
            return StepFailure(
                .transient,
                .unavailable,
                "The capture of \(capture.device) cannot be read to its end: \(error.message)"
            )
        }
        var failure = error
        failure.madeNothing = nil
        return failure
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
}

extension StepFailure {
    /// What earlier attempts have left counts against the quotas, and goes.
    var whileEarlierOnesTakeRoom: StepFailure {
        var failure = self
        if code == .quotaExceeded { (failure.disposition, failure.madeNothing) = (.transient, nil) }
        return failure
    }

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
