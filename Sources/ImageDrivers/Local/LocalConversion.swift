public import ImageCore

extension LocalDriver {
    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        let (capture, resource) = (call.capture, call.resource)
        guard resource.kind == .snapshot else { throw .noSnapshot(resource) }
        let source = try folders.file(of: capture)
        let needed = try OwnCaptures(driver: self).allocatedBytes(of: capture)
        let folder = try await emptyFolder(for: resource)
        try Self.requireSpace(needed, in: folder, .storage)
        let gauge = ProgressGauge(totalBytes: capture.fileSizeBytes, call.progress)
        let target = folder + "/" + LocalFolders.fileName(capture.device)
        let sum = try await copy(source, to: target, .storage, gauge) { $0 == capture.sha256 }
        guard sum == capture.sha256 else { throw .rotten(capture, sha256: sum) }
        try copyMachine(from: capture, to: folder, .storage)
        gauge.finish()
        var converted = capture
        converted.resource = resource
        return converted
    }
}
