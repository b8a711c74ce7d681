import ImageCore
import Synchronization

/// Between the thread that drives a simulation and the tasks that are driven.
final class Stage: Sendable {
    struct Ending: Sendable {
        var requests = 0
        var rejected = 0
        var available = 0
        var error = 0
    }

    private struct State {
        var world: World?
        var pool: WorkerPool?
        var ending: Ending?
        var failure: String?
    }

    private let state = Mutex(State())

    var pool: WorkerPool? { state.withLock { $0.pool } }
    var isClosed: Bool {
        state.withLock { $0.ending != nil || $0.failure != nil || $0.world?.violation != nil }
    }

    func open(_ world: World, _ pool: WorkerPool) {
        state.withLock {
            $0.world = world
            $0.pool = pool
        }
    }

    func close(_ ending: Ending) { state.withLock { $0.ending = ending } }
    func fail(_ what: String) { state.withLock { $0.failure = what } }

    /// Moves time to when something happens next.
    /// - Returns: `false` when nothing ever will.
    func passTime() -> Bool {
        guard let world = state.withLock({ $0.world }) else { return false }
        guard let next = [world.time.nextWake, world.broker.nextDue].compactMap({ $0 }).min() else { return false }
        world.time.advance(by: next - world.time.now())
        world.broker.turn()
        return true
    }

    func outcome(seed: UInt64, steps: Int) -> SimulationOutcome {
        let state = state.withLock { $0 }
        var violation = state.world?.violation
        if violation == nil, state.ending == nil {
            violation = Violation(invariant: .liveness, details: state.failure ?? "it turns in circles")
        }
        let ending = state.ending ?? Ending()
        let began = ManualTime().now()
        return SimulationOutcome(
            seed: seed,
            violation: violation,
            lastLines: violation == nil ? [] : state.world?.trace.last(40) ?? [],
            traceHash: state.world?.trace.hash ?? 0,
            requests: ending.requests,
            rejected: ending.rejected,
            available: ending.available,
            error: ending.error,
            faults: state.world?.faults ?? [:],
            seconds: Double(((state.world?.time.now() ?? began) - began).microseconds) / 1e6,
            steps: steps
        )
    }
}
