import ImageCore
import Synchronization

/// Limits login attempts: few from one address, and not many in all.
///
/// An attempt counts before it is judged, so that many at once are not all free; a login that succeeds gives its address
/// its attempts back.
final class LoginThrottle: Sendable {
    struct Limits: Sendable {
        var perAddress = 5
        var inAll = 50
        var within = Duration.seconds(300)
    }

    private struct State {
        var attempts: [String: [Timestamp]] = [:]
    }

    private let limits: Limits
    private let time: any Timekeeper
    private let state = Mutex(State())

    init(time: any Timekeeper, limits: Limits = Limits()) {
        self.time = time
        self.limits = limits
    }

    /// - Returns: `nil` when the attempt may be made, else how long to wait.
    func attempt(from address: String) -> Duration? {
        let now = time.now()
        return state.withLock { state in
            state.attempts = state.attempts.compactMapValues { times in
                let recent = times.filter { now - $0 < limits.within }
                return recent.isEmpty ? nil : recent
            }
            let own = state.attempts[address, default: []]
            let all = state.attempts.values.flatMap { $0 }
            if own.count >= limits.perAddress, let first = own.first { return first + limits.within - now }
            if all.count >= limits.inAll, let first = all.min() { return first + limits.within - now }
            state.attempts[address] = own + [now]
            return nil
        }
    }

    func succeeded(from address: String) { state.withLock { $0.attempts[address] = nil } }
}
