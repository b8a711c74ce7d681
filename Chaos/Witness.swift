import AMQPClient
import Foundation
import Synchronization

/// What upstream systems see: the answers to their requests and the events of their images.
final class Witness: Sendable {
    struct Answer: Decodable, Equatable, Sendable {
        var status: String
        var imageId: String?
        var code: String?

        var isAccepted: Bool { status == "accepted" }
    }

    /// The numbered events of one image.
    struct History: Sendable {
        var sequences: Set<Int64> = []
        /// The ends that were announced, by their numbers: `available`, `error`.
        var ends: [Int64: String] = [:]

        var lastEnd: String? { ends.max { $0.key < $1.key }?.value }
        var isContradictory: Bool { Set(ends.values).count > 1 }
    }

    struct Seen: Sendable {
        var answers: [String: Answer] = [:]
        var histories: [String: History] = [:]
        var duplicateEvents = 0
        var duplicateAnswers = 0
        /// Requests that got two different answers.
        var contradictions: Set<String> = []
        var available = 0
        var errors = 0
    }

    static let answers = "chaos.answers"
    private static let events = "chaos.events"

    private let notes = Mutex(Seen())
    private let consumer: AMQPConsumer

    var seen: Seen { notes.withLock { $0 } }

    /// - Parameter prefixes: of the installations to watch, whose exchanges exist.
    init(_ endpoint: AMQPEndpoint, prefixes: [String]) async throws {
        let connection = AMQPConnection(endpoint: endpoint, name: "chaos witness", logger: chaosLogger)
        let arguments: AMQPTable = ["x-queue-type": "quorum", "x-delivery-limit": 1_000_000]
        for queue in [Self.answers, Self.events] { try await connection.declareQueue(queue, arguments: arguments) }
        for prefix in prefixes {
            // All but progress, which is neither numbered nor promised.
            for status in ["pending", "replicating", "available", "error", "cleaned"] {
                try await connection.bindQueue(Self.events, to: "\(prefix).events", routingKey: "image.\(status).#")
            }
            try await connection.bindQueue(Self.events, to: "\(prefix).events", routingKey: "step.#")
        }
        await connection.close()
        consumer = AMQPConsumer(endpoint: endpoint, name: "chaos witness", logger: chaosLogger)
    }

    /// Takes notes until it is cancelled.
    func watch() async throws {
        let answers = try await consumer.deliveries(from: Self.answers, prefetch: 200)
        let events = try await consumer.deliveries(from: Self.events, prefetch: 500)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await delivery in answers {
                    self.noteAnswer(delivery.message)
                    delivery.ack()
                }
            }
            group.addTask {
                for await delivery in events {
                    self.noteEvent(delivery)
                    delivery.ack()
                }
            }
        }
    }

    func close() async { await consumer.close() }

    private func noteAnswer(_ message: AMQPMessage) {
        guard let correlation = message.correlationID,
            let answer = try? JSONDecoder().decode(Answer.self, from: Data(message.body))
        else { return }
        notes.withLock { notes in
            if let first = notes.answers[correlation] {
                notes.duplicateAnswers += 1
                if first != answer { notes.contradictions.insert(correlation) }
            } else {
                notes.answers[correlation] = answer
            }
        }
    }

    /// An event's id is `<image>/<sequence>`, so its body need not be read.
    private func noteEvent(_ delivery: AMQPDelivery) {
        let parts = (delivery.message.messageID ?? "").split(separator: "/")
        guard parts.count == 2, let sequence = Int64(parts[1]) else { return }
        let words = delivery.routingKey.split(separator: ".")
        notes.withLock { notes in
            guard notes.histories[String(parts[0]), default: History()].sequences.insert(sequence).inserted else {
                notes.duplicateEvents += 1
                return
            }
            guard words.first == "image", words.count > 1 else { return }
            switch words[1] {
            case "available": notes.available += 1
            case "error": notes.errors += 1
            default: return
            }
            notes.histories[String(parts[0])]?.ends[sequence] = String(words[1])
        }
    }
}
