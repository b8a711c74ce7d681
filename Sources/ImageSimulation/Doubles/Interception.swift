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
    /// The process is dead: the call has no effect, and its caller learns nothing.
    case dead
    /// The other side is out of reach.
    case unavailable
    /// Only for drivers.
    case fail(StepFailure)
}

/// Asked before and after every call across a port; may wait.
public typealias Interceptor = @Sendable (PortCall) async -> Verdict

/// Calls of a driver that can be held up, made to fail, or be the last of their process.
public struct JudgedCalls: DriverInterceptor {
    private let interceptor: Interceptor

    public init(_ interceptor: @escaping Interceptor) { self.interceptor = interceptor }

    public func around<Value: Sendable>(
        _ call: DriverCall,
        _ body: () async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        guard let name = call.name else { return try await body() }
        try await judge(name, .before)
        let value = try await body()
        try await judge(name, .after)
        return value
    }

    private func judge(_ name: String, _ moment: PortCall.Moment) async throws(StepFailure) {
        switch await interceptor(PortCall(name: name, moment: moment)) {
        case .pass: break
        case .dead: throw StepFailure(.permanent, .internal, "the process is dead")
        case .unavailable: throw StepFailure(.transient, .unavailable, "out of reach")
        case .fail(let failure): throw failure
        }
    }
}

extension DriverCall {
    /// For example `driver.capture /dev/vdb`; `nil` for a call that only looks at everything there is, and passes.
    fileprivate var name: String? {
        switch operation {
        case .instances, .locations, .copyBytes, .inventory: nil
        case .capture: "driver.capture" + (device.map { " \($0)" } ?? "")
        case .describe, .checkDisk, .inspectGuest, .replicate, .proveBoot, .convert, .launch, .publishInstance,
            .rollBackLaunch, .delete:
            "driver.\(operation)"
        }
    }
}
