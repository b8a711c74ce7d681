public import ImageCore

/// What a worker needs of a broker, without the broker's types.
///
/// The transport handles lost connections itself: deliveries pause, and resume once it is back.
public protocol LaneTransport: Sendable {
    associatedtype Deliveries: AsyncSequence & Sendable
    where Deliveries.Element == any IncomingDelivery, Deliveries.Failure == Never

    var publisher: any MessagePublisher { get }
    var inspector: any QueueInspector & LaneInspector { get }
    /// Where answers may be sent.
    var replies: ReplyRule { get }
    /// The state of its connections now. Waits for nothing, so it also reports a connection that hangs.
    var health: TransportHealth { get }

    /// Begins to take a lane's messages, until `stopDeliveries`.
    /// - Parameter prefetch: how many the broker hands out at once.
    func deliveries(of lane: Lane, prefetch: Int) async throws -> Deliveries
    /// Takes no more of a lane's messages. What was delivered and not begun goes back to its queue.
    func stopDeliveries(of lane: Lane) async
    /// The same for every lane.
    func stopDeliveries() async
    /// Sends nothing more, and ends what still waits for the broker to take it.
    func closePublisher() async
    /// Ends all other connections.
    func close() async
}

/// How a worker's connections to the broker are.
public struct TransportHealth: Sendable, Equatable {
    public var consumer: ConnectionHealth
    public var publisher: ConnectionHealth
    /// Whether the broker takes no messages, because of a memory or disk alarm.
    public var isBlocked: Bool

    public init(consumer: ConnectionHealth, publisher: ConnectionHealth, isBlocked: Bool) {
        self.consumer = consumer
        self.publisher = publisher
        self.isBlocked = isBlocked
    }
}

/// What one connection last noted of itself.
public struct ConnectionHealth: Sendable, Equatable {
    public var isConnected = false
    /// The present or last connection, counted from 1; 0 before the first.
    public var generation: UInt64 = 0
    /// When its thread looks at the connection again at the latest; `nil` when it has no reason to. Long past this time
    /// the thread hangs.
    public var nextTurn: ContinuousClock.Instant?
    /// When anything last came from the broker; `nil` before the first connection.
    public var lastHeard: ContinuousClock.Instant?
    /// Queues to be subscribed again as soon as it is possible.
    public var missingQueues: [String] = []

    /// As before the first connection.
    public init() {}
}
