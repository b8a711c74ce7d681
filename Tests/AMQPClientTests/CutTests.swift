import GoldsmithTestSupport
import PrivateServers
import Testing

@testable import AMQPClient

@Suite("Broken connections", .timeLimit(.minutes(30)))
struct CutTests {
    private static func endpoint(_ node: RabbitMQNode, through port: Int) throws -> AMQPEndpoint {
        var endpoint = try node.endpoint
        endpoint.port = port
        return endpoint
    }

    @Test("a connection cut in the middle of a frame we send: the message is sent again")
    func cutWhilePublishing() async throws {
        let node = try await TestBroker.shared()
        let proxy = try FaultProxy(to: node.port)
        let connection = try node.connection()
        let queue = unique("cut-out")
        try await connection.declareQueue(queue)
        let publisher = AMQPPublisher(
            endpoint: try Self.endpoint(node, through: proxy.port),
            name: "cut",
            logger: testLogger
        )
        try await publisher.publish(publication(to: queue, "first"))
        let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        for (round, bytes) in [3, 40, 140_000, 250_000].enumerated() {
            proxy.cut(after: bytes, .toServer)
            let message = AMQPMessage(body: body, messageID: "big")
            try await publisher.publish(AMQPPublication(exchange: "", routingKey: queue, message: message))
            #expect(proxy.cuts == round + 1)
        }
        // Only whole ones arrive.
        try #require(try await connection.get(queue)).ack()
        var count = 0
        while let delivery = try await connection.get(queue) {
            #expect(delivery.message.body == body)
            delivery.ack()
            count += 1
        }
        #expect(count == 4)
        try await connection.deleteQueue(queue)
        await publisher.close()
        await connection.close()
    }

    @Test(
        "a connection cut in the middle of a frame we receive: the message comes again, whole, and old tags are dropped"
    )
    func cutWhileConsuming() async throws {
        let node = try await TestBroker.shared()
        let proxy = try FaultProxy(to: node.port)
        let connection = try node.connection()
        let queue = unique("cut-in")
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        let publisher = try node.publisher()
        try await publisher.publish(publication(to: queue, "held"))
        let consumer = AMQPConsumer(
            endpoint: try Self.endpoint(node, through: proxy.port),
            name: "cut",
            logger: testLogger
        )
        let sequence = try await consumer.deliveries(from: queue, prefetch: 4)
        let held = try #require(await sequence.first(1).first)
        let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 11) }
        proxy.cut(after: 170_000, .toClient)
        try await publisher.publish(
            AMQPPublication(exchange: "", routingKey: queue, message: AMQPMessage(body: body))
        )
        #expect(await eventually { proxy.cuts == 1 })
        let again = await sequence.first(2)
        #expect(again.contains { $0.message.body == body })
        #expect(again.contains { $0.text == "held" && $0.redelivered })
        #expect(await consumer.status().generation == 2)
        // Tag 1 of the first connection; on the second it names a message which is not settled yet.
        held.ack()
        for delivery in again { delivery.nack(requeue: true) }
        let last = await sequence.first(2)
        #expect(last.count == 2)
        for delivery in last { delivery.ack() }
        await consumer.close()
        #expect(await consumer.status().isConnected == false)
        #expect(try await connection.deleteQueue(queue) == 0)
        await publisher.close()
        await connection.close()
    }

    @Test("an idle connection which breaks is noticed and replaced")
    func cutWhileIdle() async throws {
        let node = try await TestBroker.shared()
        let proxy = try FaultProxy(to: node.port)
        let connection = try node.connection()
        let queue = unique("cut-idle")
        try await connection.declareQueue(queue)
        let consumer = AMQPConsumer(
            endpoint: try Self.endpoint(node, through: proxy.port),
            name: "cut",
            logger: testLogger
        )
        let sequence = try await consumer.deliveries(from: queue, prefetch: 4)
        proxy.cut()
        #expect(await eventually { await consumer.status().generation == 2 })
        let publisher = try node.publisher()
        try await publisher.publish(publication(to: queue))
        await sequence.first(1).first?.ack()
        await consumer.close()
        try await connection.deleteQueue(queue)
        await publisher.close()
        await connection.close()
    }

    @Test(
        "a server which is no AMQP broker is an error in time",
        arguments: [
            ("", false), ("", true), ("HTTP/1.1 400 Bad Request\r\n\r\n", false), ("AMQP\u{0}\u{0}\u{9}\u{1}", true),
            ("\u{1}\u{0}\u{0}\u{7f}\u{7f}\u{7f}\u{7f}", false),
            ("\u{1}\u{0}\u{0}\u{0}\u{0}\u{0}\u{4}\u{0}\u{a}\u{0}\u{63}\u{4e}", false),
        ]
    )
    func stranger(greeting: String, hangsUp: Bool) async throws {
        let server = try MuteServer(greeting: Array(greeting.utf8), hangsUp: hangsUp)
        var options = AMQPOptions()
        options.connectTimeout = .seconds(1)
        options.publishTimeout = .seconds(2)
        options.callTimeout = .seconds(2)
        let endpoint = AMQPEndpoint(host: "127.0.0.1", port: server.port, password: "hunter2-secret")
        let connection = AMQPConnection(endpoint: endpoint, name: "x", options: options, logger: testLogger)
        let publisher = AMQPPublisher(endpoint: endpoint, name: "x", options: options, logger: testLogger)
        let consumer = AMQPConsumer(endpoint: endpoint, name: "x", options: options, logger: testLogger)
        let start = ContinuousClock.now
        async let opened = failure { () async throws(AMQPError) in try await connection.open() }
        async let published = failure { () async throws(AMQPError) in try await publisher.publish(publication(to: "q"))
        }
        async let subscribed = failure { () async throws(AMQPError) in
            _ = try await consumer.deliveries(from: "q", prefetch: 1)
        }
        for error in await [opened, published, subscribed] {
            #expect(error?.kind == .connectionFailed, "\(String(describing: error))")
            #expect(error?.description.contains("hunter2") == false)
        }
        #expect(ContinuousClock.now - start < .seconds(8))
        await consumer.close()
        await publisher.close()
        await connection.close()
    }

    @Test("a wrong password, user or virtual host is told as such, at once, and never shown")
    func refused() async throws {
        let node = try await TestBroker.shared()
        var wrongPassword = try node.endpoint
        wrongPassword.password = "hunter2-secret"
        var wrongHost = try node.endpoint
        wrongHost.virtualHost = "nowhere"
        for endpoint in [wrongPassword, wrongHost] {
            let start = ContinuousClock.now
            let log = RecordingLog()
            let connection = AMQPConnection(endpoint: endpoint, name: "x", logger: log.logger)
            let publisher = AMQPPublisher(endpoint: endpoint, name: "x", logger: log.logger)
            let consumer = AMQPConsumer(endpoint: endpoint, name: "x", logger: log.logger)
            let errors = await [
                failure { () async throws(AMQPError) in try await connection.open() },
                failure { () async throws(AMQPError) in try await publisher.publish(publication(to: "q")) },
                failure { () async throws(AMQPError) in _ = try await consumer.deliveries(from: "q", prefetch: 1) },
            ]
            for error in errors {
                #expect(error?.kind == .authenticationFailed, "\(String(describing: error))")
                #expect(error?.description.contains(endpoint.password) == false)
            }
            #expect(ContinuousClock.now - start < .seconds(10))
            #expect(log.text.contains("lost its connection"))
            #expect(!log.text.contains(endpoint.password))
            await consumer.close()
            await publisher.close()
            await connection.close()
        }
    }

    @Test("nobody at the port, or no such host, is an error when the time is up")
    func nobody() async throws {
        var options = AMQPOptions()
        options.publishTimeout = .seconds(1)
        for endpoint in [AMQPEndpoint(host: "127.0.0.1", port: 1), AMQPEndpoint(host: "no-such-host.invalid")] {
            let publisher = AMQPPublisher(endpoint: endpoint, name: "x", options: options, logger: testLogger)
            let error = await failure { () async throws(AMQPError) in try await publisher.publish(publication(to: "q"))
            }
            #expect(error?.kind == .connectionFailed)
            await publisher.close()
            let closed = await failure { () async throws(AMQPError) in try await publisher.publish(publication(to: "q"))
            }
            #expect(closed?.kind == .closed)
        }
    }
}
