import ImageCore
import Synchronization

/// What a worker knows of its own tools: the last trial, and whether the next is due.
final class ToolMonitor: Sendable {
    private struct State {
        /// `nil`: never tried.
        var cheap: [ToolFault]?
        var guestLook: ToolFault?
        /// Not among what makes a worker ready.
        var bootObstacle: String?
        var isExpected = false
        var endedAt: Duration?
        var beganAt: Duration?
        var isSuspect = false
    }
    private let state = Mutex(State())

    /// By the last trial. Work is not held back by what was never tried.
    var readiness: Readiness {
        state.withLock { Readiness(($0.cheap ?? []) + ($0.guestLook.map { [$0] } ?? [])) }
    }

    /// What failed; `nil` before the first trial has ended.
    var faults: [ToolFault]? { state.withLock { $0.cheap } == nil ? nil : readiness.faults }

    /// Tools are tried, so that a worker is not ready before the first trial has ended.
    func expectTrials() { state.withLock { $0.isExpected = true } }

    /// Work failed in a way that a tool may have caused: the next trial is due.
    func suspect() { state.withLock { $0.isSuspect = true } }

    func begins(at now: Duration) {
        state.withLock {
            $0.beganAt = now
            $0.isSuspect = false
        }
    }

    func ended(_ faults: [ToolFault]?, at now: Duration) {
        state.withLock {
            ($0.beganAt, $0.endedAt) = (nil, now)
            if let faults { $0.cheap = faults }
        }
    }

    func looked(_ fault: ToolFault?) { state.withLock { $0.guestLook = fault } }

    /// Why no machine can be started for a boot proof; `nil` when one can, or it was never tried.
    var bootObstacle: String? { state.withLock { $0.bootObstacle } }

    func triedBoot(_ obstacle: String?) { state.withLock { $0.bootObstacle = obstacle } }

    func isDue(at now: Duration) -> Bool {
        let readiness = readiness
        return state.withLock { state in
            guard let endedAt = state.endedAt else { return true }
            // Many jobs may fail at once: suspicion hastens a trial, and does not make one follow the other.
            let pause = state.isSuspect ? min(readiness.nextTrial, .seconds(10)) : readiness.nextTrial
            return now - endedAt >= pause
        }
    }

    /// Why a lane takes no work; `nil` when it does.
    func hindrance(of lane: Lane) -> ToolFault? {
        switch lane {
        case .intake: readiness.hindranceOfIntake
        case .job(let step, _): readiness.hindrance(of: step)
        case .deadLetters, .parked, .unrouted: nil
        }
    }

    /// For `/readyz`: one sentence each.
    func problems(at now: Duration) -> [String] {
        let state = state.withLock { $0 }
        guard state.isExpected else { return [] }
        var problems = readiness.faults.map(\.sentence)
        if let beganAt = state.beganAt, now - beganAt > Readiness.longestTrial {
            problems.append("the trial of the worker's tools has hung for \((now - beganAt).components.seconds) s")
        } else if state.cheap == nil {
            problems.append("the worker's tools have not been tried yet")
        }
        return problems
    }
}
