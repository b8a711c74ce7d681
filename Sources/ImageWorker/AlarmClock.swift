import DequeModule
import Synchronization

/// Wakes tasks at their time, and forgets a sleep as soon as it is cancelled.
///
/// The standard library keeps the timer of a cancelled sleep until its end. Each job begins two sleeps and cancels them
/// when it is done, one of them of a minute: a busy worker had tens of thousands of such timers.
final class AlarmClock: Sendable {
    static let shared = AlarmClock()

    private enum Sleeper {
        case waiting(CheckedContinuation<Bool, Never>)
        /// Cancelled before it could wait.
        case cancelled
    }

    private struct Alarm {
        var number: UInt64
        var end: ContinuousClock.Instant
    }

    private struct State {
        var lastNumber: UInt64 = 0
        var sleepers: [UInt64: Sleeper] = [:]
        /// Sleeps of one length end in the order in which they began. Those that are cancelled leave as soon as they come
        /// to the front.
        var alarms: [Duration: Deque<Alarm>] = [:]
        /// When the clock looks again.
        var nextLook: ContinuousClock.Instant?

        func isWaiting(_ alarm: Alarm) -> Bool { sleepers[alarm.number] != nil }
    }

    private let state = Mutex(State())

    /// How many alarms are kept, for tests.
    var count: Int { state.withLock { $0.alarms.values.reduce(0) { $0 + $1.count } + $0.sleepers.count } }

    /// - Throws: `CancellationError`, at once, when the task is cancelled.
    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        guard duration > .zero else { return }
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { wait($0, number, for: duration) }
        } onCancel: {
            cancel(number, of: duration)
        }
        // A cancellation that came when it was over has left a mark.
        state.withLock { _ = $0.sleepers.removeValue(forKey: number) }
        guard isOver else { throw CancellationError() }
    }

    private func wait(_ continuation: CheckedContinuation<Bool, Never>, _ number: UInt64, for duration: Duration) {
        let end = ContinuousClock.now + duration
        let isCancelled = state.withLock { state in
            guard state.sleepers[number] == nil else { return true }
            state.sleepers[number] = .waiting(continuation)
            state.alarms[duration, default: .init()].append(Alarm(number: number, end: end))
            return false
        }
        if isCancelled { continuation.resume(returning: false) } else { look(by: end) }
    }

    private func cancel(_ number: UInt64, of duration: Duration) {
        let sleeper = state.withLock { state in
            let sleeper = state.sleepers.removeValue(forKey: number)
            if sleeper == nil { state.sleepers[number] = .cancelled }
            while let first = state.alarms[duration]?.first, !state.isWaiting(first) || first.number == number {
                state.alarms[duration]?.removeFirst()
            }
            if state.alarms[duration]?.first == nil { state.alarms[duration] = nil }
            return sleeper
        }
        if case .waiting(let continuation)? = sleeper { continuation.resume(returning: false) }
    }

    /// Ensures a look at `moment` or before.
    private func look(by moment: ContinuousClock.Instant) {
        let isNew = state.withLock { state in
            if let next = state.nextLook, next <= moment { return false }
            state.nextLook = moment
            return true
        }
        guard isNew else { return }
        // Bound to no task that could be cancelled; it ends with the last alarm.
        Task.detached {
            try? await Task.sleep(until: moment, clock: .continuous)
            self.ring(at: moment)
        }
    }

    private func ring(at moment: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        let (over, next) = state.withLock { state in
            var over: [CheckedContinuation<Bool, Never>] = []
            for duration in state.alarms.keys {
                while let first = state.alarms[duration]?.first, first.end <= now || !state.isWaiting(first) {
                    state.alarms[duration]?.removeFirst()
                    if case .waiting(let continuation)? = state.sleepers.removeValue(forKey: first.number) {
                        over.append(continuation)
                    }
                }
                if state.alarms[duration]?.first == nil { state.alarms[duration] = nil }
            }
            // Another look, for an earlier alarm, goes its own way.
            if state.nextLook == moment { state.nextLook = nil }
            return (over, state.alarms.values.compactMap { $0.first?.end }.min())
        }
        for continuation in over { continuation.resume(returning: true) }
        if let next { look(by: next) }
    }
}
