import AMQPClient
import Operations
import RabbitMQTransport

/// What the console asks the broker, over one connection that is opened again when it has broken.
struct AMQPBrokerStatus: BrokerStatusProvider {
    let connection: AMQPConnection
    let topology: Topology

    func queues() async throws(BrokerStatusError) -> [QueueStatus] {
        do {
            return try await topology.survey(on: connection).forPeople
        } catch {
            throw BrokerStatusError(
                "the broker: \(error)",
                advice: "is RabbitMQ running? `goldsmith doctor` looks closer"
            )
        }
    }
}
