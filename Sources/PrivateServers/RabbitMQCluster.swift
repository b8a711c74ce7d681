public import SystemPackage

/// RabbitMQ nodes on this machine that form one cluster: a port mapper, a cookie and a user for all.
///
/// A quorum queue that is declared once all have started has a replica on each of them.
public final class RabbitMQCluster: Sendable {
    public let nodes: [RabbitMQNode]
    private let portMapper: ServerProcess
    private let monitor: ParentMonitor

    /// Starts the nodes one after the other and returns when all take connections.
    ///
    /// - Parameters:
    ///   - folder: gets a folder for each node; made when missing. A cluster is not started a second time in it.
    ///   - count: how many nodes, 1–9. Three bear the loss of one.
    public static func start(
        in folder: FilePath,
        count: Int = 3,
        options: RabbitMQNode.Options = .init()
    ) async throws -> RabbitMQCluster {
        try Files.makeFolder(folder)
        let port = try Loopback.freePorts(1)[0]
        let monitor = try ParentMonitor()
        let portMapper = try RabbitMQNode.portMapper(options, port)
        monitor.watch([portMapper.pid])
        let (password, cookie) = (Secrets.random(), Secrets.random())
        var nodes: [RabbitMQNode] = []
        do {
            for number in 1...max(1, count) {
                var options = options
                let membership = RabbitMQNode.Membership(
                    name: "goldsmith\(number)@localhost",
                    password: password,
                    cookie: cookie,
                    portMapperPort: port
                )
                options.membership = membership
                if let first = nodes.first {
                    // One after the other, each joins the first: no two can found a cluster of their own.
                    options.configuration += [
                        "cluster_formation.peer_discovery_backend = classic_config",
                        "cluster_formation.classic_config.nodes.1 = \(first.name)",
                        "cluster_formation.classic_config.nodes.2 = \(membership.name)",
                    ]
                }
                nodes.append(try await RabbitMQNode.start(in: folder.appending("node-\(number)"), options: options))
            }
        } catch {
            for node in nodes { node.kill() }
            portMapper.killNow()
            throw error
        }
        return RabbitMQCluster(nodes, portMapper, monitor)
    }

    private init(_ nodes: [RabbitMQNode], _ portMapper: ServerProcess, _ monitor: ParentMonitor) {
        self.nodes = nodes
        self.portMapper = portMapper
        self.monitor = monitor
    }

    deinit { portMapper.killNow() }

    /// The node that leads a quorum queue; nil when there is none at the moment, or no such queue.
    public func leader(of queue: String) async throws -> RabbitMQNode? {
        guard let asked = nodes.first(where: \.isRunning) else { return nil }
        let lines = try await asked.control(["--quiet", "list_queues", "name", "leader"]).split(separator: "\n")
        let line = lines.first { $0.hasPrefix(queue + "\t") }
        return nodes.first { line?.hasSuffix("\t" + $0.name) == true }
    }

    /// Stops all nodes; returns when all processes are gone.
    public func stop() async {
        for node in nodes { await node.stop() }
        portMapper.killNow()
        monitor.watch([])
    }
}
