public import ImageCore

extension LocalDriver {
    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
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
        var jobs: [(capture: Capture, source: String)] = []
        var neededBytes = Int64(call.manifest.count)
        for capture in captures {
            let source = try folders.file(of: capture)
            neededBytes += try Self.allocatedBytes(source, capture)
            jobs.append((capture, source))
        }
        let folder = try await emptyFolder(for: resource)
        try Self.requireSpace(neededBytes, in: directory, subject)

        let gauge = ProgressGauge(totalBytes: captures.reduce(0) { $0 + $1.fileSizeBytes }, call.progress)
        var files: [Replica.File] = []
        for (capture, source) in jobs {
            try await copy(capture, from: source, to: folder, location, gauge)
            files.append(
                Replica.File(
                    device: capture.device,
                    name: LocalFolders.fileName(capture.device),
                    sizeBytes: capture.fileSizeBytes,
                    sha256: capture.sha256
                )
            )
        }
        if let system = captures.first(where: { $0.device.isSystem }) {
            try copyMachine(from: system, to: folder, subject)
        }
        // Last: a copy with a manifest is a whole copy.
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.writeAtomically(call.manifest, to: folder + "/" + LocalFolders.manifestName)
        }
        gauge.finish()
        return Replica(resource: resource, location: location, files: files)
    }

    private func copy(
        _ capture: Capture,
        from source: String,
        to folder: String,
        _ location: LocationName,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) {
        let subject = FailureSubject.location(location)
        let sum = try await copy(source, to: folder + "/" + LocalFolders.fileName(capture.device), subject, gauge) {
            $0 == capture.sha256
        }
        guard sum == capture.sha256 else { throw .differs(capture, at: location, sha256: sum) }
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
        let partial = target + LocalFolders.partialSuffix
        let rate = copyRate
        let sum = try await OwnThread.run { flag in
            do throws(CopyStop) {
                let pass = VerifiedCopy(flag: flag) { gauge.add($0) }
                return .success(try pass.copy(source, to: partial, bytesPerSecond: rate))
            } catch {
                return .failure(.copy(error, at: subject))
            }
        }
        guard isWanted(sum.sha256) else { return sum.sha256 }
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.rename(partial, to: target)
            try FileCalls.sync(FileCalls.folder(of: target))
        }
        return sum.sha256
    }

    static func allocatedBytes(_ path: String, _ capture: Capture) throws(StepFailure) -> Int64 {
        let status = try filing(at: .storage) { () throws(FileFailure) in try FileCalls.status(path) }
        guard let status, status.kind == .regular else {
            throw StepFailure(
                .permanent,
                .notFound,
                "The capture of \(capture.device), \(capture.resource.id), is gone."
            )
        }
        return min(status.allocatedBytes, status.size)
    }
}
