import Glibc
import Synchronization

/// Watches over calls which block a connection's thread.
///
/// librabbitmq writes with an infinite deadline: a broker which stops reading (memory alarm, frozen host) would hold
/// the connection's thread forever. One thread for the whole process watches the armed sockets and calls
/// `shutdown` on those past their time, which makes the blocked call fail. It never closes them: the number could
/// be reused by then. The owner disarms before it closes, under the same lock, so no foreign socket is ever hit.
final class Watchdog: Sendable {
    static let shared = Watchdog()

    /// Gets the time and returns the time of the next call. Runs under the watchdog's lock: short, without guarding.
    typealias Alarm = @Sendable (ContinuousClock.Instant) -> ContinuousClock.Instant?

    private struct Armed {
        let deadline: ContinuousClock.Instant
        let alarm: Alarm
    }
    private struct State {
        var armed: [UInt64: Armed] = [:]
        var nextID: UInt64 = 0
        var isRunning = false
        /// When the thread wakes by itself; nil for never.
        var nextWake: ContinuousClock.Instant?
    }
    private let state = Mutex(State())
    private let signal = WakeSignal()

    /// Runs `body`, and shuts `descriptor` down should it take until `deadline`.
    func guarding<R>(_ descriptor: CInt, until deadline: ContinuousClock.Instant, _ body: () -> R) -> R {
        let id = arm(until: deadline) { _ in
            shutdown(descriptor, CInt(SHUT_RDWR))
            return nil
        }
        defer { disarm(id) }
        return body()
    }

    /// Runs `body`, and calls `alarm` should it take until `deadline`.
    func guarding<R>(
        until deadline: ContinuousClock.Instant,
        alarm: @escaping Alarm,
        _ body: () throws(AMQPError) -> R
    ) throws(AMQPError) -> R {
        let id = arm(until: deadline, alarm: alarm)
        defer { disarm(id) }
        return try body()
    }

    private func disarm(_ id: UInt64) {
        _ = state.withLock { $0.armed.removeValue(forKey: id) }
    }

    private func arm(until deadline: ContinuousClock.Instant, alarm: @escaping Alarm) -> UInt64 {
        let (id, mustStart, mustWake) = state.withLock { state in
            defer { state.isRunning = true }
            state.nextID += 1
            state.armed[state.nextID] = Armed(deadline: deadline, alarm: alarm)
            // While the thread is going to look soon enough anyway, arming costs no system call.
            let mustWake = state.nextWake.map { deadline < $0 } ?? true
            if mustWake { state.nextWake = deadline }
            return (state.nextID, !state.isRunning, mustWake)
        }
        if mustStart { NamedThread.start("amqp-watchdog") { self.run() } }
        if mustWake { signal.wake() }
        return id
    }

    private func run() {
        while true {
            let wake = state.withLock { state in
                let now = ContinuousClock.now
                for (id, entry) in state.armed where entry.deadline <= now {
                    state.armed[id] = entry.alarm(now).map { Armed(deadline: $0, alarm: entry.alarm) }
                }
                state.nextWake = state.armed.values.map(\.deadline).min()
                return state.nextWake
            }
            signal.wait(for: PollInterest(deadline: wake))
        }
    }
}
