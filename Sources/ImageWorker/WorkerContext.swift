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
    let time: any Timekeeper
    /// 0 ..< 1.
    let random: @Sendable () -> Double
    let logger: Logger
    var watch = WorkerWatch()
    var tracer: any Tracer = NoOpTracer()
    let breakers = OutageBreakers()

    /// How long a handler tries to reach what is out of reach: well below the half hour after which a broker closes the
    /// channel of a delivery that is held.
    private static let patience = Duration.seconds(600)

    /// - Parameter actor: who brings it about; this worker unless somebody asked for it.
    func circumstances(actor: String? = nil) -> Circumstances {
        Circumstances(now: time.now(), policy: options.policy, jitter: random(), actor: actor ?? options.id.text)
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

    /// Lets a job go round the ladder instead of holding its delivery. By way of the store, so that nobody takes it for
    /// lost meanwhile, and a broker that takes no messages costs it no delivery.
    func putOff(
        _ message: JobMessage,
        after rung: Rung,
        _ delivery: any IncomingDelivery
    ) async throws(StoreError) {
        let applied = try await persist { () async throws(StoreError) in
            try await store.apply(.watched(message.job, after: rung), to: message.imageId, in: circumstances())
        }
        guard let applied else {
            return await park(delivery, reason: "there is no image \(message.imageId) in this store")
        }
        await send(applied.outgoing)
        delivery.ack()
    }

    /// - Returns: those that were confirmed.
    private func publish(_ messages: [OutgoingMessage]) async -> [OutgoingMessage] {
        let began = time.now()
        let confirmed = await publisher.publish(messages)
        watch.published(confirmed.count, of: messages.count, in: time.now() - began)
        return confirmed
    }

    /// Sends messages that lie in the outbox. What is not confirmed stays there for the sweeper, so this cannot fail.
    func send(_ messages: [OutgoingMessage]) async {
        guard !messages.isEmpty else { return }
        let confirmed = await publish(messages)
        if confirmed.count < messages.count {
            logger.warning(
                "messages stay in the outbox until the broker takes them",
                metadata: ["count": "\(messages.count - confirmed.count)"]
            )
        }
        do {
            try await store.markSent(confirmed)
            try await store.markUnsent(messages.filter { !confirmed.contains($0) }, at: time.now())
        } catch {
            // They will be sent once more; every consumer knows duplicates.
            logger.warning("sent messages could not be marked", metadata: ["error": "\(error)"])
        }
    }

    /// Puts away a message only a human can judge, with the reason, then settles it. It is never dropped.
    func park(_ delivery: any IncomingDelivery, reason: String) async {
        let message = delivery.message
        watch.parked()
        logger.error("message parked", metadata: ["reason": "\(reason)", "routing.key": "\(message.routingKey)"])
        let isParked = await insist { await publisher.park(message, reason: reason) ? true : nil }
        guard isParked != nil else { return delivery.giveBack() }
        delivery.ack()
    }

    /// Moves a message that is larger than any of ours to the queue for such.
    /// - Returns: the queue; `nil` when the broker does not take it.
    func setAside(_ message: IncomingMessage, of letter: LetterID) async -> String? {
        await insist { await publisher.setAside(message, of: letter) }
    }

    /// Keeps trying while the broker does not take something: giving it back in a loop would use up its delivery limit.
    private func insist<Value>(_ operation: () async -> Value?) async -> Value? {
        let deadline = time.now() + Self.patience
        var pause = Duration.milliseconds(100)
        while true {
            if let value = await operation() { return value }
            guard time.now() < deadline, (try? await time.sleep(for: pause)) != nil else { return nil }
            pause = min(pause * 2, .seconds(5))
        }
    }
}

/// One breaker for each step, shared by all jobs of this process.
final class OutageBreakers: Sendable {
    private let breakers = Mutex<[Step: OutageBreaker]>([:])

    func succeeded(_ step: Step) { breakers.withLock { $0[step]?.succeeded() } }

    func failed(_ step: Step, _ image: ImageID, _ failure: StepFailure) -> StepFailure {
        breakers.withLock { $0[step, default: OutageBreaker()].failed(image, failure) }
    }
}
