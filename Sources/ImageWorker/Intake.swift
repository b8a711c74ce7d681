import ImageCore
import Logging

/// Turns a request into an image with a plan, or into a refusal. Either is recorded, so that a repetition is answered
/// the same.
struct Intake {
    let context: WorkerContext

    func handle(_ delivery: any IncomingDelivery) async {
        let message = delivery.message
        guard let operation = Operation(rawValue: message.routingKey) else {
            return await context.park(delivery, reason: "there is no operation \(message.routingKey)")
        }
        guard !message.holdsZero else {
            return await context.park(delivery, reason: "reply_to or correlation_id holds a zero character")
        }
        do {
            let request = try Request.parse(
                operation,
                contentType: message.contentType,
                messageID: message.messageID,
                body: message.body
            )
            let owner = request.identity.owner
            if let refusal = context.options.authority.refusal(of: message.userID, for: owner) {
                return await deny(refusal, operation, request.identity, delivery)
            }
            await settle(delivery, operation) { () async throws(StoreError) in try await answer(request, for: message) }
        } catch {
            await refuse(error, operation, delivery)
        }
    }

    /// Not recorded, and no event: under another owner's name that would use up their request ids, and tell them tales.
    private func deny(
        _ refusal: Rejection,
        _ operation: Operation,
        _ identity: RequestIdentity,
        _ delivery: any IncomingDelivery
    ) async {
        let message = delivery.message
        context.watch.answered(operation, refusal.code)
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
            return delivery.giveBack()
        }
        if let address = message.replyAddress {
            let reply = Answer.rejected(refusal).outgoing(to: address, for: identity)
            _ = await context.publisher.publish([reply])
        }
        delivery.ack()
    }

    private func refuse(_ unusable: UnusableRequest, _ operation: Operation, _ delivery: any IncomingDelivery) async {
        let message = delivery.message
        guard let identity = unusable.identity else {
            context.watch.answered(operation, unusable.rejection.code)
            // Nobody can be told apart to record an answer for. Whoever waits for a reply gets one; a human gets the
            // message.
            if let address = message.replyAddress {
                let reply = Answer.rejected(unusable.rejection).outgoing(to: address, for: nil)
                _ = await context.publisher.publish([reply])
            }
            return await context.park(
                delivery,
                reason: "\(unusable.rejection.code.rawValue): \(unusable.rejection.message)"
            )
        }
        // Before anything else is said: what a stranger sends must not be recorded, however it is spelt.
        if let refusal = context.options.authority.refusal(of: message.userID, for: identity.owner) {
            return await deny(refusal, operation, identity, delivery)
        }
        await settle(delivery, operation) { () async throws(StoreError) in
            try await context.store.reject(
                identity,
                fingerprint: "unusable " + String(decoding: message.body.prefix(4096), as: UTF8.self),
                unusable.rejection,
                reply: message.replyAddress,
                at: context.time.now()
            )
        }
    }

    private func settle(
        _ delivery: any IncomingDelivery,
        _ operation: Operation,
        _ decide: @Sendable () async throws(StoreError) -> Settlement?
    ) async {
        do {
            guard let settlement = try await context.persist(decide) else { return delivery.giveBack() }
            var metadata: [String: String] = ["status": settlement.answer.status.rawValue]
            metadata["image.id"] = settlement.answer.imageId?.text
            metadata["code"] = settlement.answer.code?.rawValue
            context.watch.answered(operation, settlement.answer.code)
            metadata["trace.id"] = delivery.message.trace?.traceID
            metadata["operation"] = operation.rawValue
            context.logger.info("request answered", metadata: metadata.mapValues { "\($0)" })
            await context.send(settlement.outgoing)
            delivery.ack()
        } catch {
            context.logger.error("request not answered, given back", metadata: ["error": "\(error)"])
            delivery.giveBack()
        }
    }
}
