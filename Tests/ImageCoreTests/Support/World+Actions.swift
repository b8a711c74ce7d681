@testable import ImageCore

extension World {
    /// One thing that may happen next.
    enum Action: Hashable {
        case deliver(Message)
        case report(Attempt, Outcome)
        /// Delivered, and delivered again later.
        case duplicate(Message)
        /// Reported, and reported again later: the worker did not hear that it was heard.
        case reportTwice(Attempt, Outcome)
        /// The broker gives up on a message that keeps killing workers.
        case poison(Message)
        /// The worker is gone without a word; the broker delivers its message again.
        case crash(Attempt)
        case lose(Message)
        case cancel
        case prove(LocationName)
        /// The sweeper asks whether something was lost, though nothing was.
        case sweepEarly
        /// Nothing moves any more: the sweeper finds what was lost.
        case sweep
    }

    fileprivate static func isCleanUp(_ action: Action) -> Bool {
        switch action {
        case .deliver(let message): message.job.step == .cleanUp
        case .report(let attempt, _): attempt.job.step == .cleanUp
        default: false
        }
    }

    enum Outcome: Hashable, CaseIterable {
        case success, permanent, transient, transientDiscarded, throttled, interrupted
        /// Of a machine that was started: it was seen to fail, or nothing was seen.
        case bootFailed, bootUnseen

        func canEnd(_ job: Job) -> Bool { self != .bootFailed && self != .bootUnseen || job.step == .bootProof }
    }

    /// What happens without anything going wrong. Whichever of it happens first, the rest still can.
    var plainActions: [Action] {
        let deliveries = messages.map(Action.deliver)
        let reports = running.map { Action.report($0, .success) }
        if deliveries.isEmpty, reports.isEmpty, image.wakeAt != nil { return [.sweep] }
        let actions = deliveries + reports
        // Deleting one thing has no bearing on anything else, so with no fault left to come its order is no matter.
        if budget == Budget(), silent.allSatisfy({ $0.job.step != .cleanUp }),
            let cleanUp = actions.first(where: Self.isCleanUp)
        {
            return [cleanUp]
        }
        return actions
    }

    /// What can go wrong next, as far as the budget allows.
    var faults: [Action] {
        var faults: [Action] = []
        for message in messages {
            if budget.duplicates > 0 { faults.append(.duplicate(message)) }
            if budget.losses > 0 { faults.append(.lose(message)) }
            if budget.failures > 0, !message.isDeadLetter { faults.append(.poison(message)) }
        }
        for attempt in running {
            if budget.duplicates > 0 { faults.append(.reportTwice(attempt, .success)) }
            if budget.crashes > 0 { faults.append(.crash(attempt)) }
            guard budget.failures > 0 else { continue }
            faults += Outcome.allCases.filter { $0 != .success && $0.canEnd(attempt.job) }.map { .report(attempt, $0) }
        }
        for attempt in silent {
            faults += [.report(attempt, .success), .report(attempt, .transientDiscarded)]
        }
        if budget.cancels > 0 { faults.append(.cancel) }
        if budget.proofs > 0, image.status == .available { faults += image.plan.locations.map { .prove($0) } }
        if budget.losses > 0, image.wakeAt != nil { faults.append(.sweepEarly) }
        return faults
    }

    mutating func perform(_ action: Action) {
        switch action {
        case .deliver(let message): deliver(message)
        case .report(let attempt, let outcome):
            if outcome != .success, running.contains(attempt) { budget.failures -= 1 }
            forget(attempt)
            apply(event(attempt, outcome))
        case .duplicate(let message):
            budget.duplicates -= 1
            deliver(message)
            put(message)
        case .reportTwice(let attempt, let outcome):
            budget.duplicates -= 1
            apply(event(attempt, outcome))
        case .poison(let message):
            budget.failures -= 1
            remove(message)
            put(Message(job: message.job, attempt: message.attempt, isDeadLetter: true))
        case .crash(let attempt):
            budget.crashes -= 1
            silence(attempt)
            put(Message(job: attempt.job, attempt: attempt.number))
        case .lose(let message):
            budget.losses -= 1
            remove(message)
        case .cancel:
            budget.cancels -= 1
            apply(.cancelled)
        case .prove(let location):
            budget.proofs -= 1
            apply(.proving(at: location))
        case .sweepEarly:
            budget.losses -= 1
            sweep()
        case .sweep: sweep()
        }
        absorb()
    }

    private mutating func deliver(_ message: Message) {
        remove(message)
        if message.isDeadLetter {
            apply(.deadLettered(message.job, attempt: message.attempt, Sample.failure(.transient)))
        } else {
            apply(.began(message.job, attempt: message.attempt))
        }
    }

    private mutating func sweep() {
        apply(.overdue(alive: Set(running.map(\.job))), at: Timestamp(microseconds: .max))
    }

    private func event(_ attempt: Attempt, _ outcome: Outcome) -> Event {
        let (job, fence) = (attempt.job, attempt.fence)
        return switch outcome {
        case .success: .succeeded(job, fence: fence, Sample.output(of: job, fence: fence, image: image))
        case .permanent: .failed(job, fence: fence, Sample.failure(.permanent), discarded: false)
        case .transient: .failed(job, fence: fence, Sample.failure(.transient), discarded: false)
        case .transientDiscarded: .failed(job, fence: fence, Sample.failure(.transient), discarded: true)
        case .throttled: .failed(job, fence: fence, Sample.failure(.throttled), discarded: false)
        case .interrupted: .interrupted(job, fence: fence, discarded: true)
        case .bootFailed: .succeeded(job, fence: fence, .observed(Sample.seen(.kernelPanic)))
        case .bootUnseen: .succeeded(job, fence: fence, .observed(Sample.seen(nil)))
        }
    }

    /// At its end, an image ignores every late word of a forward step, in any order. Trying all orders of words that
    /// change nothing would multiply the states, so they are delivered at once, and must change nothing.
    private mutating func absorb() {
        // Its proof goes on beside it, and is sent again by a late word of its replica.
        guard image.status.isEnd, image.openProof == nil else { return }
        // What is late for one proof must do nothing to the next either.
        guard image.status != .available || budget.proofs == 0 else { return }
        for message in messages where message.job.step != .cleanUp {
            remove(message)
            mustIgnore(
                message.isDeadLetter
                    ? .deadLettered(message.job, attempt: message.attempt, Sample.failure(.permanent))
                    : .began(message.job, attempt: message.attempt)
            )
        }
        for attempt in running.union(silent) where attempt.job.step != .cleanUp {
            forget(attempt)
            mustIgnore(event(attempt, .transient))
            mustIgnore(event(attempt, .success))
        }
    }

    private mutating func mustIgnore(_ event: Event) {
        let transition = apply(event)
        if transition.isMoved || !transition.effects.isEmpty { report("an image at its end takes up \(event)") }
    }
}
