import AMQPClient
import Foundation
import Logging

/// Asks Goldsmith for an image of a stopped instance, and follows the making to its end.
@main
struct MakeImage {
    enum Outcome: Int32 {
        case available = 0
        case failed = 1
        case rejected = 4
        case outOfReach = 5
    }

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        guard let url = ProcessInfo.processInfo.environment["AMQP_URL"], arguments.count >= 3 else {
            complain("AMQP_URL=amqp://user:password@host/ make-image OWNER INSTANCE NAME [DATA-DISK ...]")
            exit(2)
        }
        let words = Array(arguments)
        let request = CreateRequest(
            requestId: UUID().uuidString.lowercased(),
            owner: words[0],
            instanceId: words[1],
            name: words[2],
            dataDisks: words[3...].map { CreateRequest.Disk(device: $0) }
        )
        do {
            var making = try Making(request, endpoint: AMQPEndpoint(parsing: url))
            exit(try await making.run().rawValue)
        } catch {
            complain("\(error)")
            exit(Outcome.outOfReach.rawValue)
        }
    }

    /// At once, also into a pipe.
    static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
    static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

struct Making {
    private let request: CreateRequest
    private let endpoint: AMQPEndpoint
    private let queue: String
    /// Whether it is made for this request, and deleted after it.
    private let isOwnQueue: Bool
    private let logger = Logger(label: "make-image")
    private var image: String?
    private var numbers: Set<String> = []

    init(_ request: CreateRequest, endpoint: AMQPEndpoint) {
        self.request = request
        self.endpoint = endpoint
        // A user that may make none names one that is bound to the owner's events, such as goldsmith.producer.events.
        let given = ProcessInfo.processInfo.environment["AMQP_QUEUE"]
        isOwnQueue = given == nil
        queue = given ?? "example.\(request.requestId)"
    }

    /// Connections that break are opened again by the publisher and the consumer, each its own.
    mutating func run() async throws -> MakeImage.Outcome {
        // Answers and events in one queue, which outlives a connection; our own is gone an hour after us. It is bound before
        // anything is asked, so that no event is missed.
        let connection = AMQPConnection(endpoint: endpoint, name: queue, logger: logger)
        if isOwnQueue {
            try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum", "x-expires": 3_600_000])
            try await connection.bindQueue(queue, to: "goldsmith.events", routingKey: "image.*.\(request.owner)")
        }

        let consumer = AMQPConsumer(endpoint: endpoint, name: queue, logger: logger)
        let deliveries = try await consumer.deliveries(from: queue, prefetch: 20)
        try await publish()
        var outcome: MakeImage.Outcome?
        for await delivery in deliveries {
            outcome = try take(delivery.message)
            delivery.ack()
            if outcome != nil { break }
        }
        await consumer.close()
        // It goes by itself as well.
        if isOwnQueue { _ = try? await connection.deleteQueue(queue) }
        await connection.close()
        return outcome ?? .outOfReach
    }

    /// Returns once the broker has confirmed the request; it is safe then.
    private func publish() async throws {
        let publisher = AMQPPublisher(endpoint: endpoint, name: queue, logger: logger)
        let message = AMQPMessage(
            body: Array(try JSONEncoder().encode(request)),
            contentType: "application/json",
            correlationID: request.requestId,
            replyTo: queue,
            // The broker vouches for it, and Goldsmith goes by it.
            userID: endpoint.user
        )
        try await publisher.publish(
            AMQPPublication(exchange: "goldsmith.requests", routingKey: "image.create", message: message)
        )
        await publisher.close()
    }

    /// What an answer or an event says; the outcome if it is the end.
    private mutating func take(_ message: AMQPMessage) throws -> MakeImage.Outcome? {
        let body = Data(message.body)
        if message.contentType == "application/json" {
            // A queue that others have used may hold answers to them.
            guard message.correlationID == request.requestId else { return nil }
            return take(try JSONDecoder().decode(Answer.self, from: body))
        }
        // A queue that is bound for us may bring all events of its owners.
        guard try JSONDecoder().decode(Kind.self, from: body).type.hasPrefix("goldsmith.image.") else { return nil }
        return take(try JSONDecoder().decode(Event.self, from: body))
    }

    private struct Kind: Decodable {
        var type: String
    }

    private mutating func take(_ answer: Answer) -> MakeImage.Outcome? {
        guard answer.status == "accepted" else {
            MakeImage.complain("\(answer.code ?? ""): \(answer.message ?? "") (\(answer.field ?? "the whole"))")
            return .rejected
        }
        image = answer.imageId
        return nil
    }

    private mutating func take(_ event: Event) -> MakeImage.Outcome? {
        let data = event.data
        if let progress = data.progress {
            guard data.imageId == image else { return nil }
            MakeImage.say("  \(data.step ?? "") \(data.subject ?? ""): \(progress.doneBytes) of \(progress.totalBytes)")
            return nil
        }
        // Not other images of this owner, nor second copies.
        guard data.requestId == request.requestId, numbers.insert(event.sequence ?? "").inserted else { return nil }
        MakeImage.say("\(event.time) \(data.imageId) is \(data.status)")
        switch event.type {
        case "goldsmith.image.available": return .available
        case "goldsmith.image.error":
            MakeImage.complain("\(data.code ?? ""): \(data.message ?? "") \(data.advice ?? "")")
            return .failed
        default: return nil
        }
    }
}
