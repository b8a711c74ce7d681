public import AMQPClient
public import ImageCore
public import ImageWorker
public import Logging

/// The connections of one worker to RabbitMQ.
public struct WorkerConnections: LaneTransport {
    private let confirming: AMQPPublisher
    private let consumer: AMQPConsumer
    private let inspection: AMQPConnection
    private let topology: Topology
    private let user: String
    public let publisher: any MessagePublisher

    public init(
        endpoint: AMQPEndpoint,
        topology: Topology,
        of worker: WorkerID,
        time: any Timekeeper,
        logger: Logger
    ) {
        let name = "goldsmith worker \(worker)"
        // Two connections: under a memory alarm the broker stops reading from one that publishes, and acknowledgements
        // on it would not be read either.
        confirming = AMQPPublisher(endpoint: endpoint, name: name + " (publish)", logger: logger)
        consumer = AMQPConsumer(endpoint: endpoint, name: name + " (consume)", logger: logger)
        inspection = AMQPConnection(endpoint: endpoint, name: name + " (inspect)", logger: logger)
        self.topology = topology
        user = endpoint.user
        publisher = BrokerPublisher(
            publisher: confirming,
            topology: topology,
            user: endpoint.user,
            time: time,
            logger: logger
        )
    }

    public var inspector: any QueueInspector & LaneInspector {
        BrokerInspector(connection: inspection, topology: topology)
    }

    public var replies: ReplyRule { ReplyRule(prefix: topology.prefix) }

    public var health: TransportHealth {
        TransportHealth(
            consumer: ConnectionHealth(consumer.connectionHealth),
            publisher: ConnectionHealth(confirming.connectionHealth),
            isBlocked: confirming.isBlocked
        )
    }

    public func deliveries(
        of lane: Lane,
        prefetch: Int
    ) async throws(AMQPError) -> AsyncMapSequence<AMQPDeliveries, any IncomingDelivery> {
        let (user, jobs) = (user, topology.exchange(for: .jobs))
        let deliveries = try await consumer.deliveries(
            from: topology.queue(of: lane),
            prefetch: UInt16(clamping: prefetch)
        )
        return deliveries.map { BrokerDelivery(delivery: $0, ownUser: user, jobs: jobs) as any IncomingDelivery }
    }

    public func stopDeliveries(of lane: Lane) async { await consumer.cancel(queue: topology.queue(of: lane)) }
    public func stopDeliveries() async { await consumer.cancel() }
    public func closePublisher() async { await confirming.close() }

    public func close() async {
        await consumer.close()
        await inspection.close()
    }
}

extension ConnectionHealth {
    fileprivate init(_ health: AMQPConnectionHealth) {
        self.init()
        isConnected = health.isConnected
        generation = health.generation
        nextTurn = health.nextTurn
        lastHeard = health.lastHeard
        missingQueues = health.missingQueues
    }
}
