/// The outcome of an attempt, in a word for metrics, traces and logs.
public enum AttemptOutcome: String, CaseIterable, Sendable {
    case done
    /// It failed and will be tried again.
    case retried
    /// It failed for good.
    case failed
    /// The worker stops, or its lease was lost: another goes on with it, and no attempt is used.
    case interrupted
    /// It came too late, and what it made was deleted.
    case superseded
}

extension Image {
    /// The outcome of an attempt whose report changed nothing: it came too late, or it is the second copy of a report
    /// that counted.
    func outcome(ofLate event: Event) -> AttemptOutcome? {
        switch event {
        case .succeeded(let job, let fence, let output):
            // The parts of a launch count one after the other.
            let isDone = jobs[job]?.phase == .done && jobs[job]?.fence == fence
            let isBuilt = output == .built && ledger.contains { $0.job == job && $0.fence == fence && $0.isAdopted }
            return isDone || isBuilt ? .done : .superseded
        case .failed(let job, let fence, _, _):
            // A report that counted has left the job without a fence.
            guard let state = jobs[job], state.fence == 0 || state.fence == fence else { return .superseded }
            switch state.phase {
            case .waiting: return .retried
            case .failed: return .failed
            case .done, .abandoned: return .superseded
            }
        case .interrupted: return .interrupted
        case .began, .unlocked, .hindered, .rechecked, .replayed, .deadLettered, .cancelled, .retried,
            .deletionConfirmed, .shared, .unshared, .converting, .conversionEnded, .snapshotsReturned, .launching,
            .proving, .overdue:
            return nil
        }
    }
}
