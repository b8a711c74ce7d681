package import ImageCore

/// Where the captures of a replication are read, or a replica of them.
package protocol CaptureSource: Sendable {
    /// What a capture's file takes on its disk.
    /// - Throws: `NOT_FOUND` when it is gone.
    func allocatedBytes(of capture: Capture) async throws(StepFailure) -> Int64

    /// Copies a capture's file.
    /// - Returns: the sum of what can be read back from the copy.
    func copy(
        _ capture: Capture,
        to path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum

    /// Whether a copy is the capture: by its SHA-256, unless the capture's does not cover its bytes.
    func isWanted(_ sum: FileSum, of capture: Capture) -> Bool

    /// A file beside the capture of a system disk; `nil` when there is none.
    func machineFile(_ file: MachineFile, beside capture: Capture) async throws(StepFailure) -> [UInt8]?

    /// Gives a capture's content to what is no folder.
    /// - Parameter body: what the content is read from may be deleted when it returns.
    func reading<Value>(
        _ capture: Capture,
        _ body: (CaptureContent) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value

    /// What the machine of a system disk has to be, as far as that is known, in the words of Glance's image properties:
    /// `hw_firmware_type`.
    func hardware(of capture: Capture) async throws(StepFailure) -> [String: String]
}

/// A capture's content as a stream.
package struct CaptureContent: Sendable {
    package let sizeBytes: Int64
    /// Of the content; a snapshot has none of its own.
    package let format: Capture.Format
    package let pieces: any AsyncSequence<[UInt8], any Error> & Sendable
    /// Whether what was read is the capture, by its SHA-256 and SHA-512.
    package let isWanted: @Sendable (_ sha256: String, _ sha512: String) -> Bool
    /// Why reading stopped before the end. Who takes the pieces may not pass that on.
    package let failure: @Sendable () -> StepFailure?

    package init(
        sizeBytes: Int64,
        format: Capture.Format,
        pieces: any AsyncSequence<[UInt8], any Error> & Sendable,
        isWanted: @escaping @Sendable (_ sha256: String, _ sha512: String) -> Bool,
        failure: @escaping @Sendable () -> StepFailure? = { nil }
    ) {
        (self.sizeBytes, self.format, self.pieces) = (sizeBytes, format, pieces)
        (self.isWanted, self.failure) = (isWanted, failure)
    }
}

extension CaptureSource {
    package func isWanted(_ sum: FileSum, of capture: Capture) -> Bool { sum.sha256 == capture.sha256 }

    package func reading<Value>(
        _ capture: Capture,
        _ body: (CaptureContent) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "The capture of \(capture.device), \(capture.resource.id), is no file of this machine."
        )
    }

    package func hardware(of capture: Capture) async throws(StepFailure) -> [String: String] {
        try await machineFile(.firmwareVariables, beside: capture) == nil ? [:] : ["hw_firmware_type": "uefi"]
    }
}

extension Manifest {
    /// A manifest in which a disk that was no qcow2 file is the one that a replica has of it.
    package static func describing(
        _ files: [Replica.File],
        of captures: [Capture],
        in manifest: [UInt8]
    ) throws(StepFailure) -> [UInt8] {
        let formats = Dictionary(captures.map { ($0.device, $0.format ?? .qcow2) }) { first, _ in first }
        let changed = files.filter { formats[$0.device] != .qcow2 && $0.name.hasSuffix(".qcow2") }
        guard !changed.isEmpty else { return manifest }
        guard let described = describing(changed, in: manifest) else {
            throw StepFailure(.permanent, .internal, "The manifest of a replica cannot be read.")
        }
        return described
    }
}
