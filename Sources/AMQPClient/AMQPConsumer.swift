public import Logging

/// Consumes from one or more queues over one connection, which it reopens when it breaks.
///
/// Each queue has its own prefetch. A subscription the broker ended (its queue was deleted or moved) is tried again
/// with growing waits, without disturbing the others.
public final class AMQPConsumer: Sendable {
    private let core: ConsumerCore

    /// Starts the consumer's thread. It connects with the first subscription.
    ///
    /// - Parameters:
    ///   - endpoint: where the broker is, and as whom to log in.
    ///   - name: shown by the broker's tools as the connection's name.
    ///   - options: times and limits.
    ///   - logger: gets a warning when a connection is lost, and when the broker ends a subscription.
    public init(endpoint: AMQPEndpoint, name: String, options: AMQPOptions = .init(), logger: Logger) {
        core = ConsumerCore(endpoint: endpoint, name: name, options: options, logger: logger)
    }

    /// Subscribes to a queue, once; a second subscription to the same queue competes with the first.
    ///
    /// - Parameters:
    ///   - queue: the queue to read.
    ///   - prefetch: most messages handed out and not settled, 1–65535. 0 counts as 1.
    /// - Returns: the queue's messages, one after another.
    /// - Throws: ``AMQPError/Kind/channelClosed`` with code 404 when there is no such queue, 403 when it may not be
    ///   read; ``AMQPError/Kind/authenticationFailed``; another kind when the broker was not reached within
    ///   ``AMQPOptions/callTimeout``. Once it has returned, the sequence lives through all of these.
    public func deliveries(from queue: String, prefetch: UInt16) async throws(AMQPError) -> AMQPDeliveries {
        AMQPDeliveries(buffer: try await core.subscribe(to: queue, prefetch: max(1, prefetch)), consumer: self)
    }

    /// Ends all subscriptions: sequences finish, and what they had not delivered yet goes back to its queue.
    /// Deliveries already handed out can still be settled.
    public func cancel() async { await core.cancel() }

    /// The same for the subscriptions to one queue; the others go on.
    public func cancel(queue: String) async { await core.cancel(queue: queue) }

    /// A snapshot, good enough to find a consumer which is connected and yet gets nothing.
    public func status() async -> Status { await core.status() }

    /// The same from outside its thread: good enough to find one that hangs.
    public var connectionHealth: AMQPConnectionHealth { core.connectionHealth }

    /// Ends all subscriptions and the connection, after sending the settlements made so far. What is handed out and
    /// not settled goes back to its queue. Every later subscription throws ``AMQPError/Kind/closed``.
    public func close() async { await core.close() }

    /// What a consumer is connected and subscribed to.
    public struct Status: Sendable, Hashable {
        /// Whether there is a connection now.
        public let isConnected: Bool
        /// Queues the broker has confirmed a subscription to, on the present connection.
        public let subscribedQueues: [String]
        /// Queues to be subscribed again as soon as it is possible.
        public let missingQueues: [String]
        /// What went wrong last; nil after all is well again.
        public let lastError: AMQPError?
        /// The present connection, counted from 1; 0 before the first.
        public let generation: UInt64
    }
}
