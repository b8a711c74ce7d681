import AMQPClient
import Foundation

/// What stands upstream of Goldsmith: publishes requests with confirms, and follows the events to each image's end.
struct Upstream: Sendable {
    private let publisher: AMQPPublisher
    private let consumer: AMQPConsumer
    private let ends: AMQPDeliveries

    static let queue = "bench.ends"

    init(_ arena: Arena) async throws {
        let endpoint = try arena.endpoint()
        let connection = AMQPConnection(endpoint: endpoint, name: "bench", logger: benchLogger)
        try await connection.declareQueue(Self.queue)
        for key in ["image.available.#", "image.error.#", "request.rejected.#"] {
            try await connection.bindQueue(Self.queue, to: "goldsmith.events", routingKey: key)
        }
        await connection.close()
        publisher = AMQPPublisher(endpoint: endpoint, name: "bench upstream", logger: benchLogger)
        consumer = AMQPConsumer(endpoint: endpoint, name: "bench follower", logger: benchLogger)
        ends = try await consumer.deliveries(from: Self.queue, prefetch: 500)
    }

    func close() async {
        await publisher.close()
        await consumer.close()
    }

    /// One request: a system disk and one data disk, to one location. Four jobs.
    ///
    /// Five images an owner, which is what an owner may have without asking for more.
    private static func request(_ number: Int) -> AMQPPublication {
        let owner = "acct\(number / 5)"
        let body =
            #"{"requestId":"r\#(number)","owner":"\#(owner)","instanceId":"i-sim-\#(owner)-\#(number)","#
            + #""name":"golden-\#(number)","dataDisks":"all","replicateTo":["east"]}"#
        return AMQPPublication(
            exchange: "goldsmith.requests",
            routingKey: "image.create",
            message: AMQPMessage(body: Array(body.utf8), contentType: "application/json", messageID: "r\(number)")
        )
    }

    /// Publishes requests and returns when the broker has confirmed all of them.
    func publish(_ numbers: Range<Int>) async throws {
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 500) {
            let batch = (start..<min(start + 500, numbers.upperBound)).map(Self.request)
            for result in await publisher.publish(batch) { try result.get() }
        }
    }

    /// Returns when so many images are Available.
    func waitForAvailable(_ count: Int) async throws {
        var left = count
        guard left > 0 else { return }
        for await delivery in ends {
            let key = delivery.routingKey
            delivery.ack()
            guard key.hasPrefix("image.available.") else {
                throw BenchFailure("not Available: \(key) \(String(decoding: delivery.message.body, as: UTF8.self))")
            }
            left -= 1
            if left == 0 { return }
        }
        throw BenchFailure("the followed queue is gone")
    }

    /// Publishes and follows at the same time.
    /// - Returns: from the first publish to the last Available.
    func run(_ numbers: Range<Int>) async throws -> Duration {
        let started = ContinuousClock.now
        async let published: Void = publish(numbers)
        try await waitForAvailable(numbers.count)
        try await published
        return ContinuousClock.now - started
    }
}
