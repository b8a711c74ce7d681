public import ImageCore
import ImageDrivers
import OpenStackClient

extension OpenStackDriver {
    /// A local system disk becomes a disk that volumes can be made of: an image in Glance, as its capture is.
    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        let (capture, resource, progress) = (call.capture, call.resource, call.progress)
        guard resource.kind == .snapshot else {
            throw StepFailure(.permanent, .invalidArgument, "\(resource.id) is not a snapshot.")
        }
        guard case .image(let source) = try await find(capture) else {
            throw StepFailure(.permanent, .invalidArgument, "\(capture.resource.id) is no image file.")
        }
        try await clear(resource)
        let gauge = ProgressGauge(totalBytes: capture.fileSizeBytes, progress)
        var marks = try await properties(of: .image(source)).merging(scope.marks(of: resource)) { $1 }
        marks[CloudMark.device] = capture.device.description
        let id = try await queue(
            resource,
            format: source.diskFormat ?? "qcow2",
            minDisk: Self.gigabytes(capture.virtualSizeBytes),
            marks
        )
        try await copyContent(of: source, to: id, sha256: capture.sha256, gauge) { .rotten(capture, sha256: $0) }
        gauge.finish()
        var converted = capture
        converted.resource = resource
        return converted
    }
}
