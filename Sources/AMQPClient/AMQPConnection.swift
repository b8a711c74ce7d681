public import Logging

/// One plain connection, for topology and inspection. It does not reconnect by itself; after the broker closed the
/// channel or the connection broke, the next call opens a new one.
///
/// Every call blocks this connection's own thread, never one of the cooperative pool, and ends after
/// ``AMQPOptions/callTimeout`` at the latest; the time to connect comes on top when there is no connection.
public actor AMQPConnection: ThreadResident {
    private let endpoint: AMQPEndpoint
    private let name: String
    private let options: AMQPOptions
    private let logger: Logger
    private let thread: ConnectionThread
    private let outbox: Mailbox<Settlement>
    private var link: BrokerLink?
    private var generation: UInt64 = 0
    /// Whether the link's channel is in a transaction.
    private var isTransacting = false
    private var isClosed = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Starts the connection's thread, and does not connect yet: see ``open()``.
    ///
    /// - Parameters:
    ///   - endpoint: where the broker is, and as whom to log in.
    ///   - name: shown by the broker's tools as the connection's name.
    ///   - options: times and limits.
    ///   - logger: gets a debug line when the connection ends between two calls.
    public init(endpoint: AMQPEndpoint, name: String, options: AMQPOptions = .init(), logger: Logger) {
        self.endpoint = endpoint
        self.name = name
        self.options = options
        self.logger = logger
        thread = ConnectionThread()
        outbox = Mailbox(thread: thread)
        thread.start(self)
    }

    deinit { thread.stop() }

    /// Connects now, rather than at the first call. Does nothing when connected.
    /// - Throws: ``AMQPError/Kind/connectionFailed``, ``AMQPError/Kind/authenticationFailed``,
    ///   ``AMQPError/Kind/invalidEndpoint`` (a TLS file cannot be used) or ``AMQPError/Kind/closed``. Every other call may
    ///   throw these too, and ``AMQPError/Kind/connectionLost`` or ``AMQPError/Kind/timedOut``.
    public func open() throws(AMQPError) {
        _ = try opened()
    }

    /// Says goodbye to the broker. Every later call throws ``AMQPError/Kind/closed``.
    public func close() {
        isClosed = true
        flush()
        link?.close()
        link = nil
    }

    /// What the broker tells about itself: `product`, `version`, `capabilities`, `cluster_name` … Connects when needed.
    public var serverProperties: AMQPTable {
        get throws(AMQPError) { try opened().serverProperties }
    }

    // MARK: Topology

    /// Declares a durable exchange. Does nothing when it exists and is the same.
    ///
    /// - Parameters:
    ///   - name: at most 255 bytes of UTF-8.
    ///   - type: `direct`, `fanout`, `topic`, `headers`, or one that a plugin of the broker adds.
    ///   - arguments: for example `alternate-exchange`.
    /// - Throws: ``AMQPError/Kind/channelClosed`` with code 406 when it exists and is different.
    public func declareExchange(_ name: String, type: String, arguments: AMQPTable = [:]) throws(AMQPError) {
        try call { link throws(AMQPError) in
            try link.declareExchange(name, type: type, isPassive: false, arguments: arguments)
        }
    }

    /// Declares a durable queue that is neither exclusive nor deleted by itself. Does nothing when it exists and is the same.
    ///
    /// - Parameters:
    ///   - name: at most 255 bytes of UTF-8.
    ///   - arguments: for example `x-queue-type`, `x-expires` (milliseconds), `x-dead-letter-exchange`.
    /// - Returns: its name, messages and consumers.
    /// - Throws: ``AMQPError/Kind/channelClosed`` with code 406 when it exists and is different.
    @discardableResult
    public func declareQueue(_ name: String, arguments: AMQPTable = [:]) throws(AMQPError) -> AMQPQueueInfo {
        try call { link throws(AMQPError) in try link.declareQueue(name, isPassive: false, arguments: arguments) }
    }

    /// How many messages and consumers a queue has; nil when there is no such queue.
    public func inspectQueue(_ name: String) throws(AMQPError) -> AMQPQueueInfo? {
        try nilWhenMissing { link throws(AMQPError) in
            try link.declareQueue(name, isPassive: true, arguments: [:])
        }
    }

    /// Whether there is an exchange of this name, of whatever type.
    public func exchangeExists(_ name: String) throws(AMQPError) -> Bool {
        try nilWhenMissing { link throws(AMQPError) in
            // The type is not compared when the declaration is passive, but must be one the broker knows.
            try link.declareExchange(name, type: "direct", isPassive: true, arguments: [:])
        } != nil
    }

    /// Binds a queue to an exchange. Does nothing when it is bound so already.
    ///
    /// - Parameters:
    ///   - queue: the queue that gets the messages.
    ///   - exchange: the exchange they are published to.
    ///   - routingKey: a key, or a pattern where the exchange's type is `topic`.
    ///   - arguments: what a `headers` exchange matches.
    /// - Throws: ``AMQPError/Kind/channelClosed`` with code 404 when queue or exchange is missing, 403 without the right.
    public func bindQueue(
        _ queue: String,
        to exchange: String,
        routingKey: String,
        arguments: AMQPTable = [:]
    ) throws(AMQPError) {
        try call { link throws(AMQPError) in
            try link.bindQueue(queue, to: exchange, routingKey: routingKey, arguments: arguments)
        }
    }

    /// Removes one binding, named exactly as it was made. Without effect when there is none.
    ///
    /// - Parameters:
    ///   - queue: the queue that was bound.
    ///   - exchange: the exchange it was bound to.
    ///   - routingKey: the key of the binding.
    ///   - arguments: those of the binding.
    public func unbindQueue(
        _ queue: String,
        from exchange: String,
        routingKey: String,
        arguments: AMQPTable = [:]
    ) throws(AMQPError) {
        try call { link throws(AMQPError) in
            try link.unbindQueue(queue, from: exchange, routingKey: routingKey, arguments: arguments)
        }
    }

    /// Deletes the queue and what is in it; returns the number of messages lost. Without effect when there is none.
    @discardableResult
    public func deleteQueue(_ name: String) throws(AMQPError) -> Int {
        try call { link throws(AMQPError) in try link.deleteQueue(name) }
    }

    /// Deletes the exchange and its bindings. Without effect when there is none.
    public func deleteExchange(_ name: String) throws(AMQPError) {
        try call { link throws(AMQPError) in try link.deleteExchange(name) }
    }

    /// Drops the messages ready for delivery; returns their number. Those handed out and not settled stay.
    /// - Throws: ``AMQPError/Kind/channelClosed`` with code 404 when there is no such queue.
    @discardableResult
    public func purgeQueue(_ name: String) throws(AMQPError) -> Int {
        try call { link throws(AMQPError) in try link.purgeQueue(name) }
    }

    /// Takes one message, to be settled as any other delivery; nil when none is ready.
    ///
    /// For tools and tests that look at a single message; ``AMQPConsumer`` is far cheaper for a stream of them. A message
    /// that is not settled goes back to its queue when this connection ends, which a failed call may make it do.
    /// - Throws: ``AMQPError/Kind/channelClosed`` with code 404 when there is no such queue.
    public func get(_ queue: String) throws(AMQPError) -> AMQPDelivery? {
        let event = try call { link throws(AMQPError) in try link.get(from: queue) }
        guard case .got(let deliveryTag, let isRedelivered, let received) = event else { return nil }
        let settler = Settler(deliveryTag: deliveryTag, generation: generation, outbox: outbox)
        return AMQPDelivery(received, isRedelivered: isRedelivered, settler: settler)
    }

    // MARK: Rights

    /// Whether this user may publish to an exchange; nil when there is none. Nothing is published, and nothing is written
    /// into the broker's log unless the answer is no.
    ///
    /// In a transaction a broker looks at the user's rights when a message comes, and passes it on at the commit only.
    public func mayPublish(to exchange: String) throws(AMQPError) -> Bool? {
        let message = AMQPMessage(body: [], isPersistent: false)
        let offer = AMQPPublication(exchange: exchange, routingKey: "rights", message: message, isMandatory: false)
        return try isAllowed(inTransaction: true) { link throws(AMQPError) in
            try link.beginTransaction()
            try link.publish([offer], until: .now + options.callTimeout)
            try link.rollBackTransaction()
        }
    }

    /// Whether this user may consume a queue; nil when there is none. Nothing is consumed.
    ///
    /// A broker looks at the user's rights when a message is asked for, of which an empty queue has none. From another
    /// one a subscription is asked for that must be refused, because its priority is no number: that leaves a line in the
    /// broker's log.
    public func mayConsume(from queue: String) throws(AMQPError) -> Bool? {
        var isEmpty = true
        do throws(AMQPError) {
            isEmpty = try inspectQueue(queue)?.messageCount ?? 0 == 0
        } catch {
            // RabbitMQ 4.3 refuses even a passive declaration to a user without any right.
            guard error.kind == .channelClosed, error.code == 403 else { throw error }
        }
        guard isEmpty else {
            return try isAllowed { link throws(AMQPError) in
                try link.consume(from: queue, consumerTag: "rights", prefetch: 1, arguments: ["x-priority": "none"])
                // It was not refused: what it began must not go on.
                link.close()
                throw AMQPError(.connectionLost, "the broker took what it should have refused")
            }
        }
        return try isAllowed { link throws(AMQPError) in
            // What has come in the meantime goes back to its place.
            guard case .got(let deliveryTag, _, _) = try link.get(from: queue) else { return }
            let back = Settlement(verdict: .nack(requeue: true), deliveryTag: deliveryTag, generation: generation)
            try link.settle([back], until: .now + options.callTimeout)
        }
    }

    private func isAllowed(
        inTransaction: Bool = false,
        _ body: (BrokerLink) throws(AMQPError) -> Void
    ) throws(AMQPError) -> Bool? {
        do throws(AMQPError) {
            try call(inTransaction: inTransaction, body)
            return true
        } catch {
            switch (error.kind, error.code) {
            // Not for its sender, but for what it asks.
            case (.channelClosed, 406): return true
            case (.channelClosed, 403): return false
            case (.channelClosed, 404): return nil
            default: throw error
            }
        }
    }

    // MARK: The link

    private func opened() throws(AMQPError) -> BrokerLink {
        guard !isClosed else { throw AMQPError(.closed, "the connection was closed") }
        if let link { return link }
        let link = try BrokerLink(endpoint, name: name, options: options)
        generation += 1
        self.link = link
        return link
    }

    private func call<R>(
        inTransaction: Bool = false,
        _ body: (BrokerLink) throws(AMQPError) -> R
    ) throws(AMQPError) -> R {
        flush()
        // A channel cannot leave its transactions again.
        if isTransacting, !inTransaction { drop() }
        let link = try opened()
        isTransacting = inTransaction
        do throws(AMQPError) {
            return try body(link)
        } catch {
            if !link.isUsable { drop(link, after: error) }
            throw error
        }
    }

    private func nilWhenMissing<R>(_ body: (BrokerLink) throws(AMQPError) -> R) throws(AMQPError) -> R? {
        do throws(AMQPError) {
            return try call(body)
        } catch {
            if error.kind == .channelClosed, error.code == 404 { return nil }
            throw error
        }
    }

    private func drop() {
        link?.close()
        link = nil
    }

    private func drop(_ link: BrokerLink, after error: AMQPError) {
        if error.kind == .channelClosed { link.close() }
        self.link = nil
    }

    private func flush() {
        let settlements = outbox.takeAll().filter { $0.generation == generation }
        guard let link, !settlements.isEmpty else { return }
        do throws(AMQPError) {
            try link.settle(settlements, until: .now + options.callTimeout)
        } catch {
            drop(link, after: error)
        }
    }

    nonisolated func turn() -> PollInterest {
        assumeIsolated { $0.serve() }
    }

    /// Keeps heartbeats going between calls, and notices when the broker is gone.
    private func serve() -> PollInterest {
        flush()
        guard let link else { return PollInterest() }
        do throws(AMQPError) {
            var events: [BrokerEvent] = []
            try link.receive(into: &events)
        } catch {
            logger.debug("AMQP connection ended", metadata: ["amqp.error": "\(error)"])
            drop(link, after: error)
            return PollInterest()
        }
        return PollInterest(
            descriptor: link.descriptor,
            deadline: link.hasBufferedInput ? .now : link.heartbeatInterest
        )
    }
}
