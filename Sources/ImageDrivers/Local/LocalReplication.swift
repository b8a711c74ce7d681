import Glibc
public import ImageCore

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
            let bytes = min(try await source.allocatedBytes(of: capture), capture.fileSizeBytes)
            // A raw one is there twice for a while.
            neededBytes += capture.format == .raw ? 2 * bytes : bytes
            jobs.append((capture, source))
        }
        let folder = try await emptyFolder(for: resource)
        try Self.requireSpace(neededBytes, in: directory, subject)

        let gauge = ProgressGauge(totalBytes: captures.reduce(0) { $0 + $1.fileSizeBytes }, call.progress)
        var files: [Replica.File] = []
        for (capture, source) in jobs {
            let isRaw = capture.format == .raw
            let sum = try await put(folder + "/" + LocalFolders.fileName(capture.device), subject) {
                path throws(StepFailure) in
                guard isRaw else { return try await source.copy(capture, to: path, subject, gauge) }
                return try await rewrite(capture, from: source, to: path, at: location, gauge)
            } isWanted: {
                isRaw || source.isWanted($0, of: capture)
            }
            guard isRaw || source.isWanted(sum, of: capture) else {
                throw .differs(capture, at: location, sha256: sum.sha256)
            }
            files.append(
                Replica.File(
                    device: capture.device,
                    name: LocalFolders.fileName(capture.device),
                    sizeBytes: sum.sizeBytes,
                    sha256: sum.sha256
                )
            )
        }
        let manifest = try Manifest.describing(files, of: captures, in: call.manifest)
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

    /// A folder keeps qcow2 files: what is raw elsewhere is compared, and then rewritten.
    /// - Returns: the sum of the new file.
    private func rewrite(
        _ capture: Capture,
        from source: any CaptureSource,
        to path: String,
        at location: LocationName,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> FileSum {
        let (raw, subject) = (path + ".raw", FailureSubject.location(location))
        let sum = try await source.copy(capture, to: raw, subject, gauge)
        guard source.isWanted(sum, of: capture) else { throw .differs(capture, at: location, sha256: sum.sha256) }
        try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.convert(.raw(path: raw), to: path, bytesPerSecond: copyRate) { _ in gauge.add(0) }
        }
        try filing(at: subject) { () throws(FileFailure) in
            _ = try FileCalls.deleteTree(raw)
            try FileCalls.sync(path)
        }
        return try await OwnThread.run { flag in
            do throws(CopyStop) {
                return .success(try VerifiedCopy(flag: flag) { _ in gauge.add(0) }.sum(of: path))
            } catch {
                return .failure(.copy(error, at: subject))
            }
        }
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

    func reading<Value>(
        _ capture: Capture,
        _ body: (CaptureContent) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        let path = try file(of: capture)
        let pieces: FilePieces
        do throws(FileFailure) { pieces = try FilePieces(path, .storage) } catch {
            throw error.code == ENOENT ? .gone(capture) : .file(error, at: .storage)
        }
        let content = CaptureContent(
            sizeBytes: pieces.sizeBytes,
            format: capture.format ?? .qcow2,
            pieces: pieces,
            isWanted: { sha256, _ in sha256 == capture.sha256 },
            failure: { pieces.failure }
        )
        return try await body(content)
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
