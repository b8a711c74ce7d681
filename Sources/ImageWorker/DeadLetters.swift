import ImageCore
import Logging
import Tracing

/// Makes an image Error when one of its jobs cannot be done, and starts the clean-up.
///
/// Two kinds of message arrive here by the same road: jobs that are out of attempts, with their failure, and jobs that
/// the broker gave up on because they were handed out too often, which mostly means that they kill their worker.
struct DeadLetters {
    let context: WorkerContext

    func handle(_ delivery: any IncomingDelivery) async {
        guard let message = JobMessage(parsing: delivery.message.body) else {
            return await context.park(delivery, reason: "a dead letter that is not a job message")
        }
        let failure =
            message.failure
            ?? StepFailure(
                .permanent,
                .internal,
                "\(message.job) was handed to workers too often without an answer; it may have ended them",
                advice: "look into the workers' logs for this image"
            )
        let span = context.beginSpan(message.job, of: message.imageId, under: delivery.message.trace)
        defer { span.end() }
        span.operationName = "dead-letters"
        span.fail(failure.code, failure.message)
        do {
            let applied = try await context.persist { () async throws(StoreError) in
                try await context.store.apply(
                    .deadLettered(message.job, attempt: message.attempt, failure),
                    to: message.imageId,
                    in: context.circumstances()
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
            context.logger.error("dead letter given back", metadata: ["error": "\(error)"])
            delivery.giveBack()
        }
    }
}
