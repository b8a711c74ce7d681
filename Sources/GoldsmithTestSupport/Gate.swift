import ImageCore
import Synchronization

/// Holds up one kind of call until the test lets it go on, as a long copy does.
public final class Gate: Sendable {
    private struct State {
        var isReached = false
        var isOpen = false
    }

    private let name: String
    private let moment: PortCall.Moment
    private let state = Mutex(State())

    public init(_ moment: PortCall.Moment, _ name: String) {
        self.name = name
        self.moment = moment
    }

    public var isReached: Bool { state.withLock { $0.isReached } }
    public func open() { state.withLock { $0.isOpen = true } }

    /// A task that is cancelled at the gate is interrupted, as a driver's copy is.
    public var interceptor: Interceptor {
        { call in
            guard call.name == self.name, call.moment == self.moment else { return .pass }
            self.state.withLock { $0.isReached = true }
            while !self.state.withLock({ $0.isOpen }) {
                do {
                    try await Task.sleep(for: .milliseconds(1))
                } catch {
                    return .fail(StepFailure(.throttled, .cancelled, "the copy was interrupted"))
                }
            }
            return .pass
        }
    }
}

/// Something that is out of reach while a test says so.
public final class Outage: Sendable {
    private let names: Mutex<Set<String>?>

    public init() { names = Mutex([]) }

    /// - Parameter calls: which, for example `store.renew`; `nil` is everything.
    public func begin(_ calls: Set<String>? = nil) { names.withLock { $0 = calls } }
    public func end() { names.withLock { $0 = [] } }

    public var interceptor: Interceptor {
        { call in
            let isOut = self.names.withLock { $0?.contains(call.name) ?? true }
            return isOut && call.moment == .before ? .unavailable : .pass
        }
    }
}
