import GoldsmithTestSupport
import PrivateServers
import Testing

@testable import AMQPClient

@Suite("Consuming", .timeLimit(.minutes(30)))
struct ConsumerTests {
    @Test("no more than the prefetch is buffered, per queue")
    func prefetch() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queues = [unique("prefetch"), unique("prefetch")]
        let publisher = try node.publisher()
        for queue in queues {
            try await connection.declareQueue(queue)
            _ = await publisher.publish((0..<50).map { publication(to: queue, "\($0)") })
        }
        let consumer = try node.consumer()
        let few = try await consumer.deliveries(from: queues[0], prefetch: 5)
        let more = try await consumer.deliveries(from: queues[1], prefetch: 20)
        #expect(await eventually { few.buffer.count == 5 && more.buffer.count == 20 })
        #expect(try await connection.inspectQueue(queues[0])?.messageCount == 45)
        #expect(try await connection.inspectQueue(queues[1])?.messageCount == 30)
        // Settling one lets exactly one more in.
        try #require(await few.first(1).first).ack()
        #expect(try await eventually { try await connection.inspectQueue(queues[0])?.messageCount == 44 })
        #expect(few.buffer.count <= 5)
        await consumer.close()
        #expect(try await eventually { try await connection.inspectQueue(queues[0])?.messageCount == 49 })
        #expect(try await eventually { try await connection.inspectQueue(queues[1])?.messageCount == 50 })
        for queue in queues { try await connection.deleteQueue(queue) }
        await publisher.close()
        await connection.close()
    }

    @Test("only the first settlement counts")
    func settleOnce() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("settle")
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        let publisher = try node.publisher()
        _ = await publisher.publish((0..<4).map { publication(to: queue, "\($0)") })
        let consumer = try node.consumer()
        let sequence = try await consumer.deliveries(from: queue, prefetch: 4)
        let deliveries = await sequence.first(4)
        for _ in 0..<2 { deliveries[0].ack() }
        deliveries[0].nack(requeue: true)
        deliveries[1].nack(requeue: false)
        deliveries[1].ack()
        deliveries[2].reject(requeue: false)
        deliveries[2].reject(requeue: true)
        deliveries[3].nack(requeue: true)
        deliveries[3].ack()
        // A second ack would have closed the channel with 406.
        let again = try #require(await sequence.first(1).first)
        #expect(again.text == "3")
        #expect(again.redelivered)
        #expect(again.deliveryCount == 1)
        #expect(await consumer.status().generation == 1)
        again.ack()
        await consumer.close()
        #expect(try await connection.deleteQueue(queue) == 0)
        await publisher.close()
        await connection.close()
    }

    @Test("a queue deleted under its consumer and made again is consumed again, without disturbing another queue")
    func recreated() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let (queue, other) = (unique("deleted"), unique("steady"))
        for name in [queue, other] { try await connection.declareQueue(name, arguments: ["x-queue-type": "quorum"]) }
        var options = AMQPOptions()
        options.backoffLimit = .milliseconds(400)
        let (publisher, consumer) = (try node.publisher(), try node.consumer(options))
        let sequence = try await consumer.deliveries(from: queue, prefetch: 3)
        let steady = try await consumer.deliveries(from: other, prefetch: 3)
        try await publisher.publish(publication(to: other, "held"))
        let held = try #require(await steady.first(1).first)
        try await connection.deleteQueue(queue)
        #expect(await eventually { await consumer.status().missingQueues == [queue] })
        // Looked for at least once while it is missing.
        #expect(await eventually { await consumer.status().lastError?.text.contains("no queue") == true })
        #expect(await consumer.status().subscribedQueues == [other])
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        try await publisher.publish(publication(to: queue, "back"))
        let delivery = try #require(await sequence.first(1).first)
        #expect(delivery.text == "back")
        delivery.ack()
        held.ack()
        let status = await consumer.status()
        #expect(status.generation == 1, "the connection was replaced: \(status)")
        #expect(status.subscribedQueues == [queue, other].sorted())
        #expect(await eventually { await consumer.status().lastError == nil })
        await consumer.close()
        for name in [queue, other] { #expect(try await connection.deleteQueue(name) == 0) }
        await publisher.close()
        await connection.close()
    }

    @Test("cancelling ends the sequences, returns what was not delivered and still settles what was")
    func cancel() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("cancel")
        try await connection.declareQueue(queue)
        let (publisher, consumer) = (try node.publisher(), try node.consumer())
        _ = await publisher.publish((0..<10).map { publication(to: queue, "\($0)") })
        let sequence = try await consumer.deliveries(from: queue, prefetch: 6)
        #expect(await eventually { sequence.buffer.count == 6 })
        let taken = try #require(await sequence.first(1).first)
        async let ended = sequence.reduce(into: 0) { count, _ in count += 1 }
        await consumer.cancel()
        let leftOver = await ended
        // What the other task got before the end is its own; the rest is back.
        #expect(try await eventually { try await connection.inspectQueue(queue)?.messageCount == 9 - leftOver })
        taken.ack()
        await consumer.close()
        #expect(try await connection.deleteQueue(queue) == 9)
        let closed = await failure { () async throws(AMQPError) in
            try await consumer.deliveries(from: queue, prefetch: 1)
        }
        #expect(closed?.kind == .closed)
        await publisher.close()
        await connection.close()
    }

    @Test("subscribing to a missing queue fails and leaves the other subscriptions alone")
    func missingQueue() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("present")
        try await connection.declareQueue(queue)
        let consumer = try node.consumer()
        let first = await failure { () async throws(AMQPError) in
            try await consumer.deliveries(from: unique("absent"), prefetch: 1)
        }
        #expect(first?.kind == .channelClosed)
        #expect(first?.code == 404)
        let sequence = try await consumer.deliveries(from: queue, prefetch: 1)
        let generation = await consumer.status().generation
        let second = await failure { () async throws(AMQPError) in
            try await consumer.deliveries(from: unique("absent"), prefetch: 1)
        }
        #expect(second?.code == 404)
        #expect(await consumer.status().generation == generation)
        #expect(await consumer.status().subscribedQueues == [queue])
        let publisher = try node.publisher()
        try await publisher.publish(publication(to: queue))
        await sequence.first(1).first?.ack()
        await consumer.close()
        #expect(try await connection.deleteQueue(queue) == 0)
        await publisher.close()
        await connection.close()
    }

    @Test("a cancelled task stops waiting for the next delivery")
    func taskCancellation() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("idle")
        try await connection.declareQueue(queue)
        let consumer = try node.consumer()
        let sequence = try await consumer.deliveries(from: queue, prefetch: 1)
        let count = await withTaskGroup(of: Int.self) { group in
            group.addTask { await sequence.reduce(into: 0) { count, _ in count += 1 } }
            group.cancelAll()
            return await group.next()
        }
        #expect(count == 0)
        await consumer.close()
        try await connection.deleteQueue(queue)
        await connection.close()
    }
}
