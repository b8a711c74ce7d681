public import ImageCore
import Synchronization

/// Time that stands still until a test moves it.
public final class ManualTime: Timekeeper {
    private struct Sleeper {
        var wakesAt: Timestamp
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Timestamp
        var sleepers: [Int: Sleeper] = [:]
        /// Cancelled before they lay down.
        var cancelled: Set<Int> = []
        var lastID = 0
    }

    private let state: Mutex<State>

    public init(_ start: Timestamp = Timestamp(microseconds: 1_700_000_000_000_000)) {
        state = Mutex(State(now: start))
    }

    public func now() -> Timestamp { state.withLock { $0.now } }
    public func uptime() -> Duration { .microseconds(now().microseconds) }

    /// How many tasks wait for time to pass.
    public var sleepers: Int { state.withLock { $0.sleepers.count } }

    /// When the first of them wakes.
    public var nextWake: Timestamp? { state.withLock { $0.sleepers.values.map(\.wakesAt).min() } }

    public func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
                    guard duration > .zero else { return .success(()) }
                    state.sleepers[id] = Sleeper(wakesAt: state.now + duration, continuation: continuation)
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let sleeper = state.withLock { state in
                guard let sleeper = state.sleepers.removeValue(forKey: id) else {
                    state.cancelled.insert(id)
                    return nil as Sleeper?
                }
                return sleeper
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
        // Cancelled after it woke: this number is not used again.
        state.withLock { _ = $0.cancelled.remove(id) }
    }

    /// Moves time on and wakes those whose time has come, the earliest first.
    public func advance(by duration: Duration) {
        let woken = state.withLock { state in
            state.now = state.now + duration
            let now = state.now
            let due = state.sleepers.filter { $0.value.wakesAt <= now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.sorted { ($0.value.wakesAt, $0.key) < ($1.value.wakesAt, $1.key) }.map(\.value.continuation)
        }
        for continuation in woken { continuation.resume() }
    }
}
