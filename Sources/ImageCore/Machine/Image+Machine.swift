/// The image's state machine: event in, effects out. No clock, no randomness, no I/O; it never traps on what it is told.
extension Image {
    /// A request's first transition: from nothing to Pending.
    public static func accepted(
        _ request: RequestIdentity,
        label: Label,
        as id: ImageID,
        plan: Plan,
        in circumstances: Circumstances
    ) -> (image: Image, effects: [Effect]) {
        var image = Image(id: id, request: request, label: label, plan: plan, at: circumstances.now)
        image.trace = circumstances.trace
        var turn = Turn(circumstances)
        if let source = plan.conversion?.source {
            image.references.borrowsFrom = source
            turn.effects.append(.tell(source, .converting(into: id)))
        }
        image.announce(.imagePending, in: &turn)
        image.open(plan.firstJob, in: &turn)
        return (image, turn.effects)
    }

    public mutating func apply(_ event: Event, in circumstances: Circumstances) -> Transition {
        var turn = Turn(circumstances)
        if let ignored = handle(event, in: &turn) {
            return .ignored(ignored, turn.effects)
        }
        updatedAt = circumstances.now
        return .moved(turn.effects)
    }

    /// The effects gathered while one event is handled.
    struct Turn {
        let now: Timestamp
        let policy: RetryPolicy
        let jitter: Double
        let actor: String?
        var effects: [Effect] = []

        init(_ circumstances: Circumstances) {
            now = circumstances.now
            policy = circumstances.policy
            jitter = circumstances.jitter
            actor = circumstances.actor
        }
    }

    private mutating func handle(_ event: Event, in turn: inout Turn) -> Ignored? {
        switch event {
        case .began(let job, let attempt): begin(job, attempt: attempt, in: &turn)
        case .succeeded(let job, let fence, let output): succeed(job, fence: fence, output, in: &turn)
        case .failed(let job, let fence, let failure, let discarded):
            fail(job, fence: fence, failure, discarded: discarded, in: &turn)
        case .interrupted(let job, let fence, let discarded):
            interrupt(job, fence: fence, discarded: discarded, in: &turn)
        case .postponed(let job, let reason): postpone(job, reason: reason, in: &turn)
        case .hindered(let job, let failure): hinder(job, failure, in: &turn)
        case .rechecked(let job, let delay): recheck(job, after: delay, in: &turn)
        case .replayed(let job): replay(job, in: &turn)
        case .deadLettered(let job, let attempt, let failure): handleDeadLetter(job, attempt: attempt, failure, in: &turn)
        case .cancelled: cancel(in: &turn)
        case .retried: tryAgain(in: &turn)
        case .deletionConfirmed(let snapshots): delete(snapshots: snapshots, in: &turn)
        case .shared(let owners): share(with: owners, in: &turn)
        case .unshared(let owners): unshare(from: owners, in: &turn)
        case .converting(let image): lend(to: image, in: &turn)
        case .conversionEnded(let image, let succeeded): endConversion(into: image, succeeded: succeeded)
        case .snapshotsReturned(let image, let deleted): takeBack(from: image, deleted: deleted, in: &turn)
        case .launching(let launch): self.launch(launch, in: &turn)
        case .overdue(let alive): renew(alive: alive, in: &turn)
        }
    }

    // MARK: A job's attempt

    private mutating func begin(_ job: Job, attempt: Int, in turn: inout Turn) -> Ignored? {
        if let ignored = reasonToIgnore(job, in: &turn) { return ignored }
        if isOutdated(job, attempt) { return .superseded }
        let isFree = jobs[job]?.fence == 0
        if !isFree {
            // The attempt before never reported: its worker died. Other jobs of that worker may be innocent, hence a
            // limit of its own; the broker's delivery limit does not see a job that is taken over from the retry queues.
            jobs[job]?.lost += 1
            if let lost = jobs[job]?.lost, lost >= turn.policy.lostAttempts {
                retireFence(of: job)
                giveUp(job, .killer(job, lost), in: &turn)
                return nil
            }
        }
        fence += 1
        jobs[job]?.fence = fence
        // What hands over goes on with the try that put it together.
        let goesOn = isFree && jobs[job]?.output == .built && jobs[job]?.startedAt != nil
        if !goesOn { jobs[job]?.startedAt = turn.now }
        jobs[job]?.expectedAt = turn.now + turn.policy.overdueAfter
        // From here on it may be half deleted.
        if case .cleanUp(let doomed) = job { disown(doomed) }
        if jobs[job]?.output == nil, let resource = plan.resource(for: job, of: id, fence: fence) {
            ledger.append(LedgerEntry(resource: resource, job: job, fence: fence))
        }
        // A throttled job starts every half minute; once is news.
        if !goesOn, jobs[job]?.lastFailure?.disposition != .throttled { announce(.stepStarted, job, in: &turn) }
        return nil
    }

    private mutating func succeed(_ job: Job, fence: Int64, _ output: JobOutput, in turn: inout Turn) -> Ignored? {
        if let ignored = reasonToIgnore(job, fence: fence, in: &turn) { return ignored }
        guard expects(output, of: job, fence: fence) else {
            let failure = StepFailure(.permanent, .internal, "the worker reported what this job does not make")
            return fail(job, fence: fence, failure, discarded: false, in: &turn)
        }
        if output == .built {
            goOn(job, fence: fence, in: &turn)
            return nil
        }
        jobs[job]?.phase = .done
        jobs[job]?.output = output
        jobs[job]?.lastFailure = nil
        jobs[job]?.waiting = nil
        switch output {
        case .checked(let found): findings = found
        case .captured(let capture):
            // What is on the source was found before; what the copy has instead is what counts for the image.
            if let mending = capture.mending {
                findings = findings.filter { $0.code == .deviceGap } + mending.findings
            }
            adopt(job, fence: fence, in: &turn)
        case .replicated: adopt(job, fence: fence, in: &turn)
        case .launched(let instance): handOver(instance, in: &turn)
        case .built, .cleaned: break
        }
        announce(.stepDone, job, in: &turn)
        advance(past: job, in: &turn)
        return nil
    }

    private mutating func fail(
        _ job: Job,
        fence: Int64,
        _ failure: StepFailure,
        discarded: Bool,
        in turn: inout Turn
    ) -> Ignored? {
        if let ignored = reasonToIgnore(job, fence: fence, in: &turn) { return ignored }
        if discarded { strike(job, fence: fence) }
        retireFence(of: job)
        jobs[job]?.lastFailure = failure
        jobs[job]?.startedAt = nil
        let used = (jobs[job]?.tries ?? 1) + 1 - firstAttempt(of: job)
        switch failure.disposition {
        case .throttled where !hasWaitedTooLong(job, turn):
            wait(job, reason: failure.message, after: .seconds30, in: &turn)
        case .throttled where used < turn.policy.attempts(for: job.step),
            .transient where used < turn.policy.attempts(for: job.step):
            jobs[job]?.waiting = nil
            let delay = turn.policy.delay(after: used, jitter: turn.jitter)
            jobs[job]?.attempt += 1
            enqueue(job, after: delay, in: &turn)
            announce(.stepRetrying, job, failure: failure.told(of: job, isFinal: false), in: &turn)
        case .throttled, .transient, .permanent:
            giveUp(job, failure, in: &turn)
        }
        return nil
    }

    private mutating func interrupt(_ job: Job, fence: Int64, discarded: Bool, in turn: inout Turn) -> Ignored? {
        if let ignored = reasonToIgnore(job, fence: fence, in: &turn) { return ignored }
        if discarded { strike(job, fence: fence) }
        retireFence(of: job)
        jobs[job]?.startedAt = nil
        enqueue(job, after: nil, in: &turn)
        announce(.stepInterrupted, job, in: &turn)
        return nil
    }

    private mutating func postpone(_ job: Job, reason: String, in turn: inout Turn) -> Ignored? {
        if let ignored = reasonToIgnore(job, in: &turn) { return ignored }
        if hasWaitedTooLong(job, turn) {
            giveUp(
                job,
                StepFailure(.permanent, .conflict, "waited too long: \(reason)", advice: "ask again when it is free"),
                in: &turn
            )
        } else {
            // Short waits first, since most holders are nearly done; then seldom, since one poll is four messages.
            let isFresh = jobs[job]?.waiting.map { turn.now - $0.since < .seconds(30) } ?? true
            let delays: (RetryDelay, RetryDelay) = isFresh ? (.second1, .seconds5) : (.seconds5, .seconds30)
            wait(job, reason: reason, after: turn.jitter < 0.5 ? delays.0 : delays.1, in: &turn)
        }
        return nil
    }

    private mutating func hinder(_ job: Job, _ failure: StepFailure, in turn: inout Turn) -> Ignored? {
        if let ignored = reasonToIgnore(job, in: &turn) { return ignored }
        if hasWaitedTooLong(job, turn) {
            giveUp(job, failure, in: &turn)
        } else {
            wait(job, reason: failure.message, after: .seconds30, in: &turn)
        }
        return nil
    }

    /// Everything comes to an end, also what uses no attempt.
    private func hasWaitedTooLong(_ job: Job, _ turn: Turn) -> Bool {
        guard let since = jobs[job]?.waiting?.since else { return false }
        return turn.now - since > turn.policy.waitDeadline
    }

    private mutating func replay(_ job: Job, in turn: inout Turn) -> Ignored? {
        guard job.step == .cleanUp, jobs[job]?.phase == .failed else { return .notWanted }
        jobs[job] = JobState(expectedAt: turn.now + turn.policy.overdueAfter, dueAt: turn.now)
        return nil
    }

    private mutating func recheck(_ job: Job, after delay: RetryDelay, in turn: inout Turn) -> Ignored? {
        if let ignored = reasonToIgnore(job, in: &turn) { return ignored }
        enqueue(job, after: delay, in: &turn)
        return nil
    }

    /// Whether a message is a copy of an earlier attempt's. The later attempt has a message of its own.
    private func isOutdated(_ job: Job, _ attempt: Int) -> Bool { attempt < jobs[job]?.attempt ?? 1 }

    // MARK: The whole image

    private mutating func handleDeadLetter(
        _ job: Job,
        attempt: Int,
        _ failure: StepFailure,
        in turn: inout Turn
    ) -> Ignored? {
        guard let state = jobs[job] else { return .notWanted }
        if isOutdated(job, attempt) { return .superseded }
        switch state.phase {
        case .done:
            emitAgain(after: job, in: &turn)
            return .alreadyDone
        case .abandoned: return .notWanted
        case .waiting, .failed:
            if job.step == .cleanUp {
                if state.phase == .failed { return .alreadyDone }
                giveUp(job, failure, in: &turn)
                return nil
            }
            guard hasPendingDeadLetter(job) else { return .notWanted }
            jobs[job]?.phase = .failed
            jobs[job]?.lastFailure = failure
            if case .launch(let instance) = job {
                // Given up by the broker: nobody has told of it yet.
                if state.phase == .waiting { announce(.stepFailed, job, failure: failure, in: &turn) }
                abandonLaunch(of: instance, in: &turn)
            } else {
                let used = state.attempt + 1 - firstAttempt(of: job)
                failWhole(ImageFailure(job: job, attempts: used, cause: failure, at: turn.now), in: &turn)
            }
            return nil
        }
    }

    private mutating func cancel(in turn: inout Turn) -> Ignored? {
        guard !status.isEnd else { return .atItsEnd(status) }
        let cause = StepFailure(.permanent, .cancelled, "cancelled by its owner")
        failWhole(ImageFailure(job: nil, attempts: 0, cause: cause, at: turn.now), in: &turn)
        return nil
    }

    private mutating func renew(alive: Set<Job>, in turn: inout Turn) -> Ignored? {
        for (job, state) in jobs.sorted(by: { $0.key < $1.key })
        where StoredTime.isOverdue(state.expectedAt, at: turn.now) {
            if alive.contains(job) {
                jobs[job]?.expectedAt = turn.now + turn.policy.overdueAfter
            } else {
                emit(job, state, in: &turn)
            }
        }
        return nil
    }

    private mutating func failWhole(_ reason: ImageFailure, in turn: inout Turn) {
        // From Replicating on they are already released, and may be another image's by now.
        if status == .pending { turn.effects.append(.releaseLocks) }
        status = .error
        failure = reason
        for job in jobs.keys where job.step.isForward && jobs[job]?.phase == .waiting {
            jobs[job]?.phase = .abandoned
        }
        if let source = references.borrowsFrom {
            references.borrowsFrom = nil
            turn.effects.append(.tell(source, .conversionEnded(id, succeeded: false)))
        }
        announce(.imageError, reason.job, failure: reason.cause, in: &turn)
        for entry in ledger { open(.cleanUp(entry.resource.id), in: &turn) }
        finishCleanUp(in: &turn)
    }
}
