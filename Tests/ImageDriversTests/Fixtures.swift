import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Synchronization
import Testing

/// What a test needs to exist.
func known<Value>(_ value: Value?, sourceLocation: SourceLocation = #_sourceLocation) throws -> Value {
    try #require(value, sourceLocation: sourceLocation)
}

func resource(_ image: String, _ kind: Resource.Kind, _ part: String, location: String? = nil) -> Resource? {
    guard let id = ImageID(image) else { return nil }
    return Resource(
        id: ResourceID(image: id, part: part, fence: 1),
        kind: kind,
        imageID: id,
        location: location.flatMap { LocationName($0) }
    )
}

extension DriverScratch {
    func captureSystem(
        _ id: String,
        image: String = "img-1",
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) async throws -> Capture {
        try await driver.capture(
            .system,
            of: try known(InstanceID(id)),
            into: try known(resource(image, .imageFile, "vda")),
            progress: progress
        )
    }

    func file(of capture: Capture) -> String {
        path(
            capture.resource.kind == .imageFile ? "images" : "snapshots",
            capture.resource.id.text,
            capture.device.shortName + ".qcow2"
        )
    }

    /// `qemu-img compare` reads both through their backing files.
    func expectSame(_ source: String, _ format: String, _ capture: Capture) async throws {
        try await Self.run("/usr/bin/qemu-img", ["compare", "-f", format, "-F", "qcow2", source, file(of: capture)])
    }
}

/// Runs what must be refused and returns the refusal.
func refusal(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async throws -> StepFailure {
    do {
        try await body()
    } catch let failure as StepFailure {
        return failure
    }
    Issue.record("was not refused", sourceLocation: sourceLocation)
    throw ConformanceFailure("was not refused")
}

extension DriverScratch {
    /// Changes one byte in the middle of a capture's file: what a failing disk does.
    func flipByte(of capture: Capture) throws {
        let handle = try known(FileHandle(forUpdatingAtPath: file(of: capture)))
        let middle = UInt64(capture.fileSizeBytes / 2)
        try handle.seek(toOffset: middle)
        let byte = try known(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: middle)
        try handle.write(contentsOf: [byte ^ 0xff])
        try handle.close()
    }
}

/// Progress as it came.
final class ProgressLog: Sendable {
    private let reports = Mutex<[CopyProgress]>([])
    func add(_ report: CopyProgress) { reports.withLock { $0.append(report) } }
    var all: [CopyProgress] { reports.withLock { $0 } }
    var isGrowing: Bool { all.map(\.doneBytes) == all.map(\.doneBytes).sorted() }
    var isWhole: Bool { all.last.map { $0.doneBytes == $0.totalBytes } ?? false }
}
