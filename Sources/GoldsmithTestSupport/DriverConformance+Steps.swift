import ImageCore
import Synchronization

extension DriverFixture {
    /// An instance with a local system disk, a cloud data disk and, where there are such, a local data disk.
    func add(status: InstanceStatus = .stopped) async throws -> Instance {
        let all = [("/dev/vda", DiskKind.local), ("/dev/vdb", .cloud), ("/dev/vdc", .local)]
        let kinds = hasLocalDataDisks ? all : Array(all.prefix(2))
        let instance = Instance(
            id: try value(InstanceID("i-web1")).of(maker),
            owner: try value(Owner("acct-1")),
            status: status,
            disks: try kinds.map { device, kind in
                Disk(device: try value(DeviceName(device)), kind: kind, sizeBytes: diskBytes)
            }
        )
        try await addInstance(instance)
        return instance
    }

    func capture(
        _ device: String,
        of instance: InstanceID,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) async throws -> Capture {
        try await driver.capture(try value(DeviceName(device)), of: instance, into: resource, progress: progress)
    }

    func captureSystem(
        _ instance: InstanceID,
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) async throws -> Capture {
        try await capture("/dev/vda", of: instance, into: try resource(.imageFile, "vda"), progress: progress)
    }

    func resource(_ kind: Resource.Kind, _ part: String, at location: String? = nil) throws -> Resource {
        let image = try value(ImageID("img-c0ffee"))
        return Resource(
            id: ResourceID(image: image, part: part, fence: 1),
            kind: kind,
            imageID: image,
            location: try location.map { try value(LocationName($0)) },
            driver: kind == .replica || kind == .instance ? keeper : maker
        )
    }
}

/// What must exist for a check to make sense.
func value<Value>(_ found: Value?) throws -> Value {
    guard let found else { throw ConformanceFailure("the check itself is wrong: no such value") }
    return found
}

func expect(_ holds: Bool, _ otherwise: String) throws {
    guard holds else { throw ConformanceFailure(otherwise) }
}

func expect(
    _ code: ErrorCode,
    _ disposition: StepFailure.Disposition,
    _ body: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch let failure as StepFailure {
        let isRight = failure.code == code && failure.disposition == disposition
        try expect(isRight, "\(code) \(disposition) was expected, not \(failure)")
        return
    }
    throw ConformanceFailure("\(code) was expected, and nothing was thrown")
}

/// Begins `body`, cancels it when it says that it has begun, and expects it to end at once with `CANCELLED`.
func expectPromptStop(_ body: @escaping @Sendable (_ begun: @escaping @Sendable () -> Void) async throws -> Void)
    async throws
{
    let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let clock = ContinuousClock()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body { begun.yield() } }
        for await _ in signals { break }
        let cancelledAt = clock.now
        group.cancelAll()
        do {
            while try await group.next() != nil {}
            throw ConformanceFailure("a cancelled operation ended as if it were done")
        } catch let failure as StepFailure {
            try expect(failure.code == .cancelled, "CANCELLED was expected, not \(failure)")
            try expect(failure.disposition == .throttled, "a cancelled operation must not use an attempt")
        }
        try expect(clock.now - cancelledAt < .seconds(5), "a cancelled operation went on for seconds")
    }
}

/// Progress as it came, from any thread.
final class Reports: Sendable {
    private let reports = Mutex<[CopyProgress]>([])

    func add(_ report: CopyProgress) { reports.withLock { $0.append(report) } }
    var isEmpty: Bool { reports.withLock { $0.isEmpty } }

    func expectWhole() throws {
        let seen = reports.withLock { $0 }
        try expect(seen.last.map { $0.doneBytes == $0.totalBytes } == true, "the last report is not the whole: \(seen)")
        let done = seen.map(\.doneBytes)
        try expect(done == done.sorted(), "progress went back: \(done)")
        // 0 stands for "not known yet".
        try expect(Set(seen.map(\.totalBytes).filter { $0 > 0 }).count == 1, "the total changed: \(seen)")
    }
}
