/// The image's state machine: event in, effects out. No clock, no randomness, no I/O; it never traps on its input.
extension Image {
    /// A request's first transition: from nothing to Pending.
    public static func accepted(
        _ request: RequestIdentity,
        label: Label,
        as id: ImageID,
        plan: Plan,
        in context: TransitionContext
    ) -> (image: Image, effects: [Effect]) {
        var image = Image(id: id, request: request, label: label, plan: plan, at: context.now)
        image.trace = context.trace
        var builder = TransitionBuilder(context)
        if let source = plan.conversion?.source {
            image.references.borrowsFrom = source
            builder.effects.append(.tell(source, .converting(into: id)))
        }
        image.announce(.imagePending, in: &builder)
        for job in plan.firstJobs { image.open(job, in: &builder) }
        return (image, builder.effects)
    }

    public mutating func apply(_ event: Event, in context: TransitionContext) -> Transition {
        var builder = TransitionBuilder(context)
        if let ignored = handle(event, in: &builder) {
            return .ignored(ignored, builder.effects, outcome(ofLate: event))
        }
        updatedAt = context.now
        return .moved(builder.effects, builder.outcome)
    }

    private mutating func handle(_ event: Event, in builder: inout TransitionBuilder) -> Ignored? {
        switch event {
        case .began(let job, let attempt, let lockLine, let lane):
            begin(job, attempt: attempt, lockLine, from: lane, in: &builder)
        case .succeeded(let job, let fence, let output): succeed(job, fence: fence, output, in: &builder)
        case .failed(let job, let fence, let failure, let discarded):
            fail(job, fence: fence, failure, discarded: discarded, in: &builder)
        case .interrupted(let job, let fence, let discarded):
            interrupt(job, fence: fence, discarded: discarded, in: &builder)
        case .unlocked: unlock(in: &builder)
        case .hindered(let job, let failure): hinder(job, failure, in: &builder)
        case .rechecked(let job, let delay): recheck(job, after: delay, in: &builder)
        case .replayed(let job): replay(job, in: &builder)
        case .deadLettered(let job, let attempt, let failure):
            handleDeadLetter(job, attempt: attempt, failure, in: &builder)
        case .cancelled: cancel(in: &builder)
        case .retried: tryAgain(in: &builder)
        case .deletionConfirmed(let snapshots): delete(snapshots: snapshots, in: &builder)
        case .shared(let owners): share(with: owners, in: &builder)
        case .unshared(let owners): unshare(from: owners, in: &builder)
        case .converting(let image): lend(to: image, in: &builder)
        case .conversionEnded(let image, let succeeded): endConversion(into: image, succeeded: succeeded)
        case .snapshotsReturned(let image, let deleted): returnSnapshots(from: image, deleted: deleted, in: &builder)
        case .launching(let launch): self.launch(launch, in: &builder)
        case .proving(let location): prove(at: location, in: &builder)
        case .overdue(let alive, let queued): renew(alive: alive, queued: queued, in: &builder)
        }
    }

    // MARK: A job's attempt

    private mutating func begin(
        _ job: Job,
        attempt: Int,
        _ lockLine: LockLine?,
        from lane: Lane?,
        in builder: inout TransitionBuilder
    ) -> Ignored? {
        if let ignored = reasonToIgnore(job, in: &builder) { return ignored }
        if let lane, lane != self.lane(of: job) {
            if let state = jobs[job] { emit(job, state, in: &builder) }
            return .elsewhere
        }
        if let lockLine, let obstacle = lockLine.obstacle(for: id) {
            waitForLocks(job, behind: obstacle, in: lockLine, &builder)
            return nil
        }
        if isOutdated(job, attempt) { return .superseded }
        let isFree = jobs[job]?.fence == 0
        if !isFree {
            // The attempt before never reported: its worker died. Other jobs of that worker may be innocent, hence a
            // limit of its own; the broker's delivery limit does not see a job that is taken over from the retry
            // queues.
            jobs[job]?.lost += 1
            if let lost = jobs[job]?.lost, lost >= builder.policy.lostAttempts {
                retireFence(of: job)
                giveUp(job, .killer(job, lost), in: &builder)
                return nil
            }
        }
        if let lockLine, lockLine.holder == nil { builder.effects.append(.takeLocks) }
        fence += 1
        jobs[job]?.fence = fence
        // Publishing goes on with the try that put it together.
        let goesOn = isFree && jobs[job]?.output == .built && jobs[job]?.startedAt != nil
        if !goesOn { jobs[job]?.startedAt = builder.now }
        jobs[job]?.expectedAt = builder.now + builder.policy.overdueAfter
        // From here on it may be half deleted.
        if case .cleanUp(let doomed) = job { disown(doomed) }
        if jobs[job]?.output == nil, let resource = resource(for: job, fence: fence) {
            ledger.append(LedgerEntry(resource: resource, job: job, fence: fence))
        }
        // A throttled job restarts every 30 s; only the first start is announced.
        if !goesOn, jobs[job]?.lastFailure?.disposition != .throttled { announce(.stepStarted, job, in: &builder) }
        return nil
    }

    private mutating func succeed(_ job: Job, fence: Int64, _ output: JobOutput, in builder: inout TransitionBuilder)
        -> Ignored?
    {
        if let ignored = reasonToIgnore(job, fence: fence, in: &builder) { return ignored }
        guard expects(output, of: job, fence: fence) else {
            let failure = StepFailure(.permanent, .internal, "the worker reported what this job does not make")
            return fail(job, fence: fence, failure, discarded: false, in: &builder)
        }
        if case .captured(let capture) = output, let refusal = plan.refusal(of: capture) {
            // They are why, and the journal has no room for all of them.
            if refusal.code == .secretsFound { findings = plan.findings(findings, with: capture) }
            return fail(job, fence: fence, refusal, discarded: false, in: &builder)
        }
        builder.outcome = .done
        if output == .built {
            goOn(job, fence: fence, in: &builder)
            return nil
        }
        if case .observed(let seen) = output {
            judge(job, seen, in: &builder)
            return nil
        }
        jobs[job]?.phase = .done
        jobs[job]?.output = output.stored
        jobs[job]?.lastFailure = nil
        jobs[job]?.waiting = nil
        switch output {
        case .checked(let found): findings = found
        case .captured(let capture):
            findings = plan.findings(findings, with: capture)
            adopt(job, fence: fence, in: &builder)
        case .replicated: adopt(job, fence: fence, in: &builder)
        case .launched(let instance): publish(instance, in: &builder)
        case .observed, .built, .cleaned: break
        }
        announce(.stepDone, job, in: &builder)
        advance(past: job, in: &builder)
        return nil
    }

    private mutating func fail(
        _ job: Job,
        fence: Int64,
        _ failure: StepFailure,
        discarded: Bool,
        in builder: inout TransitionBuilder
    ) -> Ignored? {
        if let ignored = reasonToIgnore(job, fence: fence, in: &builder) { return ignored }
        if discarded { strike(job, fence: fence) }
        retireFence(of: job)
        jobs[job]?.lastFailure = failure
        jobs[job]?.startedAt = nil
        builder.outcome = .retried
        let used = attemptsUsed(by: job)
        switch failure.disposition {
        case .throttled where !hasWaitedTooLong(job, builder):
            wait(job, reason: failure.message, after: .seconds30, in: &builder)
        case .throttled where used < builder.policy.attempts(for: job.step),
            .transient where used < builder.policy.attempts(for: job.step):
            jobs[job]?.waiting = nil
            let delay = builder.policy.delay(after: used, jitter: builder.jitter)
            jobs[job]?.attempt += 1
            enqueue(job, after: delay, in: &builder)
            announce(.stepRetrying, job, failure: failure.told(of: job, isFinal: false), in: &builder)
            openReplications(in: &builder)
        case .throttled, .transient, .permanent:
            builder.outcome = .failed
            giveUp(job, failure, in: &builder)
        }
        return nil
    }

    private mutating func interrupt(_ job: Job, fence: Int64, discarded: Bool, in builder: inout TransitionBuilder)
        -> Ignored?
    {
        if let ignored = reasonToIgnore(job, fence: fence, in: &builder) { return ignored }
        if discarded { strike(job, fence: fence) }
        retireFence(of: job)
        jobs[job]?.startedAt = nil
        builder.outcome = .interrupted
        enqueue(job, after: nil, in: &builder)
        announce(.stepInterrupted, job, in: &builder)
        return nil
    }

    private mutating func hinder(_ job: Job, _ failure: StepFailure, in builder: inout TransitionBuilder) -> Ignored? {
        if let ignored = reasonToIgnore(job, in: &builder) { return ignored }
        if hasWaitedTooLong(job, builder) {
            giveUp(job, failure, in: &builder)
        } else {
            wait(job, reason: failure.message, after: .seconds30, in: &builder)
        }
        return nil
    }

    /// Everything ends at some time, also what uses no attempt.
    func hasWaitedTooLong(_ job: Job, _ builder: TransitionBuilder) -> Bool {
        guard let since = jobs[job]?.waiting?.since else { return false }
        return builder.now - since > builder.policy.waitDeadline
    }

    private mutating func replay(_ job: Job, in builder: inout TransitionBuilder) -> Ignored? {
        guard job.step == .cleanUp, jobs[job]?.phase == .failed else { return .notWanted }
        jobs[job] = JobState(expectedAt: builder.now + builder.policy.overdueAfter, dueAt: builder.now)
        return nil
    }

    private mutating func recheck(_ job: Job, after delay: RetryDelay, in builder: inout TransitionBuilder) -> Ignored?
    {
        if let ignored = reasonToIgnore(job, in: &builder) { return ignored }
        enqueue(job, after: delay, in: &builder)
        return nil
    }

    /// Whether a message is a copy of an earlier attempt's. The later attempt has a message of its own.
    private func isOutdated(_ job: Job, _ attempt: Int) -> Bool { attempt < jobs[job]?.attempt ?? 1 }

    // MARK: The whole image

    private mutating func handleDeadLetter(
        _ job: Job,
        attempt: Int,
        _ failure: StepFailure,
        in builder: inout TransitionBuilder
    ) -> Ignored? {
        guard let state = jobs[job] else { return .notWanted }
        if isOutdated(job, attempt) { return .superseded }
        switch state.phase {
        case .done:
            emitAgain(after: job, in: &builder)
            return .alreadyDone
        case .abandoned: return .notWanted
        case .waiting, .failed:
            if job.step == .cleanUp {
                if state.phase == .failed { return .alreadyDone }
                giveUp(job, failure, in: &builder)
                return nil
            }
            // The broker's: with our own the job has failed already.
            if case .bootProof(let location) = job, state.phase == .waiting {
                conclude(job, BootRecord(unproven: failure, at: location, builder.now), in: &builder)
                return nil
            }
            guard hasPendingDeadLetter(job) else { return .notWanted }
            jobs[job]?.phase = .failed
            jobs[job]?.lastFailure = failure
            if case .launch(let instance) = job {
                // Given up by the broker: not announced yet.
                if state.phase == .waiting { announce(.stepFailed, job, failure: failure, in: &builder) }
                abandonLaunch(of: instance, in: &builder)
            } else {
                let used = attemptsUsed(by: job)
                failWhole(ImageFailure(job: job, attempts: used, cause: failure, at: builder.now), in: &builder)
            }
            return nil
        }
    }

    private mutating func cancel(in builder: inout TransitionBuilder) -> Ignored? {
        guard !status.isEnd else { return .atItsEnd(status) }
        let cause = StepFailure(.permanent, .cancelled, "cancelled by its owner")
        failWhole(ImageFailure(job: nil, attempts: 0, cause: cause, at: builder.now), in: &builder)
        return nil
    }

    private mutating func renew(alive: Set<Job>, queued: Set<Job>, in builder: inout TransitionBuilder) -> Ignored? {
        for (job, state) in jobs.sorted(by: { $0.key < $1.key })
        where StoredTime.isOverdue(state.expectedAt, at: builder.now) {
            if alive.contains(job) || queued.contains(job) {
                jobs[job]?.expectedAt = builder.now + builder.policy.overdueAfter
            } else {
                emit(job, state, in: &builder)
            }
            // Its host may be gone: the others need not wait for it.
            if !alive.contains(job), job.step == .replicate { openReplications(passing: job.location, in: &builder) }
        }
        return nil
    }

    private mutating func failWhole(_ reason: ImageFailure, in builder: inout TransitionBuilder) {
        // From Replicating on they are already released, and may be another image's by now.
        if status == .pending { builder.effects.append(.releaseLocks) }
        status = .error
        failure = reason
        for job in jobs.keys where job.step.isForward && jobs[job]?.phase == .waiting {
            jobs[job]?.phase = .abandoned
        }
        if let source = references.borrowsFrom {
            references.borrowsFrom = nil
            builder.effects.append(.tell(source, .conversionEnded(id, succeeded: false)))
        }
        announce(.imageError, reason.job, failure: reason.cause, in: &builder)
        for entry in ledger { open(.cleanUp(entry.resource.id), in: &builder) }
        finishCleanUp(in: &builder)
        if let deadLetter = DeadLetter(ofFailed: self) { builder.effects.append(.recordDeadLetter(deadLetter)) }
    }
}
