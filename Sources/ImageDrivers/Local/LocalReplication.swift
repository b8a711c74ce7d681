import Glibc
public import ImageCore

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

    /// A capture's bytes, for what is no folder.
    func pieces(of capture: Capture) async throws(StepFailure) -> FilePieces
}

extension CaptureSource {
    package func isWanted(_ sum: FileSum, of capture: Capture) -> Bool { sum.sha256 == capture.sha256 }

    package func pieces(of capture: Capture) async throws(StepFailure) -> FilePieces {
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "The capture of \(capture.device), \(capture.resource.id), is no file of this machine."
        )
    }
}

extension LocalDriver {
    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        try await replicate(call) { _ in OwnCaptures(driver: self) }
    }

    /// - Parameter source: where each capture is.
    package func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica {
        let (captures, resource) = (call.captures, call.resource)
        let directory = try folders.location(resource.location)
        guard resource.kind == .replica, let location = resource.location else {
            throw StepFailure(.permanent, .invalidArgument, "\(resource.id) is not a replica.")
        }
        let subject = FailureSubject.location(location)
        guard Set(captures.map(\.device)).count == captures.count else {
            throw StepFailure(.permanent, .invalidArgument, "A replica cannot hold two copies of one device.")
        }
        let status = try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.status(directory, followLinks: true)
        }
        guard status?.kind == .folder else {
            var failure = StepFailure.notThere(subject)
            failure.madeNothing = true
            throw failure
        }
        var jobs: [(capture: Capture, source: any CaptureSource)] = []
        var neededBytes = Int64(call.manifest.count)
        for capture in captures {
            let source = try source(capture)
            neededBytes += min(try await source.allocatedBytes(of: capture), capture.fileSizeBytes)
            jobs.append((capture, source))
        }
        let folder = try await emptyFolder(for: resource)
        try Self.requireSpace(neededBytes, in: directory, subject)

        let gauge = ProgressGauge(totalBytes: captures.reduce(0) { $0 + $1.fileSizeBytes }, call.progress)
        var files: [Replica.File] = []
        for (capture, source) in jobs {
            let sum = try await put(folder + "/" + LocalFolders.fileName(capture.device), subject) {
                path throws(StepFailure) in
                try await source.copy(capture, to: path, subject, gauge)
            } isWanted: {
                source.isWanted($0, of: capture)
            }
            guard source.isWanted(sum, of: capture) else { throw .differs(capture, at: location, sha256: sum.sha256) }
            files.append(
                Replica.File(
                    device: capture.device,
                    name: LocalFolders.fileName(capture.device),
                    sizeBytes: sum.sizeBytes,
                    sha256: sum.sha256
                )
            )
        }
        let manifest = try Self.manifest(call.manifest, of: files, captures)
        if let (system, source) = jobs.first(where: { $0.capture.device.isSystem }) {
            for file in MachineFile.allCases {
                guard let bytes = try await source.machineFile(file, beside: system) else { continue }
                try filing(at: subject) { () throws(FileFailure) in
                    try FileCalls.writeAtomically(bytes, to: folder + "/" + file.rawValue)
                }
            }
        }
        // Last: a copy with a manifest is a whole copy.
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.writeAtomically(manifest, to: folder + "/" + LocalFolders.manifestName)
        }
        gauge.finish()
        return Replica(resource: resource, location: location, files: files)
    }

    /// What is a file here and was a snapshot in a cloud is described as the file.
    private static func manifest(
        _ manifest: [UInt8],
        of files: [Replica.File],
        _ captures: [Capture]
    ) throws(StepFailure) -> [UInt8] {
        let snapshots = Set(captures.filter { $0.format == .cinderSnapshot }.map(\.device))
        guard !snapshots.isEmpty else { return manifest }
        guard let described = Manifest.describing(files.filter { snapshots.contains($0.device) }, in: manifest) else {
            throw StepFailure(.permanent, .internal, "The manifest of a replica cannot be read.")
        }
        return described
    }

    /// Copies one file and gives it its name only when its checksum is the wanted one.
    /// - Returns: its SHA-256.
    func copy(
        _ source: String,
        to target: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge,
        isWanted: (String) -> Bool
    ) async throws(StepFailure) -> String {
        try await put(target, subject) { partial throws(StepFailure) in
            try await copied(source, to: partial, subject, gauge)
        } isWanted: {
            isWanted($0.sha256)
        }
        .sha256
    }

    private func put(
        _ target: String,
        _ subject: FailureSubject,
        _ copy: (String) async throws(StepFailure) -> FileSum,
        isWanted: (FileSum) -> Bool
    ) async throws(StepFailure) -> FileSum {
        let partial = target + LocalFolders.partialSuffix
        let sum = try await copy(partial)
        guard isWanted(sum) else { return sum }
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.rename(partial, to: target)
            try FileCalls.sync(FileCalls.folder(of: target))
        }
        return sum
    }

    fileprivate func copied(
        _ source: String,
        to path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum {
        let rate = copyRate
        return try await OwnThread.run { flag in
            do throws(CopyStop) {
                let pass = VerifiedCopy(flag: flag) { gauge.add($0) }
                return .success(try pass.copy(source, to: path, bytesPerSecond: rate))
            } catch {
                return .failure(.copy(error, at: subject))
            }
        }
    }
}

/// Captures below this worker's own folder, or a replica of them in a location that it reaches.
struct OwnCaptures: CaptureSource {
    let driver: LocalDriver
    var replica: Resource?

    private func folder(of capture: Capture) throws(StepFailure) -> String {
        try driver.folders.folder(of: replica ?? capture.resource)
    }

    private func file(of capture: Capture) throws(StepFailure) -> String {
        try folder(of: capture) + "/" + LocalFolders.fileName(capture.device)
    }

    func allocatedBytes(of capture: Capture) throws(StepFailure) -> Int64 {
        let path = try file(of: capture)
        let status = try filing(at: .storage) { () throws(FileFailure) in try FileCalls.status(path) }
        guard let status, status.kind == .regular else { throw .gone(capture) }
        return min(status.allocatedBytes, status.size)
    }

    func copy(
        _ capture: Capture,
        to path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum {
        try await driver.copied(try file(of: capture), to: path, subject, gauge)
    }

    func pieces(of capture: Capture) throws(StepFailure) -> FilePieces {
        let path = try file(of: capture)
        do throws(FileFailure) { return try FilePieces(path, .storage) } catch {
            throw error.code == ENOENT ? .gone(capture) : .file(error, at: .storage)
        }
    }

    func machineFile(_ file: MachineFile, beside capture: Capture) throws(StepFailure) -> [UInt8]? {
        let folder = try folder(of: capture)
        return try filing(at: .storage) { () throws(FileFailure) in
            try LocalDriver.read(file, at: folder + "/" + file.rawValue)
        }
    }
}

extension StepFailure {
    static func gone(_ capture: Capture, advice: String? = nil) -> StepFailure {
        StepFailure(
            .permanent,
            .notFound,
            "The capture of \(capture.device), \(capture.resource.id), is gone.",
            advice: advice
        )
    }
}
