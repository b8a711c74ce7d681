import AMQPClient
import Foundation
import Logging

/// Publishes three messages with confirms and one that no queue takes, reads the three, and leaves nothing behind.
@main
struct AMQPExample {
    let endpoint: AMQPEndpoint
    let queue = "amqp-example.\(UInt64.random(in: 0 ... .max))"
    let logger = Logger(label: "amqp-example")

    static func main() async {
        guard let url = ProcessInfo.processInfo.environment["AMQP_URL"] else {
            print("AMQP_URL=amqp://user:password@host/ amqp-example")
            exit(2)
        }
        do {
            try await AMQPExample(endpoint: AMQPEndpoint(parsing: url)).run()
        } catch {
            print("failed: \(error)")
            exit(1)
        }
    }

    func run() async throws(AMQPError) {
        let connection = AMQPConnection(endpoint: endpoint, name: queue, logger: logger)
        // Should this program be killed, its queue goes by itself a minute later.
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum", "x-expires": 60_000])
        try await publish()
        try await consume(3)
        try await connection.deleteQueue(queue)
        await connection.close()
    }

    /// The empty exchange leads to the queue that is called like the routing key.
    private func publish() async throws(AMQPError) {
        let publisher = AMQPPublisher(endpoint: endpoint, name: queue, logger: logger)
        let messages = (1...3).map { number in
            AMQPMessage(body: Array("message \(number)".utf8), messageID: "\(queue).\(number)")
        }
        let publications = messages.map { AMQPPublication(exchange: "", routingKey: queue, message: $0) }
        for result in await publisher.publish(publications) { try result.get() }
        print("3 messages confirmed")

        do throws(AMQPError) {
            try await publisher.publish(AMQPPublication(exchange: "", routingKey: "nowhere", message: messages[0]))
        } catch {
            guard error.kind == .unroutable else { throw error }
            print("1 message has no queue")
        }
        await publisher.close()
    }

    /// A message may come twice, after a broken connection: its ID tells.
    private func consume(_ count: Int) async throws(AMQPError) {
        let consumer = AMQPConsumer(endpoint: endpoint, name: queue, logger: logger)
        var seen: Set<String> = []
        for await delivery in try await consumer.deliveries(from: queue, prefetch: 10) {
            if seen.insert(delivery.message.messageID ?? "").inserted {
                print("received: \(String(decoding: delivery.message.body, as: UTF8.self))")
            }
            delivery.ack()
            if seen.count == count { break }
        }
        // Sends the settlements first.
        await consumer.close()
    }
}
