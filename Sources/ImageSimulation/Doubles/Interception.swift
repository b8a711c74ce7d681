public import ImageCore

/// One call across a port, about to happen or just happened.
public struct PortCall: Sendable, CustomStringConvertible {
    public enum Moment: String, Sendable, CaseIterable {
        case before
        case after
    }

    /// For example `store.begin`.
    public var name: String
    public var moment: Moment

    public var description: String { "\(moment.rawValue) \(name)" }
}

/// What becomes of a call.
public enum Verdict: Sendable {
    case pass
    /// The process is dead: the call has no effect, and whoever called learns nothing.
    case dead
    /// The other side is out of reach.
    case unavailable
    /// Only for drivers.
    case fail(StepFailure)
}

/// Asked before and after every call across a port; may wait.
public typealias Interceptor = @Sendable (PortCall) async -> Verdict

/// A driver whose calls can be held up, made to fail, or be the last of their process.
public struct InterceptedDriver: ImageDriver {
    private let driver: any ImageDriver
    private let interceptor: Interceptor

    public init(_ driver: any ImageDriver, _ interceptor: @escaping Interceptor) {
        self.driver = driver
        self.interceptor = interceptor
    }

    private func judge(_ name: String, _ moment: PortCall.Moment) async throws(StepFailure) {
        switch await interceptor(PortCall(name: "driver." + name, moment: moment)) {
        case .pass: break
        case .dead: throw StepFailure(.permanent, .internal, "the process is dead")
        case .unavailable: throw StepFailure(.transient, .unavailable, "out of reach")
        case .fail(let failure): throw failure
        }
    }

    private func call<Value>(
        _ name: String,
        _ body: () async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        try await judge(name, .before)
        let value = try await body()
        try await judge(name, .after)
        return value
    }

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        try await call("describe") { () async throws(StepFailure) in try await driver.describe(instance, for: owner) }
    }

    public func instances() async throws(StepFailure) -> [Instance] { try await driver.instances() }

    public func locations() async throws(StepFailure) -> [LocationName] { try await driver.locations() }

    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await call("checkDisk") { () async throws(StepFailure) in try await driver.checkDisk(device, of: instance) }
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await call("inspectGuest") { () async throws(StepFailure) in try await driver.inspectGuest(of: instance) }
    }

    public func capture(
        _ device: DeviceName,
        of instance: InstanceID,
        into resource: Resource,
        fixesGuest: Bool,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await call("capture \(device)") { () async throws(StepFailure) in
            try await driver.capture(
                device,
                of: instance,
                into: resource,
                fixesGuest: fixesGuest,
                progress: progress
            )
        }
    }

    public func replicate(
        _ captures: [Capture],
        manifest: [UInt8],
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Replica {
        try await call("replicate") { () async throws(StepFailure) in
            try await driver.replicate(captures, manifest: manifest, into: resource, progress: progress)
        }
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await driver.copyBytes(of: device, of: instance)
    }

    public func convert(
        _ capture: Capture,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await call("convert") { () async throws(StepFailure) in
            try await driver.convert(capture, into: resource, progress: progress)
        }
    }

    public func launch(
        _ launch: Launch,
        from replica: Replica,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) {
        try await call("launch") { () async throws(StepFailure) in
            try await driver.launch(launch, from: replica, into: resource, progress: progress)
        }
    }

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try await call("publishInstance") { () async throws(StepFailure) in
            try await driver.publishInstance(launch, from: resource)
        }
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        try await call("rollBackLaunch") { () async throws(StepFailure) in try await driver.rollBackLaunch(resource) }
    }

    public func delete(_ resource: Resource) async throws(StepFailure) {
        try await call("delete") { () async throws(StepFailure) in try await driver.delete(resource) }
    }

    public func inventory() async throws(StepFailure) -> [Resource] { try await driver.inventory() }
}
