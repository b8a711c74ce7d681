/// How the machine moves from job to job, by the table `CreationStage`. Fan-in asks which jobs are done, never how many
/// messages came.
extension Image {
    /// Called once a job is done.
    mutating func advance(past job: Job, in builder: inout TransitionBuilder) {
        switch job {
        case .stopCheck, .systemDisk, .dataDisk, .convert, .replicate, .bootProof:
            openReplications(in: &builder)
            openBootProof(in: &builder)
            guard let stage = job.step.stage, isDone(plan.jobs(in: stage)), allowsEnd(of: stage) else { return }
            enter(stage.next, in: &builder)
        case .launch: break
        case .cleanUp(let resource):
            if ledger.contains(where: { $0.resource.id == resource }) { cleaned.append(resource) }
            ledger.removeAll { $0.resource.id == resource }
            finishCleanUp(in: &builder)
            finishDeletion(in: &builder)
        }
    }

    /// Begins a stage of the creation.
    /// - Parameter stage: `nil` once the last one is done.
    mutating func enter(_ stage: CreationStage?, reason: String? = nil, in builder: inout TransitionBuilder) {
        switch stage {
        case .check, .capture: break
        case .replicate:
            status = .replicating
            // Its owner may start the instance again from here on.
            builder.effects.append(.releaseLocks)
            announce(.imageReplicating, reason: reason, in: &builder)
        case nil:
            status = .available
            if let source = references.borrowsFrom {
                builder.effects.append(.tell(source, .conversionEnded(id, succeeded: true)))
            }
            announce(.imageAvailable, in: &builder)
        }
        guard let stage else { return }
        if stage == .replicate {
            openReplications(in: &builder)
        } else {
            for next in plan.jobs(in: stage) { open(next, in: &builder) }
        }
        // A retry keeps whole replicas.
        openBootProof(in: &builder)
    }

    /// The follow-ups of a done job that are still open.
    mutating func emitAgain(after job: Job, in builder: inout TransitionBuilder) {
        let next = job.step == .replicate ? job.location.map { replications(after: $0) } : nil
        for follower in next ?? plan.jobs(after: job) {
            guard let state = jobs[follower] else { continue }
            emit(follower, state, in: &builder)
        }
        guard job.step == .replicate, let (proof, state) = openProof else { return }
        emit(proof, state, in: &builder)
    }

    /// Sends the message an open job is waiting for once more: the same message, under the same id.
    mutating func emit(_ job: Job, _ state: JobState, in builder: inout TransitionBuilder) {
        switch state.phase {
        case .waiting:
            jobs[job]?.expectedAt = builder.now + builder.policy.overdueAfter
            builder.effects.append(.enqueue(job, attempt: state.attempt, after: nil))
        case .failed where hasPendingDeadLetter(job):
            jobs[job]?.expectedAt = builder.now + builder.policy.overdueAfter
            if let failure = state.lastFailure {
                builder.effects.append(.deadLetter(job, attempt: state.attempt, failure))
            }
        case .failed, .done, .abandoned: break
        }
    }

    /// Says why a job must not be worked on, and emits again what the worker that finished it may not have sent.
    mutating func reasonToIgnore(_ job: Job, fence: Int64? = nil, in builder: inout TransitionBuilder) -> Ignored? {
        guard let state = jobs[job] else { return .notWanted }
        switch state.phase {
        case .done:
            emitAgain(after: job, in: &builder)
            return .alreadyDone
        case .failed:
            emit(job, state, in: &builder)
            return .notWanted
        case .abandoned: return .notWanted
        case .waiting:
            guard let fence else { return nil }
            // Fence 0 means no attempt holds the job.
            return fence == state.fence && fence != 0 ? nil : .superseded
        }
    }

    /// Whether an output is what this attempt of this job was to make.
    func expects(_ output: JobOutput, of job: Job, fence: Int64) -> Bool {
        let resource = resource(for: job, fence: fence)
        return switch (job, output) {
        case (.stopCheck, .checked), (.cleanUp, .cleaned): true
        case (.systemDisk, .captured(let capture)), (.dataDisk, .captured(let capture)),
            (.convert, .captured(let capture)):
            capture.device == job.device && capture.resource == resource && (job != .systemDisk || isDone(capture))
        case (.replicate, .replicated(let replica)):
            replica.location == job.location && replica.resource == resource
        case (.bootProof, .observed(let seen)): (seen.end == .sign) == (seen.sign != nil)
        case (.launch, .built): jobs[job]?.output == nil
        case (.launch(let instance), .launched(let launched)): instance == launched && jobs[job]?.output == .built
        case (_, .checked), (_, .captured), (_, .replicated), (_, .observed), (_, .built), (_, .launched),
            (_, .cleaned):
            false
        }
    }

    /// Whether the guest was looked into and worked on as planned: a driver that forgets it makes no image.
    private func isDone(_ capture: Capture) -> Bool {
        (capture.inspection != nil) == plan.guestWork(on: .system).looks
            && capture.seal?.removed.map(\.item) == plan.seal && (capture.secrets != nil) == (plan.secretScan != nil)
    }

    /// Makes a job's output part of the image; what earlier attempts of that job left is deleted.
    mutating func adopt(_ job: Job, fence: Int64, in builder: inout TransitionBuilder) {
        for index in ledger.indices where ledger[index].job == job {
            if ledger[index].fence == fence {
                ledger[index].isAdopted = true
            } else {
                open(.cleanUp(ledger[index].resource.id), in: &builder)
            }
        }
    }

    /// Takes what an attempt has already deleted out of the ledger.
    mutating func strike(_ job: Job, fence: Int64) {
        ledger.removeAll { $0.job == job && $0.fence == fence && !$0.isAdopted }
    }

    /// No attempt holds the job any more, so that a second report of the same attempt counts for nothing.
    mutating func retireFence(of job: Job) { jobs[job]?.fence = 0 }

    mutating func giveUp(_ job: Job, _ failure: StepFailure, in builder: inout TransitionBuilder) {
        // What cannot be tried proves nothing against the image.
        if case .bootProof(let location) = job {
            return conclude(job, BootRecord(unproven: failure, at: location, builder.now), in: &builder)
        }
        failForGood(job, failure, in: &builder)
    }

    mutating func failForGood(_ job: Job, _ failure: StepFailure, in builder: inout TransitionBuilder) {
        let failure = failure.told(of: job, isFinal: true)
        jobs[job]?.phase = .failed
        jobs[job]?.lastFailure = failure
        jobs[job]?.dueAt = builder.now
        jobs[job]?.expectedAt = builder.now + builder.policy.overdueAfter
        let attempt = jobs[job]?.attempt ?? 1
        announce(.stepFailed, job, failure: failure, in: &builder)
        builder.effects.append(
            job.step == .cleanUp ? .park(job, attempt: attempt, failure) : .deadLetter(job, attempt: attempt, failure)
        )
    }

    mutating func finishCleanUp(in builder: inout TransitionBuilder) {
        guard status == .error, ledger.isEmpty, quota != .none else { return }
        builder.effects.append(.releaseQuota(quota))
        quota = .none
        announce(.imageCleaned, in: &builder)
    }

    // MARK: Small parts

    /// - Parameter earlier: the last attempt of the job's proof before, which is no try of this one: it counts on from
    ///   there, so that a late message of that proof is recognised by its attempt.
    mutating func open(_ job: Job, after earlier: Int = 0, in builder: inout TransitionBuilder) {
        guard jobs[job] == nil else { return }
        let first = firstAttempt(of: job)
        let attempt = max(first, earlier + 1)
        jobs[job] = JobState(
            attempt: attempt,
            uncounted: job.step == .launch ? attempt - 1 : attempt - first,
            expectedAt: builder.now + builder.policy.overdueAfter,
            dueAt: builder.now
        )
        if job == .stopCheck { builder.effects.append(.joinLine) }
        builder.effects.append(.enqueue(job, attempt: attempt, after: nil))
    }

    /// Whether the job failed and its dead letter has not been handled yet.
    public func hasPendingDeadLetter(_ job: Job) -> Bool {
        switch job {
        case .stopCheck, .systemDisk, .dataDisk, .convert, .replicate, .bootProof: !status.isEnd
        case .launch(let instance): references.launches.contains { $0.instanceID == instance }
        case .cleanUp: false
        }
    }

    mutating func enqueue(_ job: Job, after delay: RetryDelay?, in builder: inout TransitionBuilder) {
        let dueAt = builder.now + (delay?.duration ?? .zero)
        jobs[job]?.dueAt = dueAt
        jobs[job]?.expectedAt = dueAt + builder.policy.overdueAfter
        builder.effects.append(.enqueue(job, attempt: jobs[job]?.attempt ?? 1, after: delay))
    }

    mutating func wait(_ job: Job, reason: String, after delay: RetryDelay, in builder: inout TransitionBuilder) {
        let before = jobs[job]?.waiting
        jobs[job]?.waiting = .init(reason: reason, since: before?.since ?? builder.now)
        enqueue(job, after: delay, in: &builder)
        if before?.reason != reason { announce(.stepWaiting, job, reason: reason, in: &builder) }
        openReplications(in: &builder)
    }

    func isDone(_ all: [Job]) -> Bool { all.allSatisfy { jobs[$0]?.phase == .done } }

    mutating func announce(
        _ kind: Announcement.Kind,
        _ job: Job? = nil,
        failure: StepFailure? = nil,
        reason: String? = nil,
        in builder: inout TransitionBuilder
    ) {
        sequence += 1
        var line = Announcement(
            kind: kind,
            sequence: sequence,
            at: builder.now,
            status: status,
            job: job,
            attempt: job.flatMap { jobs[$0]?.tries },
            failure: failure,
            reason: reason,
            actor: builder.actor,
            launch: job.flatMap { launch(of: $0) }
        )
        if kind == .stepDone, let job { line.note(jobs[job], at: builder.now) }
        builder.effects.append(.announce(line))
    }

    /// When the sweeper should next ask whether a message of this image was lost; `nil` when nothing is open.
    public var wakeAt: Timestamp? {
        jobs.filter { job, state in
            state.phase == .waiting || (state.phase == .failed && hasPendingDeadLetter(job))
        }.map(\.value.expectedAt).min()
    }
}

extension Announcement {
    /// What a done job has made, and how long it took.
    fileprivate mutating func note(_ state: JobState?, at now: Timestamp) {
        if let started = state?.startedAt { milliseconds = (now - started).microseconds / 1_000 }
        switch state?.output {
        case .captured(let capture): bytes = capture.fileSizeBytes
        case .replicated(let replica): bytes = replica.files.reduce(0) { $0 + $1.sizeBytes }
        case .checked, .observed, .built, .launched, .cleaned, nil: break
        }
    }
}
