import ImageCore
import Tracing

/// A driver whose calls are timed and counted, each in a span of its own below that of the work it is for.
struct MeasuredDriver: ImageDriver {
    /// The port's functions, as metrics name them.
    enum Call: String {
        case describe
        case instances
        case locations
        case checkDisk = "check-disk"
        case copyBytes = "copy-bytes"
        case inspectGuest = "inspect-guest"
        case capture
        case replicate
        case convert
        case launch
        case publishInstance = "publish-instance"
        case rollBackLaunch = "roll-back-launch"
        case delete
        case inventory
    }

    let driver: any ImageDriver
    let telemetry: WorkerTelemetry
    let time: any Timekeeper
    var tracer: any Tracer = NoOpTracer()

    private func timed<Value>(
        _ call: Call,
        _ body: () async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        let span: (any Span)? = ServiceContext.current.map {
            tracer.startSpan("driver.\(call.rawValue)", context: $0)
        }
        defer { span?.end() }
        let began = time.uptime()
        do {
            let value = try await body()
            telemetry.called(call, nil, in: time.uptime() - began)
            return value
        } catch {
            telemetry.called(call, error, in: time.uptime() - began)
            span?.fail(error.code, error.message)
            throw error
        }
    }

    func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        try await timed(.describe) { () async throws(StepFailure) in try await driver.describe(instance, for: owner) }
    }

    func instances() async throws(StepFailure) -> [Instance] {
        try await timed(.instances) { () async throws(StepFailure) in try await driver.instances() }
    }

    func locations() async throws(StepFailure) -> [LocationName] {
        try await timed(.locations) { () async throws(StepFailure) in try await driver.locations() }
    }

    func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await timed(.checkDisk) { () async throws(StepFailure) in
            try await driver.checkDisk(device, of: instance)
        }
    }

    func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await timed(.copyBytes) { () async throws(StepFailure) in
            try await driver.copyBytes(of: device, of: instance)
        }
    }

    func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await timed(.inspectGuest) { () async throws(StepFailure) in try await driver.inspectGuest(of: instance) }
    }

    func capture(
        _ device: DeviceName,
        of instance: InstanceID,
        into resource: Resource,
        fixesGuest: Bool,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await timed(.capture) { () async throws(StepFailure) in
            try await driver.capture(
                device,
                of: instance,
                into: resource,
                fixesGuest: fixesGuest,
                progress: progress
            )
        }
    }

    func replicate(
        _ captures: [Capture],
        manifest: [UInt8],
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Replica {
        try await timed(.replicate) { () async throws(StepFailure) in
            try await driver.replicate(captures, manifest: manifest, into: resource, progress: progress)
        }
    }

    func convert(
        _ capture: Capture,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await timed(.convert) { () async throws(StepFailure) in
            try await driver.convert(capture, into: resource, progress: progress)
        }
    }

    func launch(
        _ launch: Launch,
        from replica: Replica,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) {
        try await timed(.launch) { () async throws(StepFailure) in
            try await driver.launch(launch, from: replica, into: resource, progress: progress)
        }
    }

    func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try await timed(.publishInstance) { () async throws(StepFailure) in
            try await driver.publishInstance(launch, from: resource)
        }
    }

    func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        try await timed(.rollBackLaunch) { () async throws(StepFailure) in try await driver.rollBackLaunch(resource) }
    }

    func delete(_ resource: Resource) async throws(StepFailure) {
        try await timed(.delete) { () async throws(StepFailure) in try await driver.delete(resource) }
    }

    func inventory() async throws(StepFailure) -> [Resource] {
        try await timed(.inventory) { () async throws(StepFailure) in try await driver.inventory() }
    }
}
