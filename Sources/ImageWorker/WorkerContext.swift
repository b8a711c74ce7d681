import ImageCore
import Logging

/// What every handler of a worker has at hand.
struct WorkerContext: Sendable {
    let options: WorkerOptions
    let store: any ImageStore
    let driver: any ImageDriver
    let publisher: any MessagePublisher
    let time: any Timekeeper
    /// 0 ..< 1.
    let random: @Sendable () -> Double
    let logger: Logger

    /// How long a handler tries to reach what is out of reach: well below the half hour after which a broker closes the
    /// channel of a delivery that is held.
    private static let patience = Duration.seconds(600)

    func circumstances() -> Circumstances {
        Circumstances(now: time.now(), policy: options.policy, jitter: random())
    }

    /// Keeps trying while the store is out of reach: a store that restarts must not turn into failed images, and giving
    /// the delivery back in a loop would use up its delivery limit. Ends when the task is cancelled, or with `patience`.
    func persist<Value: Sendable>(
        _ operation: @Sendable () async throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let deadline = time.now() + Self.patience
        var pause = Duration.milliseconds(100)
        while true {
            do {
                return try await operation()
            } catch {
                guard error.kind == .unavailable, time.now() < deadline else { throw error }
                logger.warning("store out of reach, trying again", metadata: ["error": "\(error)"])
                do { try await time.sleep(for: pause) } catch _ { throw error }
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// Sends messages that lie in the outbox. What is not confirmed stays there for the sweeper, so this cannot fail.
    func send(_ messages: [OutgoingMessage]) async {
        guard !messages.isEmpty else { return }
        let confirmed = await publisher.publish(messages)
        if confirmed.count < messages.count {
            logger.warning(
                "messages stay in the outbox until the broker takes them",
                metadata: ["count": "\(messages.count - confirmed.count)"]
            )
        }
        do {
            try await store.markSent(confirmed)
        } catch {
            // They will be sent once more; every consumer knows duplicates.
            logger.warning("sent messages could not be marked", metadata: ["error": "\(error)"])
        }
    }

    /// Puts away a message only a human can judge, with the reason, then settles it. It is never dropped.
    func park(_ delivery: any IncomingDelivery, reason: String) async {
        let message = delivery.message
        logger.error("message parked", metadata: ["reason": "\(reason)", "routing.key": "\(message.routingKey)"])
        let parked = OutgoingMessage(
            id: message.messageID ?? "parked",
            destination: .parking,
            routingKey: message.routingKey,
            contentType: message.contentType ?? "application/octet-stream",
            correlationID: message.correlationID,
            reason: reason,
            body: String(decoding: message.body, as: UTF8.self)
        )
        await replace(delivery, with: parked)
    }

    /// Sends the message that takes a delivery's place, then settles the delivery.
    ///
    /// Keeps trying while the broker does not take it: a delivery that is given back in a loop uses up its limit, and a
    /// job that is doing well would end among the dead letters.
    func replace(_ delivery: any IncomingDelivery, with message: OutgoingMessage) async {
        let deadline = time.now() + Self.patience
        var pause = Duration.milliseconds(100)
        while await publisher.publish([message]).isEmpty {
            guard time.now() < deadline, (try? await time.sleep(for: pause)) != nil else { return delivery.giveBack() }
            pause = min(pause * 2, .seconds(5))
        }
        delivery.ack()
    }
}
