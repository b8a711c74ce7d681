import AMQPClient
import GoldsmithTestSupport
import PrivateServers
import SystemPackage

/// The broker, alone or a cluster, behind a proxy that all connections go through.
final class BrokerSite: Sendable {
    private enum Kind: Sendable {
        case alone(RabbitMQNode)
        case cluster(RabbitMQCluster)
    }

    private static let memoryLimit = 1 << 30

    private let kind: Kind
    private let proxy: FaultProxy

    static func start(below folder: FilePath, isCluster: Bool) async throws -> BrokerSite {
        var options = RabbitMQNode.Options()
        options.memoryLimit = memoryLimit
        // On two cores, with everything else at work.
        options.startTimeout = .seconds(180)
        let kind: Kind =
            if isCluster {
                .cluster(try await RabbitMQCluster.start(in: folder.appending("cluster"), options: options))
            } else {
                .alone(try await RabbitMQNode.start(in: folder.appending("broker"), options: options))
            }
        return try BrokerSite(kind)
    }

    private init(_ kind: Kind) throws {
        self.kind = kind
        proxy = try FaultProxy(to: Self.nodes(of: kind).map(\.port))
    }

    private static func nodes(of kind: Kind) -> [RabbitMQNode] {
        switch kind {
        case .alone(let node): [node]
        case .cluster(let cluster): cluster.nodes
        }
    }

    var nodes: [RabbitMQNode] { Self.nodes(of: kind) }

    /// Through the proxy.
    var url: String { "amqp://\(nodes[0].user):\(nodes[0].password)@127.0.0.1:\(proxy.port)/" }

    func endpoint() throws -> AMQPEndpoint { try AMQPEndpoint(parsing: url) }

    var faults: [Fault] {
        switch kind {
        case .alone: [.killBroker, .restartBroker, .freezeBroker, .memoryAlarm, .cutBroker, .cutFrame, .purgeQueue]
        case .cluster: [.killLeader, .cutBroker, .cutFrame, .purgeQueue]
        }
    }

    /// - Parameters:
    ///   - queue: the queue to purge, or whose leader to kill.
    ///   - bytes: where to cut a frame.
    func inflict(_ fault: Fault, for time: Duration, queue: String, bytes: Int) async throws {
        let node = nodes[0]
        switch fault {
        case .killBroker:
            node.kill()
            try await node.restart()
        case .restartBroker: try await node.restart()
        case .freezeBroker:
            node.freeze()
            defer { node.thaw() }
            try await Task.sleep(for: time)
        case .killLeader:
            guard case .cluster(let cluster) = kind, let leader = try await cluster.leader(of: queue) else {
                throw ChaosFailure("\(queue) has no leader")
            }
            leader.kill()
            try await Task.sleep(for: time)
            try await leader.restart()
        case .memoryAlarm:
            try await node.control(["set_vm_memory_high_watermark", "0"])
            // If this is cancelled, `heal` takes the alarm back.
            try await Task.sleep(for: time)
            try await endAlarm()
        case .cutBroker: proxy.cut()
        case .cutFrame: proxy.cut(after: bytes, bytes % 2 == 0 ? .toServer : .toClient)
        case .purgeQueue:
            let connection = AMQPConnection(endpoint: try endpoint(), name: "chaos purge", logger: chaosLogger)
            try await connection.purgeQueue(queue)
            await connection.close()
        case .killWorker, .freezeWorker, .drainWorker, .killStore, .restartStore, .freezeStore, .cutStore,
            .cutStatement, .fillLocation, .startInstance:
            throw ChaosFailure("\(fault.rawValue) is no fault of a broker")
        }
    }

    private func endAlarm() async throws {
        try await nodes[0].control(["set_vm_memory_high_watermark", "absolute", "\(Self.memoryLimit)"])
    }

    /// Ends every fault.
    func heal() async throws {
        for node in nodes {
            node.thaw()
            if !node.isRunning { try await node.restart() }
        }
        if case .alone = kind { try await endAlarm() }
    }

    func stop() async {
        proxy.stop()
        switch kind {
        case .alone(let node): await node.stop()
        case .cluster(let cluster): await cluster.stop()
        }
    }

    /// The number of messages in a queue; `nil` if unknown.
    func messages(in queue: String) async -> Int? {
        guard let endpoint = try? endpoint() else { return nil }
        let connection = AMQPConnection(endpoint: endpoint, name: "chaos judge", logger: chaosLogger)
        let info = try? await connection.inspectQueue(queue)
        await connection.close()
        return info?.messageCount
    }
}
