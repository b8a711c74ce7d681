import Synchronization

/// The results of one call of `publish`, collected as confirms come in.
final class PublishBatch: Sendable {
    private struct State {
        var results: [Result<Void, AMQPError>?]
        var remaining: Int
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state: Mutex<State>

    init(count: Int) {
        state = Mutex(State(results: Array(repeating: nil, count: count), remaining: count))
    }

    /// The first result for an index counts; there may be a late confirm after a timeout.
    func finish(_ index: Int, _ result: Result<Void, AMQPError>) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.results[index] == nil else { return nil }
            state.results[index] = result
            state.remaining -= 1
            guard state.remaining == 0 else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func isFinished(_ index: Int) -> Bool { state.withLock { $0.results[index] != nil } }

    /// Returns when every index is finished, which the deadlines of the publications ensure.
    func results() async -> [Result<Void, AMQPError>] {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.remaining > 0 { state.waiter = continuation }
                return state.remaining == 0
            }
            if isDone { continuation.resume() }
        }
        return state.withLock { $0.results.compactMap { $0 } }
    }
}

/// One publication on its way.
struct PendingPublish: Sendable {
    let publication: AMQPPublication
    let deadline: ContinuousClock.Instant
    let batch: PublishBatch
    let index: Int

    func finish(_ result: Result<Void, AMQPError>) { batch.finish(index, result) }
    var isFinished: Bool { batch.isFinished(index) }
}
