import ImageCore
import Logging
import Tracing

/// Turns a request into an image with a plan, or into a refusal. Either is recorded, so that a repetition is answered
/// the same.
///
/// The walk of an `image.create`: `handle` parses it (`Request+Parsing`) and checks who may ask for the owner; `answer`
/// (`Intake+Answers`) asks the driver for the instance and makes the `Plan`; the store reserves the quota, lets the machine
/// create the image (`Image.accepted`), and writes image, messages and answer in one transaction; `settle` publishes them
/// and acknowledges. From there on `StepRunner` takes the jobs one by one. `docs/architecture.md` names every file that
/// decides.
struct Intake {
    let context: WorkerContext
    /// Set for a request that left its queue before a worker took it: then it is refused, and nothing is begun.
    var lapse: Death?

    func handle(_ delivery: any IncomingDelivery) async {
        guard let operation = Operation(rawValue: delivery.message.routingKey) else {
            return await context.park(delivery, reason: "there is no operation \(delivery.message.routingKey)")
        }
        let span = context.beginSpan(operation, under: delivery.message.trace)
        defer { span.end() }
        let trace = context.trace(of: span, else: delivery.message.trace)
        await context.inside(span) { await handle(TracedDelivery(delivery, under: trace), operation, span) }
    }

    private func handle(_ delivery: any IncomingDelivery, _ operation: Operation, _ span: any Span) async {
        let message = delivery.message
        guard !message.holdsZero else {
            return await context.park(delivery, reason: "reply_to or correlation_id holds a zero character")
        }
        do throws(UnusableRequest) {
            let request = try Request.parse(
                operation,
                contentType: message.contentType,
                messageID: message.messageID,
                body: message.body
            )
            let owner = request.identity.owner
            if let refusal = context.options.authority.refusal(of: message.userID, for: owner) {
                return await deny(refusal, operation, request.identity, delivery, span)
            }
            span.attributes["goldsmith.owner"] = owner.text
            if let refusal = context.options.replies.refusal(of: message.replyTo) {
                throw UnusableRequest(rejection: refusal, identity: request.identity)
            }
            if let lapse {
                return await settle(delivery, operation, request.identity, span) { () async throws(StoreError) in
                    try await answer(request, lapsed: lapse, for: message)
                }
            }
            await settle(delivery, operation, request.identity, span) { () async throws(StoreError) in
                try await answer(request, for: message)
            }
        } catch {
            await refuse(error, operation, delivery, span)
        }
    }

    /// Neither recorded nor announced: a stranger must not consume another owner's request ids or publish events in their name.
    private func deny(
        _ refusal: Rejection,
        _ operation: Operation,
        _ identity: RequestIdentity,
        _ delivery: any IncomingDelivery,
        _ span: any Span
    ) async {
        let message = delivery.message
        context.telemetry.answered(operation, refusal.code)
        span.fail(refusal.code, refusal.message)
        context.logger.warning(
            "request denied",
            metadata: [
                "operation": "\(PlainText.word(message.routingKey))", "owner": "\(identity.owner)",
                "user": "\(message.userID.map { PlainText.word($0) } ?? "none")",
            ]
        )
        do {
            // What an operator has put back, in a name that may not ask, waits for a human again.
            try await context.persist { () async throws(StoreError) in
                try await context.store.denied(identity, refusal, at: context.time.now())
            }
        } catch {
            return delivery.requeue()
        }
        if let address = message.replyAddress(by: context.options.replies) {
            await context.answer(Answer.rejected(refusal).outgoing(to: address, for: identity, under: message.trace))
        }
        delivery.ack()
    }

    private func refuse(
        _ unusable: UnusableRequest,
        _ operation: Operation,
        _ delivery: any IncomingDelivery,
        _ span: any Span
    ) async {
        let message = delivery.message
        guard let identity = unusable.identity else {
            context.telemetry.answered(operation, unusable.rejection.code)
            span.fail(unusable.rejection.code, unusable.rejection.message)
            // Without a valid owner and request id there is no key to record the answer under. A sender that waits for a
            // reply gets one; a human gets the message.
            if let address = message.replyAddress(by: context.options.replies) {
                let answer = Answer.rejected(unusable.rejection)
                await context.answer(answer.outgoing(to: address, for: nil, under: message.trace))
            }
            return await context.park(
                delivery,
                reason: "\(unusable.rejection.code.rawValue): \(unusable.rejection.message)"
            )
        }
        // Before anything else is said: what a stranger sends must not be recorded, however it is spelt.
        if let refusal = context.options.authority.refusal(of: message.userID, for: identity.owner) {
            return await deny(refusal, operation, identity, delivery, span)
        }
        var transitionContext = TransitionContext(now: context.time.now())
        transitionContext.trace = message.trace
        await settle(delivery, operation, identity, span) { [transitionContext] () async throws(StoreError) in
            .settled(
                try await context.store.reject(
                    identity,
                    fingerprint: "unusable " + String(decoding: message.body.prefix(4096), as: UTF8.self),
                    unusable.rejection,
                    reply: message.replyAddress(by: context.options.replies),
                    in: transitionContext
                )
            )
        }
    }

    private func settle(
        _ delivery: any IncomingDelivery,
        _ operation: Operation,
        _ identity: RequestIdentity,
        _ span: any Span,
        _ decide: @Sendable () async throws(StoreError) -> Decision
    ) async {
        do {
            let outcome: RequestOutcome
            switch try await context.persist(decide) {
            case .settled(let settled): outcome = settled
            case .stopped: return delivery.requeue()
            case .deferred(let failure): return await `defer`(delivery, operation, identity, failure)
            }
            var metadata: [String: String] = ["status": outcome.answer.status.rawValue]
            metadata["image.id"] = outcome.answer.imageId?.text
            metadata["code"] = outcome.answer.code?.rawValue
            context.telemetry.answered(operation, outcome.answer.code)
            span.attributes["goldsmith.image.id"] = outcome.answer.imageId?.text
            if let code = outcome.answer.code { span.fail(code, outcome.answer.message ?? "") }
            metadata["trace.id"] = delivery.message.trace?.traceID
            metadata["operation"] = operation.rawValue
            context.logger.info("request answered", metadata: metadata.mapValues { "\($0)" })
            if outcome.isKept {
                await context.send(outcome.outgoing)
            } else {
                for reply in outcome.outgoing { await context.answer(reply) }
            }
            delivery.ack()
        } catch {
            context.logger.error("request not answered, requeued", metadata: ["error": "\(error)"])
            delivery.requeue()
        }
    }

    /// - Returns: `false` also when the store does not say.
    private func isUnanswered(_ identity: RequestIdentity) async -> Bool {
        do {
            return try await context.persist { () async throws(StoreError) in
                try await context.store.answer(to: identity) == nil
            }
        } catch {
            return false
        }
    }

    /// Makes a request wait that cannot be judged now: nothing is recorded, and any worker may take it up again.
    private func `defer`(
        _ delivery: any IncomingDelivery,
        _ operation: Operation,
        _ identity: RequestIdentity,
        _ failure: StepFailure
    ) async {
        // The trouble may be this worker's own.
        context.telemetry.tools.suspect()
        let message = delivery.message
        let reason = "\(failure.code.rawValue): \(failure.message)"
        switch RequestDeferral(waited: message.waited, policy: context.options.policy) {
        case .wait(let delay):
            context.logger.warning(
                "request deferred",
                metadata: [
                    "operation": "\(operation.rawValue)", "owner": "\(identity.owner)",
                    "request.id": "\(identity.requestID)", "seconds": "\(message.waited.components.seconds)",
                    "reason": "\(reason)",
                ]
            )
            let result = await context.insist { () async -> ParkResult? in
                let result = await context.publisher.deferMessage(
                    message,
                    after: delay,
                    waited: message.waited + delay.duration,
                    reason: reason
                )
                return result == .notNow ? nil : result
            }
            switch result {
            case .parked?: delivery.ack()
            case .never?: await context.park(delivery, reason: reason)
            case .notNow?, nil: delivery.requeue()
            }
        case .giveUp:
            // Another copy of the request may have been answered meanwhile. That answer counts, and the next look finds it.
            guard await isUnanswered(identity) else { return delivery.requeue() }
            let rejection = Rejection(failure.code, failure.message)
            context.telemetry.answered(operation, rejection.code)
            if let address = message.replyAddress(by: context.options.replies) {
                let answer = Answer.rejected(rejection)
                await context.answer(answer.outgoing(to: address, for: identity, under: message.trace))
            }
            await context.park(delivery, reason: "it has waited too long for a worker that can judge it: \(reason)")
        }
    }
}

extension Intake {
    /// What comes of looking at a request.
    enum Decision: Sendable {
        /// Answered, and recorded where answers of that kind are.
        case settled(RequestOutcome)
        /// The compute system or this worker cannot say now. Not recorded: the request waits.
        case deferred(StepFailure)
        /// This worker stops before there is an answer.
        case stopped
    }
}
