import ImageCore
import Logging
import Synchronization
import Tracing

/// What every handler of a worker has at hand.
struct WorkerContext: Sendable {
    let options: WorkerOptions
    let store: any ImageStore
    let driver: any ImageDriver
    let publisher: any MessagePublisher
    /// The store's clock: the reference for every time that is written there or compared with one there.
    let time: StoreTime
    /// 0 ..< 1.
    let random: @Sendable () -> Double
    let logger: Logger
    var telemetry = WorkerTelemetry()
    var tracer: any Tracer = NoOpTracer()
    let breakers = OutageBreakers()
    /// What is to be marked as sent.
    let confirmed = ConfirmedMessages()

    /// How long a handler tries to reach what is out of reach: well below the half hour after which a broker closes the
    /// channel of a delivery that is held.
    private static let timeout = Duration.seconds(600)

    /// - Parameter actor: who caused it; this worker unless it was requested.
    func transitionContext(actor: String? = nil) -> TransitionContext {
        TransitionContext(now: time.now(), policy: options.policy, jitter: random(), actor: actor ?? options.id.text)
    }

    /// Keeps trying while the store is out of reach: a store that restarts must not turn into failed images, and giving
    /// the delivery back in a loop would use up its delivery limit. Ends when the task is cancelled, or with `timeout`.
    func persist<Value: Sendable>(
        _ operation: @Sendable () async throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let deadline = time.uptime() + Self.timeout
        var pause = Duration.milliseconds(100)
        while true {
            do {
                return try await operation()
            } catch {
                guard error.kind.mayPass, time.uptime() < deadline else { throw error }
                logger.warning("store out of reach, trying again", metadata: ["error": "\(error)"])
                do { try await time.sleep(for: pause) } catch _ { throw error }
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// Lets a job wait in the retry queues instead of holding its delivery. It goes through the store's outbox, so that
    /// the job does not count as lost meanwhile, and a broker that takes no messages costs it no delivery.
    func deferJob(
        _ message: JobMessage,
        after delay: RetryDelay,
        _ delivery: any IncomingDelivery
    ) async throws(StoreError) {
        let applied = try await persist { () async throws(StoreError) in
            try await store.apply(.rechecked(message.job, after: delay), to: message.imageId, in: transitionContext())
        }
        guard let applied else {
            return await park(delivery, reason: "there is no image \(message.imageId) in this store")
        }
        await send(applied.outgoing)
        delivery.ack()
    }

    private func publish(_ messages: [OutgoingMessage]) async -> PublishReport {
        let began = time.uptime()
        let report = await publisher.publish(messages)
        telemetry.published(report, of: messages.count, in: time.uptime() - began)
        for refused in report.refused {
            logger.error(
                "message parked: the broker does not take it from anyone",
                metadata: [
                    "message.id": "\(PlainText.word(refused.message.id))", "reason": "\(refused.reason)",
                    "routing.key": "\(PlainText.word(refused.message.routingKey))",
                ]
            )
        }
        return report
    }

    /// Sends messages from the outbox. Unconfirmed ones stay there for the sweeper, and one that can never be sent
    /// becomes a dead letter, so this cannot fail.
    func send(_ messages: [OutgoingMessage]) async {
        guard !messages.isEmpty else { return }
        let report = await publish(messages)
        do {
            for refused in report.refused { try await keep(refused) }
            // Only a message that is written down elsewhere leaves the outbox unsent.
            let settled = report.confirmed + report.refused.map(\.message)
            let left = messages.filter { !settled.contains($0) }
            if !left.isEmpty {
                logger.warning(
                    "messages stay in the outbox until the broker takes them",
                    metadata: ["count": "\(left.count)"]
                )
            }
            try await markSent(settled.filter { message in !left.contains { $0.sharesRow(with: message) } })
            try await store.markUnsent(left, at: time.now())
        } catch {
            // They will be sent once more; every consumer knows duplicates.
            logger.warning("sent messages not marked as sent", metadata: ["error": "\(error)"])
        }
    }

    /// Marks messages as sent: soon, so that nothing waits for it. A worker that dies before costs a copy of each.
    private func markSent(_ messages: [OutgoingMessage]) async throws(StoreError) {
        if options.markSentEvery > .zero {
            confirmed.add(messages)
        } else {
            try await store.markSent(messages)
        }
    }

    /// Marks as sent what the broker has confirmed so far.
    func markConfirmed() async {
        do throws(StoreError) {
            try await store.markSent(confirmed.takeAll())
        } catch {
            // They will be sent once more; every consumer knows duplicates.
            logger.warning("sent messages not marked as sent", metadata: ["error": "\(error)"])
        }
    }

    /// Sends an answer that is kept nowhere: a sender that does not get it asks again.
    func answer(_ reply: OutgoingMessage) async {
        let report = await publish([reply])
        guard report == PublishReport() else { return }
        logger.warning(
            "answer not sent",
            metadata: ["routing.key": "\(PlainText.word(reply.routingKey))"]
        )
    }

    private func keep(_ refused: PublishReport.Refused) async throws(StoreError) {
        let kept = KeptMessage(refused.message)
        let id = kept.deadLetterID(.parked)
        let deadLetter = DeadLetter(id, .parked, of: kept, reason: refused.reason, at: time.now())
        try await store.keep(deadLetter, kept, at: deadLetter.lastAt)
    }

    /// Puts away a message only a human can judge, with the reason, then settles it. It is never dropped.
    func park(_ delivery: any IncomingDelivery, reason: String) async {
        let message = delivery.message
        telemetry.parked()
        logger.error("message parked", metadata: ["reason": "\(reason)", "routing.key": "\(message.routingKey)"])
        let result = await insist {
            let result = await publisher.park(message, reason: reason)
            return result == .notNow ? nil : result
        }
        switch result {
        case .parked: delivery.ack()
        case .notNow, nil: delivery.requeue()
        case .never:
            // Without the way through the broker, it is written down here and now.
            let whole = KeptMessage(message)
            let kept = whole.body.count > KeptMessage.bodyLimit ? whole.withoutBody : whole
            let deadLetter = DeadLetter(whole.deadLetterID(.parked), .parked, of: kept, reason: reason, at: time.now())
            do {
                try await persist { () async throws(StoreError) in
                    try await store.keep(deadLetter, kept, at: deadLetter.lastAt)
                }
                delivery.ack()
            } catch {
                delivery.requeue()
            }
        }
    }

    /// Moves a message that is larger than any of ours to the queue for such.
    /// - Returns: the queue; `nil` when the broker does not take it.
    func parkOversized(_ message: IncomingMessage, of deadLetter: DeadLetterID) async -> String? {
        await insist { await publisher.parkOversized(message, of: deadLetter) }
    }

    /// Keeps trying while the broker does not take something: requeueing it in a loop would use up its delivery limit.
    func insist<Value>(_ operation: () async -> Value?) async -> Value? {
        let deadline = time.uptime() + Self.timeout
        var pause = Duration.milliseconds(100)
        while true {
            if let value = await operation() { return value }
            guard time.uptime() < deadline, (try? await time.sleep(for: pause)) != nil else { return nil }
            pause = min(pause * 2, .seconds(5))
        }
    }
}

/// One breaker for each lane, shared by all jobs of this process: a host that is broken says nothing of the others.
final class OutageBreakers: Sendable {
    private let breakers = Mutex<[Lane: OutageBreaker]>([:])

    func succeeded(_ lane: Lane) { breakers.withLock { $0[lane]?.succeeded() } }

    func failed(_ lane: Lane, _ image: ImageID, _ failure: StepFailure) -> StepFailure {
        breakers.withLock { $0[lane, default: OutageBreaker()].failed(image, failure) }
    }
}
