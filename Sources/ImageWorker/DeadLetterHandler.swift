import ImageCore
import Logging
import Tracing

/// Makes an image Error when one of its jobs cannot be done, and starts the clean-up.
///
/// Two kinds of message arrive here: jobs that are out of attempts, with their failure, and jobs that
/// the broker gave up on. One that was handed out too often mostly kills its worker; one that only lay in its queue for
/// too long is queued anew.
struct DeadLetterHandler {
    let context: WorkerContext

    func handle(_ delivery: any IncomingDelivery) async {
        guard let message = JobMessage(parsing: delivery.message.body) else {
            return await context.park(delivery, reason: "a dead letter that is not a job message")
        }
        let death = delivery.message.death
        if message.failure == nil, let death, death.isUnserved {
            context.logger.error(
                "job left its queue before a worker took it, requeued",
                metadata: [
                    "image.id": "\(message.imageId)", "job": "\(message.job)", "reason": "\(death.sentence)",
                    "advice": "no policy of the broker may set a time to live or a length on this queue",
                ]
            )
            do { try await context.deferJob(message, after: .seconds30, delivery) } catch { delivery.requeue() }
            return
        }
        let failure = message.failure ?? Self.failure(of: message.job, death)
        let span = context.beginSpan(message.job, of: message.imageId, under: delivery.message.trace)
        defer { span.end() }
        span.operationName = "dead-letters"
        span.fail(failure.code, failure.message)
        do {
            let applied = try await context.persist { () async throws(StoreError) in
                try await context.store.apply(
                    .deadLettered(message.job, attempt: message.attempt, failure),
                    to: message.imageId,
                    in: context.transitionContext()
                )
            }
            guard let applied else {
                return await context.park(delivery, reason: "there is no image \(message.imageId) in this store")
            }
            context.logger.error(
                "dead letter",
                metadata: [
                    "image.id": "\(message.imageId)", "job": "\(message.job)", "code": "\(failure.code.rawValue)",
                    "error": "\(failure.message)", "image.status": "\(applied.image.status.rawValue)",
                ]
            )
            await context.send(applied.outgoing)
            delivery.ack()
        } catch {
            context.logger.error("dead letter requeued", metadata: ["error": "\(error)"])
            delivery.requeue()
        }
    }

    /// The failure of a job that the broker sent here by itself.
    private static func failure(of job: Job, _ death: Death?) -> StepFailure {
        guard death?.reason == .deliveryLimit else {
            return StepFailure(
                .permanent,
                .internal,
                "\(job) became a dead letter: \(death?.sentence ?? "the broker put it here, and does not say why")",
                advice: "look at the broker's policies for its queue, and at who else consumes it"
            )
        }
        return StepFailure(
            .permanent,
            .internal,
            "\(job) was handed to workers too often without an answer; it may have ended them",
            advice: "look into the workers' logs for this image"
        )
    }
}
