/// The functions of the driver's port, as metrics and spans name them.
public enum DriverOperation: String, CaseIterable, Sendable {
    case describe
    case instances
    case locations
    case checkDisk = "check-disk"
    case copyBytes = "copy-bytes"
    case inspectGuest = "inspect-guest"
    case capture
    case replicate
    case proveBoot = "prove-boot"
    case convert
    case launch
    case publishInstance = "publish-instance"
    case rollBackLaunch = "roll-back-launch"
    case delete
    case inventory
}

/// One call of a driver, about to happen.
public struct DriverCall: Equatable, Sendable {
    public var operation: DriverOperation
    /// The disk that is checked or captured.
    public var device: DeviceName?
    /// What is made or deleted.
    public var resource: Resource?
    /// The instance that is looked at, captured or launched.
    public var instance: InstanceID?
    /// The replicas that one is copied from.
    public var sources: [Replica]

    public init(
        _ operation: DriverOperation,
        device: DeviceName? = nil,
        resource: Resource? = nil,
        instance: InstanceID? = nil,
        sources: [Replica] = []
    ) {
        self.operation = operation
        self.device = device
        self.resource = resource
        self.instance = instance
        self.sources = sources
    }
}

/// What surrounds each call of a driver: metrics and spans, faults, checks.
public protocol DriverInterceptor: Sendable {
    /// - Parameter body: makes the call. It is called once, or not at all.
    func around<Value: Sendable>(
        _ call: DriverCall,
        _ body: () async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value
}

/// A driver with an interceptor around each of its calls. The only type that forwards the port's functions.
public struct InterceptingDriver<Interceptor: DriverInterceptor>: ImageDriver {
    private let driver: any ImageDriver
    private let interceptor: Interceptor

    public init(_ driver: any ImageDriver, _ interceptor: Interceptor) {
        self.driver = driver
        self.interceptor = interceptor
    }

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        try await interceptor.around(.init(.describe, instance: instance)) { () async throws(StepFailure) in
            try await driver.describe(instance, for: owner)
        }
    }

    public func instances() async throws(StepFailure) -> [Instance] {
        try await interceptor.around(.init(.instances)) { () async throws(StepFailure) in try await driver.instances() }
    }

    public func locations() async throws(StepFailure) -> [Location] {
        try await interceptor.around(.init(.locations)) { () async throws(StepFailure) in try await driver.locations() }
    }

    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await interceptor.around(.init(.checkDisk, device: device, instance: instance)) {
            () async throws(StepFailure) in
            try await driver.checkDisk(device, of: instance)
        }
    }

    public func checkDisks(_ devices: [DeviceName], of instance: InstanceID) async throws(StepFailure) {
        try await interceptor.around(.init(.checkDisk, instance: instance)) { () async throws(StepFailure) in
            try await driver.checkDisks(devices, of: instance)
        }
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await interceptor.around(.init(.copyBytes, device: device, instance: instance)) {
            () async throws(StepFailure) in
            try await driver.copyBytes(of: device, of: instance)
        }
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await interceptor.around(.init(.inspectGuest, instance: instance)) { () async throws(StepFailure) in
            try await driver.inspectGuest(of: instance)
        }
    }

    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        try await interceptor.around(
            .init(.capture, device: call.device, resource: call.resource, instance: call.instance)
        ) { () async throws(StepFailure) in try await driver.capture(call) }
    }

    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        try await interceptor.around(.init(.replicate, resource: call.resource, sources: call.sources)) {
            () async throws(StepFailure) in
            try await driver.replicate(call)
        }
    }

    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        try await interceptor.around(.init(.convert, device: call.capture.device, resource: call.resource)) {
            () async throws(StepFailure) in
            try await driver.convert(call)
        }
    }

    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        try await interceptor.around(.init(.proveBoot, resource: replica.resource)) { () async throws(StepFailure) in
            try await driver.proveBoot(of: replica)
        }
    }

    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        try await interceptor.around(.init(.launch, resource: call.resource, instance: call.launch.instanceID)) {
            () async throws(StepFailure) in
            try await driver.launch(call)
        }
    }

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try await interceptor.around(.init(.publishInstance, resource: resource, instance: launch.instanceID)) {
            () async throws(StepFailure) in
            try await driver.publishInstance(launch, from: resource)
        }
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        try await interceptor.around(.init(.rollBackLaunch, resource: resource)) { () async throws(StepFailure) in
            try await driver.rollBackLaunch(resource)
        }
    }

    public func delete(_ resource: Resource) async throws(StepFailure) {
        try await interceptor.around(.init(.delete, resource: resource)) { () async throws(StepFailure) in
            try await driver.delete(resource)
        }
    }

    public func inventory() async throws(StepFailure) -> [Resource] {
        try await interceptor.around(.init(.inventory)) { () async throws(StepFailure) in try await driver.inventory() }
    }
}
