import AMQPClient
import Foundation

/// What stands upstream of Goldsmith: publishes requests with confirms, and follows the events to each image's end.
struct Upstream: Sendable {
    private let publisher: AMQPPublisher
    private let consumer: AMQPConsumer
    private let ends: AMQPDeliveries
    private let instance: SharedInstance?

    static let queue = "bench.ends"

    /// An instance that all requests are for.
    struct SharedInstance: Sendable {
        var id: String
        var owner: String
    }

    /// - Parameter instance: default: each request is for one of its own.
    init(_ arena: Arena, instance: SharedInstance? = nil) async throws {
        self.instance = instance
        let endpoint = try arena.endpoint()
        let connection = AMQPConnection(endpoint: endpoint, name: "bench", logger: benchLogger)
        try await connection.declareQueue(Self.queue)
        for key in ["image.replicating.#", "image.available.#", "image.error.#", "request.rejected.#"]
        where instance != nil || key != "image.replicating.#" {
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
    private func request(_ number: Int) -> AMQPPublication {
        let owner = instance?.owner ?? "acct\(number / 5)"
        let id = instance?.id ?? "i-sim-\(owner)-\(number)"
        let body =
            #"{"requestId":"r\#(number)","owner":"\#(owner)","instanceId":"\#(id)","#
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
            let batch = (start..<min(start + 500, numbers.upperBound)).map(request)
            for result in await publisher.publish(batch) { try result.get() }
        }
    }

    /// Returns when so many images are Available.
    /// - Returns: with a shared instance, which requests' images were captured meanwhile, in that order.
    @discardableResult
    func waitForAvailable(_ count: Int) async throws -> [Int] {
        var left = count
        var captured: [Int] = []
        guard left > 0 else { return captured }
        for await delivery in ends {
            let key = delivery.routingKey
            delivery.ack()
            if key.hasPrefix("image.replicating.") {
                let event = try JSONDecoder().decode(Event.self, from: Data(delivery.message.body))
                captured += Int(event.data.requestId.dropFirst()).map { [$0] } ?? []
                continue
            }
            guard key.hasPrefix("image.available.") else {
                throw BenchFailure("not Available: \(key) \(String(decoding: delivery.message.body, as: UTF8.self))")
            }
            left -= 1
            if left == 0 { return captured }
        }
        throw BenchFailure("the followed queue is gone")
    }

    private struct Event: Decodable {
        struct Facts: Decodable { var requestId: String }
        var data: Facts
    }

    /// Publishes and follows at the same time.
    /// - Returns: from the first publish to the last Available.
    func run(_ numbers: Range<Int>) async throws -> Duration { try await follow(numbers).duration }

    /// The same.
    /// - Returns: also in which order the images were captured, with a shared instance.
    func follow(_ numbers: Range<Int>) async throws -> (duration: Duration, captured: [Int]) {
        let started = ContinuousClock.now
        async let published: Void = publish(numbers)
        let captured = try await waitForAvailable(numbers.count)
        try await published
        return (ContinuousClock.now - started, captured)
    }
}
