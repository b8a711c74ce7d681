import AMQPClient
import OperatorConsole
import RabbitMQTransport

/// What the console asks the broker, over one connection that is opened again when it has broken.
struct AMQPBrokerStatus: BrokerStatusProvider {
    let connection: AMQPConnection
    let topology: Topology

    func queues() async throws(BrokerStatusError) -> [QueueStatus] {
        var statuses: [QueueStatus] = []
        do throws(AMQPError) {
            for queue in topology.queues {
                let info = try await connection.inspectQueue(queue.name)
                statuses.append(
                    QueueStatus(
                        name: queue.name,
                        purpose: queue.purpose,
                        role: role(of: queue.name),
                        ready: info?.messageCount,
                        consumers: info?.consumerCount
                    )
                )
            }
        } catch {
            throw BrokerStatusError(
                "the broker: \(error)",
                advice: "is RabbitMQ running? `goldsmith doctor` looks closer"
            )
        }
        // What people look at first stands first.
        return statuses.filter { $0.role == .work } + statuses.filter { $0.role == .human }
            + statuses.filter { $0.role == .kept } + statuses.filter { $0.role == .retry }
    }

    private func role(of queue: String) -> QueueStatus.Role {
        if topology.queuesForHumans.contains(queue) { return .human }
        if queue == topology.oversized { return .kept }
        return topology.consumedQueues.contains(queue) ? .work : .retry
    }
}
