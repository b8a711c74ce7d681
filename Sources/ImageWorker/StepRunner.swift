import ImageCore
import Logging
import Tracing

/// Carries out one job: ask the store for it, work under a lease, write down what came of it, send, ack.
struct StepRunner {
    let context: WorkerContext
    /// Where deliveries come from; `nil`: from each job's own lane.
    var lane: Lane?

    func handle(_ delivery: any IncomingDelivery) async {
        guard let message = JobMessage(parsing: delivery.message.body) else {
            return await context.park(delivery, reason: "not a job message")
        }
        do {
            // A parked message carries the failure it was parked for, so replaying it asks for another try.
            if message.failure != nil {
                _ = try await context.persist { () async throws(StoreError) in
                    try await context.store.apply(
                        .replayed(message.job),
                        to: message.imageId,
                        in: context.transitionContext()
                    )
                }
            }
            if let fault = context.telemetry.tools.readiness.hindrance(of: message.job.step) {
                return try await hinder(message, fault, delivery)
            }
            let claim = JobClaim(
                message,
                from: lane,
                by: context.options.id,
                nonce: .random(in: .min ... .max),
                lease: context.options.lease
            )
            let begun = try await context.persist { () async throws(StoreError) in
                try await context.store.begin(claim, in: context.transitionContext())
            }
            switch begun {
            case .granted(let jobLease, let outgoing):
                try await work(jobLease, message, announcing: outgoing, delivery)
            case .busy(let lease):
                try await recheck(message, lease: lease, delivery)
            case .settled(let outgoing):
                await context.send(outgoing)
                delivery.ack()
            case .unknownImage:
                await context.park(delivery, reason: "there is no image \(message.imageId) in this store")
            }
        } catch {
            log(message, .error, "job requeued: the store is out of reach", ["error": "\(error)"])
            delivery.requeue()
        }
    }

    /// Leaves a job that this worker cannot do to others.
    private func hinder(
        _ message: JobMessage,
        _ fault: ToolFault,
        _ delivery: any IncomingDelivery
    ) async throws(StoreError) {
        let leases = try await context.persist { () async throws(StoreError) in
            try await context.store.leases(of: message.imageId)
        }
        let now = context.time.now()
        if let lease = leases.first(where: { $0.job == message.job && $0.isAlive(at: now) }) {
            return try await recheck(message, lease: lease, delivery)
        }
        let applied = try await context.persist { () async throws(StoreError) in
            try await context.store.apply(
                .hindered(message.job, StepFailure(fault)),
                to: message.imageId,
                in: context.transitionContext()
            )
        }
        guard let applied else {
            return await context.park(delivery, reason: "there is no image \(message.imageId) in this store")
        }
        await context.send(applied.outgoing)
        delivery.ack()
    }

    /// Keeps a job's place in the queue without holding its delivery: the message goes through the retry queues until
    /// the work is done or its lease has lapsed.
    private func recheck(
        _ message: JobMessage,
        lease: Lease?,
        _ delivery: any IncomingDelivery
    ) async throws(StoreError) {
        let delay = lease.map { self.delay(for: message, $0, delivery) } ?? .seconds30
        try await context.deferJob(message, after: delay, delivery)
    }

    /// When to look again at a job that another worker holds.
    private func delay(for message: JobMessage, _ lease: Lease, _ delivery: any IncomingDelivery) -> RetryDelay {
        // A worker that still writes what should be deleted stops at its next renewal, or its lease lapses.
        if message.job.step == .cleanUp { return .second1 }
        // A redelivery, or a lease that missed renewals, means that its worker may be dead: look again soon.
        let untouched = context.options.lease - (lease.expiresAt - context.time.now())
        let isSuspect = delivery.message.isRedelivered || untouched > context.options.renewEvery * 4
        return isSuspect ? .seconds5 : .seconds30
    }

    private enum Signal: Sendable {
        case finished(Result<JobOutput, StepFailure>)
        case leaseLost
        case quiet
    }

    private func work(
        _ jobLease: JobLease,
        _ message: JobMessage,
        announcing outgoing: [OutgoingMessage],
        _ delivery: any IncomingDelivery
    ) async throws(StoreError) {
        var begun: Logger.Metadata = ["fence": "\(jobLease.fence)"]
        if let trace = jobLease.image.trace { begun["trace.id"] = "\(trace.traceID)" }
        log(message, .info, "job begun", begun)
        let began = context.time.uptime()
        let span = beginSpan(jobLease, message)
        defer { span.end() }
        let telemetry = context.telemetry
        telemetry.begins(jobLease.job)
        let progress = LatestProgress { telemetry.copied($0, for: jobLease.job) }
        telemetry.running.begins(jobLease, progress)
        defer { telemetry.running.ends(jobLease) }
        // Both unstructured on purpose: a publish cannot be cancelled, and what has been made must not wait for one
        // before it is written down, while its lease is no longer renewed. The outbox has what must not be lost.
        let announcing = Task { await context.send(outgoing) }
        let holding = Task { await stopHolding(delivery, message) }
        defer { holding.cancel() }
        let (result, isLost) = await withTaskGroup(of: Signal.self) { group in
            group.addTask {
                await context.inside(span) {
                    let (job, plan) = (jobLease.job, jobLease.image.plan)
                    if let fault = context.telemetry.tools.readiness.hindrance(of: job, in: plan) {
                        return .finished(.failure(StepFailure(fault)))
                    }
                    let steps = Steps(driver: context.driver)
                    do throws(StepFailure) {
                        let output = try await steps.perform(jobLease) { progress.set($0) }
                        return .finished(.success(output))
                    } catch {
                        return .finished(.failure(error))
                    }
                }
            }
            group.addTask { await keepLease(jobLease, progress) }
            var isLost = false
            for await signal in group {
                switch signal {
                case .finished(let result):
                    group.cancelAll()
                    return (result, isLost)
                case .leaseLost:
                    isLost = true
                    group.cancelAll()
                case .quiet: break
                }
            }
            return (.failure(StepFailure(.transient, .internal, "the work ended without a result")), isLost)
        }
        let duration = context.time.uptime() - began
        telemetry.rests(jobLease.job, after: duration)
        let (followUps, outcome) = try await conclude(jobLease, result, isLost: isLost)
        telemetry.ended(jobLease.job, outcome)
        span.attributes["goldsmith.outcome"] = outcome.rawValue
        let seconds = duration / .seconds(1)
        var facts: Logger.Metadata = ["seconds": "\(seconds)", "outcome": "\(outcome.rawValue)"]
        facts["trace.id"] = begun["trace.id"]
        if case .failure(let failure) = result {
            facts["error"] = "\(failure.message)"
            facts["code"] = "\(failure.code.rawValue)"
            span.fail(failure.code, failure.message)
            log(message, .warning, isLost ? "job stopped, it is no longer wanted here" : "job's attempt failed", facts)
        } else {
            log(message, .info, "job done", facts)
        }
        await announcing.value
        await context.send(followUps)
        delivery.ack()
    }

    private func beginSpan(_ jobLease: JobLease, _ message: JobMessage) -> any Span {
        let span = context.beginSpan(jobLease.job, of: jobLease.image.id, under: jobLease.image.trace)
        span.attributes["goldsmith.attempt"] = message.attempt
        span.attributes["goldsmith.fence"] = jobLease.fence
        return span
    }

    /// Gives the delivery back to the queue, in the form of a recheck, when the work outlasts `hold`.
    private func stopHolding(_ delivery: any IncomingDelivery, _ message: JobMessage) async {
        guard (try? await context.time.sleep(for: context.options.hold)) != nil else { return }
        do throws(StoreError) {
            try await recheck(message, lease: nil, delivery)
        } catch {
            // The delivery is settled with the work instead.
            log(message, .warning, "no recheck, the store is out of reach", ["error": "\(error)"])
        }
    }

    private func keepLease(_ jobLease: JobLease, _ progress: LatestProgress) async -> Signal {
        let announcer = ProgressAnnouncer(publisher: context.publisher)
        while (try? await context.time.sleep(for: context.options.renewEvery)) != nil {
            let latest = progress.value
            do {
                let isKept = try await context.store.renew(
                    jobLease,
                    by: context.options.id,
                    progress: latest,
                    until: context.time.now() + context.options.lease
                )
                guard isKept else { return .leaseLost }
            } catch {
                // The work goes on: if the store stays away, the lease lapses and the fence decides.
                context.logger.warning("lease not renewed", metadata: ["error": "\(error)"])
            }
            if let latest {
                announcer.offer(
                    CloudEvent(
                        progress: latest,
                        of: jobLease.job,
                        fence: jobLease.fence,
                        image: jobLease.image,
                        at: context.time.now()
                    ),
                    jobLease.image.trace
                )
            }
        }
        return .quiet
    }

    /// Writes down what came of an attempt.
    /// - Returns: the messages to send for it, and in a word what it was.
    private func conclude(
        _ jobLease: JobLease,
        _ result: Result<JobOutput, StepFailure>,
        isLost: Bool
    ) async throws(StoreError) -> ([OutgoingMessage], AttemptOutcome) {
        let event: Event
        let lane = jobLease.image.lane(of: jobLease.job)
        switch result {
        case .success(let output):
            context.breakers.succeeded(lane)
            event = .succeeded(jobLease.job, fence: jobLease.fence, output)
        case .failure(let failure):
            if failure.code == .unavailable { context.telemetry.tools.suspect() }
            let discarded = if failure.madeNothing == true { true } else { await discard(jobLease) }
            if Task.isCancelled || isLost {
                event = .interrupted(jobLease.job, fence: jobLease.fence, discarded: discarded)
            } else {
                let judged = context.breakers.failed(lane, jobLease.image.id, failure)
                event = .failed(jobLease.job, fence: jobLease.fence, judged, discarded: discarded)
            }
        }
        let applied = try await context.persist { () async throws(StoreError) in
            try await context.store.apply(event, to: jobLease.image.id, in: context.transitionContext())
        }
        // Too late: another attempt holds the job, or the image has failed. What was made must not stay. The image says
        // whether it was adopted, not the transition: a commit whose answer was lost is met again as a duplicate.
        let isAdopted = applied?.image.ledger.contains { $0.resource == jobLease.resource && $0.isAdopted } == true
        if case .success = result, !isAdopted { _ = await discard(jobLease) }
        return (applied?.outgoing ?? [], applied?.transition.outcome ?? .superseded)
    }

    /// Deletes what an attempt made. What cannot be deleted now is in the ledger, and is deleted by a clean-up later.
    private func discard(_ jobLease: JobLease) async -> Bool {
        guard let resource = jobLease.resource else { return true }
        let driver = context.driver
        // Unstructured on purpose: a worker that stops has cancelled this task, and the deletion must still be done.
        let deletion = Task { () async -> StepFailure? in
            do throws(StepFailure) {
                try await driver.delete(resource)
                return nil
            } catch {
                return error
            }
        }
        guard let failure = await deletion.value else { return true }
        context.logger.warning(
            "failed attempt's output left to clean-up",
            metadata: ["resource": "\(resource.id)", "error": "\(failure.message)"]
        )
        return false
    }

    private func log(_ message: JobMessage, _ level: Logger.Level, _ text: Logger.Message, _ facts: Logger.Metadata) {
        guard level >= context.logger.logLevel else { return }
        var metadata = facts
        metadata["image.id"] = "\(message.imageId)"
        metadata["step"] = "\(message.job.step.rawValue)"
        if let host = lane?.host { metadata["host"] = "\(host)" }
        metadata["job"] = "\(message.job)"
        metadata["attempt"] = "\(message.attempt)"
        context.logger.log(level: level, text, metadata: metadata)
    }
}
