import Crypto
import ImageCore
import Logging

/// Writes down what only a human can judge, so that looking at it costs nothing: a message that is looked at in its
/// queue spends its delivery count, and may change its place.
struct DeadLetterRecorder {
    let context: WorkerContext
    let kind: DeadLetter.Kind

    /// Everything of such a message is kept but its body, which is too large to be read.
    private static let unreadable = "the body is larger than 16 MiB, and was not kept"

    func handle(_ delivery: any IncomingDelivery) async {
        let message = delivery.message
        // No worker has looked at it, so no human need: its sender gets an answer.
        if kind == .parked, message.isWhole, message.reason == nil, let death = message.death, death.isUnserved,
            Operation(rawValue: message.routingKey) != nil
        {
            return await Intake(context: context, lapse: death).handle(delivery)
        }
        if kind == .unrouted, message.isJob, let lane = Lane(message.routingKey), lane.host != nil,
            let job = JobMessage(parsing: message.body), job.failure == nil
        {
            return await wait(job, for: lane, delivery)
        }
        let whole = KeptMessage(message)
        let id = whole.deadLetterID(kind)
        let isTooLarge = whole.body.count > KeptMessage.bodyLimit
        var whereabouts = message.isWhole ? nil : Self.unreadable
        if isTooLarge {
            guard let queue = await context.parkOversized(message, of: id) else { return delivery.requeue() }
            whereabouts = """
                its body of \(message.body.count) bytes is larger than any message of ours, and lies in the queue \(queue)
                """
        }
        let kept = isTooLarge ? whole.withoutBody : whole
        let deadLetter = DeadLetter(
            id,
            kind,
            of: kept,
            reason: message.reason,
            death: message.death,
            whereabouts: whereabouts,
            at: context.time.now()
        )
        do {
            try await context.persist { () async throws(StoreError) in
                try await context.store.keep(deadLetter, kept, at: deadLetter.lastAt)
            }
            context.logger.error(
                "dead letter recorded",
                metadata: [
                    "dead.letter": "\(deadLetter.id)", "kind": "\(kind.rawValue)", "cause": "\(deadLetter.cause)",
                    "reason": "\(deadLetter.reason)",
                ]
            )
            delivery.ack()
        } catch {
            // It stays in its queue, which has room for a million tries.
            context.logger.error("message not stored, requeued", metadata: ["error": "\(error)"])
            delivery.requeue()
        }
    }
}

extension DeadLetterRecorder {
    /// A host whose queues are not made yet is nothing to judge: its jobs come back until they are, and use no attempt. A
    /// job that runs is only rechecked: it waits for nothing.
    private func wait(_ job: JobMessage, for lane: Lane, _ delivery: any IncomingDelivery) async {
        let failure = StepFailure(
            .throttled,
            .unavailable,
            "the broker has no queue for the lane \(lane)",
            advice: "apply the topology with this host"
        )
        context.logger.error(
            "lane missing on the broker, its job waits",
            metadata: [
                "lane": "\(lane)", "image.id": "\(job.imageId)", "job": "\(job.job)",
                "advice": "run `goldsmith topology apply` with this host among its --hosts",
            ]
        )
        do {
            let applied = try await context.persist { () async throws(StoreError) in
                let isRunning = try await context.store.leases(of: job.imageId).contains {
                    $0.job == job.job && $0.isAlive(at: context.time.now())
                }
                return try await context.store.apply(
                    isRunning ? .rechecked(job.job, after: .seconds30) : .hindered(job.job, failure),
                    to: job.imageId,
                    in: context.transitionContext()
                )
            }
            guard let applied else {
                return await context.park(delivery, reason: "there is no image \(job.imageId) in this store")
            }
            await context.send(applied.outgoing)
            delivery.ack()
        } catch {
            delivery.requeue()
        }
    }
}

extension KeptMessage {
    init(_ message: IncomingMessage) {
        self.init(
            routingKey: message.routingKey,
            contentType: message.contentType,
            messageID: message.messageID,
            correlationID: message.correlationID,
            replyTo: message.replyTo,
            trace: message.trace,
            body: message.body
        )
    }

    init(_ message: OutgoingMessage) {
        self.init(
            routingKey: message.routingKey,
            contentType: message.contentType.isEmpty ? nil : message.contentType,
            messageID: message.id,
            correlationID: message.correlationID,
            replyTo: message.replyTo,
            trace: message.trace,
            body: Array(message.body.utf8)
        )
    }

    /// The same message is the same dead letter: a second copy, or one that comes back from a replay. So is the same
    /// job, whatever it failed with this time.
    func deadLetterID(_ kind: DeadLetter.Kind) -> DeadLetterID {
        let parts: [[UInt8]?]
        if let job = JobMessage(parsing: body) {
            parts = [Array(job.imageId.text.utf8), Array(job.job.description.utf8)]
        } else {
            // An id that a replay gave it does not identify the original.
            let id = messageID.flatMap { isReplayID($0) ? nil : $0 }
            parts = [routingKey, contentType, id, correlationID, replyTo].map { $0.map { Array($0.utf8) } } + [body]
        }
        var sum = SHA256()
        for part in [Array(kind.rawValue.utf8)] + parts {
            // The length first, so that no two lists of parts make the same bytes.
            sum.update(data: Array("\(part?.count ?? -1) ".utf8))
            sum.update(data: part ?? [])
        }
        let digits = sum.finalize().prefix(12).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }
        return DeadLetterID(known: "msg-" + digits.joined())
    }
}
