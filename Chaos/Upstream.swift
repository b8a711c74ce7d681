import AMQPClient
import Foundation
import Synchronization

/// What asks for images: publishes with confirms, and sends what was not confirmed again under the same request id.
final class Upstream: Sendable {
    private struct Books: Sendable {
        var asked: Set<String> = []
        var confirmed: [Ask] = []
        var resent = 0
    }

    /// An image to be cancelled some time after its request was answered.
    private struct Cancelling {
        var ask: Ask
        var due: ContinuousClock.Instant?
    }

    private let publisher: AMQPPublisher
    private let witness: Witness
    private let books = Mutex(Books())

    init(_ endpoint: AMQPEndpoint, _ witness: Witness) {
        publisher = AMQPPublisher(endpoint: endpoint, name: "chaos upstream", logger: chaosLogger)
        self.witness = witness
    }

    /// How many different requests were made.
    var askedCount: Int { books.withLock { $0.asked.count } }
    /// The requests that the broker has confirmed; one that was sent twice stands here twice.
    var confirmed: [Ask] { books.withLock { $0.confirmed } }
    var confirmedCount: Int { books.withLock { $0.confirmed.count } }
    /// How often a request was sent again because its confirm did not come.
    var resent: Int { books.withLock { $0.resent } }

    func close() async { await publisher.close() }

    /// Sends all, spread evenly over the time; returns when every one is confirmed and every cancellation is sent.
    func send(_ asks: [Ask], over time: Duration) async throws {
        let started = ContinuousClock.now
        var next = 0
        var toCancel = asks.filter { $0.cancelAfter != nil }.map { Cancelling(ask: $0) }
        while next < asks.count || !toCancel.isEmpty {
            try await Task.sleep(for: .milliseconds(250))
            let passed = (ContinuousClock.now - started) / time
            let due = min(asks.count, Int(Double(asks.count) * passed) + 1)
            let now = asks[next..<due]
            next = due
            try await deliver(
                now + now.filter(\.isSentTwice) + takeCancellations(from: &toCancel, isLast: passed > 1.2)
            )
        }
    }

    /// - Parameter isLast: the last call: requests without an answer by now are not waited for.
    private func takeCancellations(from waiting: inout [Cancelling], isLast: Bool) -> [Ask] {
        let answers = witness.seen.answers
        let now = ContinuousClock.now
        var cancellations: [Ask] = []
        for index in waiting.indices where waiting[index].due == nil {
            guard answers[waiting[index].ask.correlation] != nil else { continue }
            waiting[index].due = now + (waiting[index].ask.cancelAfter ?? .zero)
        }
        waiting.removeAll { cancelling in
            guard let due = cancelling.due else { return isLast }
            guard due <= now else { return false }
            // What was refused has no image to cancel.
            if let image = answers[cancelling.ask.correlation]?.imageId {
                cancellations.append(cancelling.ask.cancellation(of: image))
            }
            return true
        }
        return cancellations
    }

    private func deliver(_ asks: [Ask]) async throws {
        var left = asks
        books.withLock { $0.asked.formUnion(asks.map(\.correlation)) }
        while !left.isEmpty {
            let results = await publisher.publish(left.map(\.publication))
            let taken = zip(left, results).filter { if case .success = $1 { true } else { false } }.map(\.0)
            left = zip(left, results).filter { if case .failure = $1 { true } else { false } }.map(\.0)
            books.withLock { books in
                books.confirmed += taken
                books.resent += left.count
            }
            if !left.isEmpty { try await Task.sleep(for: .seconds(1)) }
        }
    }
}

extension Ask {
    var publication: AMQPPublication {
        AMQPPublication(
            exchange: "\(prefix).requests",
            routingKey: operation,
            message: AMQPMessage(
                body: Array(body.utf8),
                contentType: "application/json",
                messageID: requestID,
                correlationID: correlation,
                replyTo: Witness.answers
            )
        )
    }
}
