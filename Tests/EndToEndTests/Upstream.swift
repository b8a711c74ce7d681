import AMQPClient
import FoundationEssentials
import GoldsmithTestSupport

/// An upstream system: publishes requests with a confirm and gets its answers by `reply_to`.
actor Upstream {
    struct Answer: Decodable, Equatable, Sendable {
        var status: String
        var imageId: String?
        var imageStatus: String?
        var code: String?
        var message: String?
        var field: String?
    }

    private let publisher: AMQPPublisher
    private let consumer: AMQPConsumer
    private var answers: [String: [Answer]] = [:]
    private var reading: Task<Void, Never>?
    private var lastNumber = 0

    private let replies: String
    private let user: String

    /// With the right to make a queue for the answers.
    init(_ url: String) async throws {
        let endpoint = try AMQPEndpoint(parsing: url)
        let connection = AMQPConnection(endpoint: endpoint, name: "upstream", logger: testLogger)
        _ = try await connection.declareQueue("test.replies", arguments: ["x-queue-type": "quorum"])
        await connection.close()
        try await self.init(endpoint, replies: "test.replies")
    }

    /// - Parameter replies: a queue that is there.
    init(_ endpoint: AMQPEndpoint, replies: String) async throws {
        self.replies = replies
        user = endpoint.user
        publisher = AMQPPublisher(endpoint: endpoint, name: "upstream", logger: testLogger)
        consumer = AMQPConsumer(endpoint: endpoint, name: "upstream", logger: testLogger)
        let deliveries = try await consumer.deliveries(from: replies, prefetch: 100)
        reading = Task { [weak self] in
            for await delivery in deliveries {
                await self?.take(delivery)
                delivery.ack()
            }
        }
    }

    private func take(_ delivery: AMQPDelivery) {
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(delivery.message.body)) else { return }
        answers[delivery.message.correlationID ?? "", default: []].append(answer)
    }

    /// Sends one request and waits for its answer.
    func ask(
        _ body: [UInt8],
        operation: String = "image.create",
        contentType: String? = "application/json",
        messageID: String? = nil
    ) async throws -> Answer? {
        lastNumber += 1
        let correlation = "c-\(lastNumber)"
        let publication = AMQPPublication(
            exchange: "goldsmith.requests",
            routingKey: operation,
            message: AMQPMessage(
                body: body,
                contentType: contentType,
                messageID: messageID,
                correlationID: correlation,
                replyTo: replies,
                userID: user
            )
        )
        // A busy broker may not take a connection in time. Nothing has been sent then.
        _ = try await eventually {
            do throws(AMQPError) {
                try await publisher.publish(publication)
                return true
            } catch {
                guard error.kind == .connectionFailed else { throw error }
                return false
            }
        }
        _ = await eventually { self.answers[correlation] != nil }
        return answers[correlation]?.first
    }

    func ask(_ json: String) async throws -> Answer? { try await ask(Array(json.utf8)) }

    func close() async {
        await publisher.close()
        await consumer.close()
        await reading?.value
    }
}
