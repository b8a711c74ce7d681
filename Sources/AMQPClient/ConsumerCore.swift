import Glibc
import Logging

/// The actor behind ``AMQPConsumer``.
actor ConsumerCore: ThreadResident {
    private struct Subscription {
        let queue: String
        let prefetch: UInt16
        let buffer: DeliveryBuffer
        var backoff: Backoff
        var state: State
        /// What came in this turn, handed over in one go at its end.
        var batch: [AMQPDelivery] = []

        enum State: Equatable {
            case active
            /// Was active on a connection which is gone: comes back with the next one.
            case interrupted
            /// The queue was missing; it is looked for again at this time.
            case missing(until: ContinuousClock.Instant)
        }
    }

    private let endpoint: AMQPEndpoint
    private let name: String
    private let options: AMQPOptions
    private let logger: Logger
    private let thread: ConnectionThread
    private let outbox: Mailbox<Settlement>
    private let record = ConnectionHealthRecord()

    private var link: BrokerLink?
    private var generation: UInt64 = 0
    /// By consumer tag. Tags are short, so that their copies need no memory of their own.
    private var subscriptions: [String: Subscription] = [:]
    private var tagCount = 0
    private var unsent: [Settlement] = []
    private var backoff: Backoff
    private var nextAttempt = ContinuousClock.now
    private var lastError: AMQPError?
    private var isClosed = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(endpoint: AMQPEndpoint, name: String, options: AMQPOptions, logger: Logger) {
        self.endpoint = endpoint
        self.name = name
        self.options = options
        self.logger = logger
        backoff = Backoff(options)
        thread = ConnectionThread()
        outbox = Mailbox(thread: thread)
        thread.start(self)
    }

    deinit { thread.stop() }

    // MARK: Calls

    func subscribe(to queue: String, prefetch: UInt16) async throws(AMQPError) -> DeliveryBuffer {
        let deadline = ContinuousClock.now + options.callTimeout
        var pause = Backoff(options)
        while true {
            guard !isClosed else { throw AMQPError(.closed, "the consumer was closed") }
            do throws(AMQPError) {
                return try subscribeNow(to: queue, prefetch: prefetch)
            } catch {
                let wait = pause.next()
                guard error.isRetriable, ContinuousClock.now + wait < deadline else { throw error }
                // Cancelled: the next attempt tells the outcome, without a further wait.
                guard (try? await Task.sleep(for: wait)) != nil else { throw error }
            }
        }
    }

    private func subscribeNow(to queue: String, prefetch: UInt16) throws(AMQPError) -> DeliveryBuffer {
        let link = try connected()
        tagCount += 1
        let tag = "c\(tagCount)"
        let buffer = DeliveryBuffer()
        // Entered first, so that a delivery which overtakes the reply finds its buffer.
        subscriptions[tag] = Subscription(
            queue: queue,
            prefetch: prefetch,
            buffer: buffer,
            backoff: Backoff(options),
            state: .active
        )
        do throws(AMQPError) {
            if subscriptions.count > 1 { try probe(queue) }
            try link.consume(from: queue, consumerTag: tag, prefetch: prefetch)
        } catch {
            subscriptions[tag] = nil
            if !link.isUsable { lost(error) }
            throw error
        }
        return buffer
    }

    /// - Parameter queue: `nil` for all.
    func cancel(queue: String? = nil) {
        let ended = subscriptions.filter { queue == nil || $0.value.queue == queue }
        if let link {
            do throws(AMQPError) {
                for (tag, subscription) in ended where subscription.state == .active {
                    try link.cancel(consumerTag: tag)
                }
                // What overtook the answers belongs to the sequences too; they hand it back below.
                try receive(from: link)
            } catch {
                lost(error)
            }
        }
        for subscription in ended.values {
            for delivery in subscription.buffer.finish() { delivery.nack(requeue: true) }
        }
        for tag in ended.keys { subscriptions[tag] = nil }
    }

    func close() {
        isClosed = true
        cancel()
        if let link {
            // An error means that the connection is gone, and the messages are back in their queues.
            do throws(AMQPError) { _ = try settle(over: link, waits: true) } catch { lost(error) }
        }
        link?.close()
        link = nil
    }

    func status() -> AMQPConsumer.Status {
        AMQPConsumer.Status(
            isConnected: link != nil,
            subscribedQueues: subscriptions.values.filter { $0.state == .active }.map(\.queue).sorted(),
            missingQueues: subscriptions.values.filter { $0.state != .active }.map(\.queue).sorted(),
            lastError: lastError,
            generation: generation
        )
    }

    nonisolated var connectionHealth: AMQPConnectionHealth { record.connectionHealth }

    // MARK: The turn

    nonisolated func turn() -> PollInterest {
        assumeIsolated { core in
            let interest = core.serve()
            core.record.note(
                core.link,
                generation: core.generation,
                missing: core.subscriptions.values.filter { $0.state != .active }.map(\.queue),
                next: interest.deadline
            )
            return interest
        }
    }

    private func serve() -> PollInterest {
        var interest = PollInterest()
        do throws(AMQPError) {
            if link == nil, !subscriptions.isEmpty, nextAttempt <= .now { _ = try connected() }
            if let link {
                try receive(from: link)
                try resubscribe(over: link)
                interest.wantsToWrite = try !settle(over: link, waits: false)
                interest.descriptor = link.descriptor
                interest.deadline = link.hasBufferedInput ? .now : link.heartbeatInterest
                for subscription in subscriptions.values {
                    if case .missing(let until) = subscription.state { interest.wake(by: until) }
                }
            }
        } catch {
            lost(error)
        }
        guard link != nil else {
            // Acks for a closed connection are dropped.
            unsent = []
            _ = outbox.takeAll()
            return PollInterest(deadline: subscriptions.isEmpty ? nil : nextAttempt)
        }
        return interest
    }

    private func receive(from link: BrokerLink) throws(AMQPError) {
        var events: [BrokerEvent] = []
        var failure: AMQPError?
        do throws(AMQPError) {
            try link.receive(into: &events)
        } catch {
            failure = error
        }
        for event in events { handle(event) }
        for tag in subscriptions.keys {
            guard let batch = subscriptions[tag]?.batch, !batch.isEmpty else { continue }
            subscriptions[tag]?.buffer.append(batch)
            subscriptions[tag]?.batch.removeAll(keepingCapacity: true)
        }
        if let failure { throw failure }
    }

    private func handle(_ event: BrokerEvent) {
        switch event {
        case .delivered(let consumerTag, let deliveryTag, let isRedelivered, let received):
            let settler = Settler(deliveryTag: deliveryTag, generation: generation, outbox: outbox)
            let delivery = AMQPDelivery(received, isRedelivered: isRedelivered, settler: settler)
            if subscriptions[consumerTag]?.batch.append(delivery) == nil { delivery.nack(requeue: true) }
        case .consumerCancelled(let consumerTag):
            guard let queue = subscriptions[consumerTag]?.queue else { return }
            logger.warning("The broker ended a subscription", metadata: ["amqp.queue": "\(queue)"])
            lastError = AMQPError(.channelClosed, code: 404, "the broker ended the subscription to '\(queue)'")
            postpone(consumerTag)
        case .returned, .got, .confirmed, .blocked, .unblocked, .channelClosed, .connectionClosed, .reply, .ignored:
            break
        }
    }

    /// Sends the settlements of this connection; false when the socket is full.
    private func settle(over link: BrokerLink, waits: Bool) throws(AMQPError) -> Bool {
        unsent.append(contentsOf: outbox.takeAll().lazy.filter { $0.generation == self.generation })
        while !unsent.isEmpty {
            let deadline = ContinuousClock.now + options.callTimeout
            guard link.isWritable || (waits && waitReady(link.descriptor, POLLOUT, until: deadline)) else {
                return false
            }
            let burst = unsent.prefix(512)
            try link.settle(Array(burst), until: deadline)
            unsent.removeFirst(burst.count)
        }
        return true
    }

    // MARK: Connecting and subscribing

    private func connected() throws(AMQPError) -> BrokerLink {
        if let link { return link }
        let link: BrokerLink
        do throws(AMQPError) {
            link = try BrokerLink(endpoint, name: name, options: options)
        } catch {
            lost(error)
            throw error
        }
        self.link = link
        generation += 1
        logger.debug("AMQP consumer connected", metadata: ["amqp.connection": "\(name)"])
        return link
    }

    private func resubscribe(over link: BrokerLink) throws(AMQPError) {
        for (tag, subscription) in subscriptions where subscription.state != .active {
            if case .missing(let until) = subscription.state {
                guard until <= .now else { continue }
                do throws(AMQPError) {
                    try probe(subscription.queue)
                } catch {
                    lastError = error
                    postpone(tag)
                    continue
                }
            }
            // Before the call, so that a delivery which overtakes the reply is not taken for a stranger's.
            subscriptions[tag]?.state = .active
            do throws(AMQPError) {
                try link.consume(from: subscription.queue, consumerTag: tag, prefetch: subscription.prefetch)
            } catch {
                // The channel is gone for all; the others come back at once, without this one.
                if error.kind == .channelClosed { postpone(tag) }
                throw error
            }
            subscriptions[tag]?.backoff.reset()
            logger.info("Subscribed again", metadata: ["amqp.queue": "\(subscription.queue)"])
        }
        if subscriptions.values.allSatisfy({ $0.state == .active }) {
            lastError = nil
            backoff.reset()
        }
    }

    private func postpone(_ tag: String) {
        guard var subscription = subscriptions[tag] else { return }
        subscription.state = .missing(until: .now + subscription.backoff.next())
        subscriptions[tag] = subscription
    }

    /// Looks whether a queue is there, over a connection of its own: asking for a missing one closes the channel,
    /// and every unsettled delivery of the other queues would come a second time.
    private func probe(_ queue: String) throws(AMQPError) {
        let link = try BrokerLink(endpoint, name: "\(name) probe", options: options)
        defer { link.close() }
        _ = try link.declareQueue(queue, isPassive: true, arguments: [:])
    }

    private func lost(_ error: AMQPError) {
        logger.warning("AMQP consumer lost its connection", metadata: ["amqp.error": "\(error)"])
        lastError = error
        if error.kind == .channelClosed { link?.close() }
        link = nil
        unsent = []
        for tag in subscriptions.keys {
            // The broker hands these out again; keeping them would exceed the prefetch.
            subscriptions[tag]?.buffer.drop()
            subscriptions[tag]?.batch = []
            if subscriptions[tag]?.state == .active { subscriptions[tag]?.state = .interrupted }
        }
        nextAttempt = .now + backoff.next()
    }
}
