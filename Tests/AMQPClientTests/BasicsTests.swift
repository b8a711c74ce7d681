import AMQPClient
import GoldsmithTestSupport
import PrivateServers
import Testing

@Suite("Publishing and consuming", .timeLimit(.minutes(30)))
struct BasicsTests {
    @Test("a confirmed message arrives with all its properties")
    func roundTrip() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("round-trip")
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        let headers: AMQPTable = [
            "text": "häß", "number": .int(.min), "flag": true, "real": .double(0.25), "when": .timestamp(1_700_000_000),
            "raw": .bytes([0, 255, 10]), "nothing": .void, "empty": "", "none": .array([]),
            "list": .array([1, "two", .array([.table(["deep": .array([.void, false])])])]),
            "map": .table(["inner": .table(["k": -1]), "empty": .table([:])]),
        ]
        let message = AMQPMessage(
            body: [1, 2, 3],
            contentType: "application/json",
            messageID: "m1",
            correlationID: "c1",
            replyTo: "r",
            type: "t",
            appID: "app",
            userID: node.user,
            timestamp: 1_700_000_001,
            headers: headers,
            isPersistent: true,
            priority: 4,
            expiration: "600000"
        )
        let publisher = try node.publisher()
        try await publisher.publish(AMQPPublication(exchange: "", routingKey: queue, message: message))
        let consumer = try node.consumer()
        let deliveries = try await consumer.deliveries(from: queue, prefetch: 10)
        let delivery = try #require(await deliveries.first(1).first)
        #expect(delivery.message == message)
        #expect(delivery.routingKey == queue)
        #expect(delivery.exchange == "")
        #expect(!delivery.redelivered)
        delivery.ack()
        await consumer.close()
        await publisher.close()
        #expect(try await connection.inspectQueue(queue)?.messageCount == 0)
        try await connection.deleteQueue(queue)
        await connection.close()
    }

    @Test("a mandatory message which no queue takes is an error, the others of its batch are not")
    func unroutable() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("routable")
        try await connection.declareQueue(queue)
        let publisher = try node.publisher()
        var lost = publication(to: unique("nowhere"))
        let error = await failure { () async throws(AMQPError) in try await publisher.publish(lost) }
        #expect(error?.kind == .unroutable)
        #expect(error?.code == 312)
        let results = await publisher.publish((0..<100).map { $0 % 10 == 3 ? lost : publication(to: queue) })
        for (index, result) in results.enumerated() {
            if index % 10 == 3 {
                #expect(throws: AMQPError.self) { try result.get() }
            } else {
                #expect(throws: Never.self) { try result.get() }
            }
        }
        lost.isMandatory = false
        try await publisher.publish(lost)
        #expect(try await connection.deleteQueue(queue) == 90)
        await publisher.close()
        await connection.close()
    }

    @Test("a queue which is full refuses the message")
    func overflow() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("full")
        try await connection.declareQueue(queue, arguments: ["x-max-length": 2, "x-overflow": "reject-publish"])
        let publisher = try node.publisher()
        let results = await publisher.publish((0..<10).map { publication(to: queue, "\($0)") })
        let kinds = results.map { result -> AMQPError.Kind? in
            if case .failure(let error) = result { error.kind } else { nil }
        }
        #expect(kinds[0] == nil)
        #expect(kinds.last == .rejectedByBroker)
        try await connection.deleteQueue(queue)
        await publisher.close()
        await connection.close()
    }

    @Test("publishing to a missing exchange fails, and what is published next does not")
    func missingExchange() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let queue = unique("after-404")
        try await connection.declareQueue(queue)
        let publisher = try node.publisher()
        var lost = publication(to: queue)
        lost.exchange = unique("no-exchange")
        let error = await failure { () async throws(AMQPError) in try await publisher.publish(lost) }
        #expect(error?.kind == .channelClosed)
        #expect(error?.code == 404)
        #expect(error?.text.contains(lost.exchange) == true)
        // Among many on their way, only those at fault fail.
        let results = await publisher.publish(
            (0..<50).map { $0 == 20 || $0 == 30 ? lost : publication(to: queue, "\($0)") }
        )
        for (index, result) in results.enumerated() {
            if case .failure(let error) = result {
                #expect(index == 20 || index == 30, "\(index): \(error)")
                #expect(error.code == 404)
            } else {
                #expect(index != 20 && index != 30)
            }
        }
        try await publisher.publish(publication(to: queue))
        try await connection.deleteQueue(queue)
        await publisher.close()
        await connection.close()
    }

    @Test("declaring a queue differently is an error 406, and the connection goes on working")
    func mismatch() async throws {
        let connection = try await TestBroker.shared().connection()
        let queue = unique("mismatch")
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        for _ in 0..<3 {
            let error = await failure { () async throws(AMQPError) in
                try await connection.declareQueue(queue, arguments: ["x-queue-type": "classic"])
            }
            #expect(error?.kind == .channelClosed)
            #expect(error?.code == 406)
            #expect(error?.text.contains("x-queue-type") == true)
            #expect(try await connection.inspectQueue(unique("missing")) == nil)
            #expect(try await connection.exchangeExists(unique("missing")) == false)
            #expect(try await connection.exchangeExists("amq.topic"))
        }
        #expect(try await connection.inspectQueue(queue) != nil)
        try await connection.deleteQueue(queue)
        await connection.close()
        let closed = await failure { () async throws(AMQPError) in try await connection.inspectQueue(queue) }
        #expect(closed?.kind == .closed)
    }

    @Test("topology is made, used and removed over one connection")
    func topology() async throws {
        let connection = try await TestBroker.shared().connection()
        let (queue, exchange) = (unique("q"), unique("x"))
        guard case .string(let product) = try await connection.serverProperties["product"] else {
            Issue.record("the broker does not tell its name")
            return
        }
        #expect(product == "RabbitMQ")
        try await connection.declareExchange(exchange, type: "topic", arguments: ["alternate-exchange": "amq.fanout"])
        try await connection.declareQueue(queue)
        try await connection.bindQueue(queue, to: exchange, routingKey: "a.#")
        let publisher = try await TestBroker.shared().publisher()
        let sent = AMQPPublication(exchange: exchange, routingKey: "a.b", message: AMQPMessage(body: []))
        try await publisher.publish(sent)
        let delivery = try #require(try await connection.get(queue))
        #expect(delivery.exchange == exchange)
        #expect(delivery.message.body.isEmpty)
        delivery.nack(requeue: true)
        #expect(try await connection.get(queue)?.redelivered == true)
        try await connection.purgeQueue(queue)
        #expect(try await connection.get(queue) == nil)
        try await connection.unbindQueue(queue, from: exchange, routingKey: "a.#")
        #expect(await failure { () async throws(AMQPError) in try await publisher.publish(sent) }?.kind == .unroutable)
        try await connection.deleteQueue(queue)
        try await connection.deleteExchange(exchange)
        #expect(try await connection.exchangeExists(exchange) == false)
        await publisher.close()
        await connection.close()
    }

    @Test("rights are found out without publishing, consuming or counting anything")
    func rights() async throws {
        let node = try await TestBroker.shared()
        let connection = try node.connection()
        let (queue, exchange) = (unique("rights-queue"), unique("rights-exchange"))
        try await connection.declareQueue(
            queue,
            arguments: ["x-queue-type": "quorum", "x-delivery-limit": 5, "x-dead-letter-exchange": "amq.fanout"]
        )
        try await connection.declareExchange(exchange, type: "fanout")
        try await connection.bindQueue(queue, to: exchange, routingKey: "")
        let publisher = try node.publisher()
        try await publisher.publish(publication(to: queue))
        await publisher.close()
        let user = unique("reader")
        try await node.control(["add_user", user, "secret"])
        try await node.control(["set_permissions", user, "^$", "^$", "^rights-queue"])
        var endpoint = try node.endpoint
        (endpoint.user, endpoint.password) = (user, "secret")
        let reader = AMQPConnection(endpoint: endpoint, name: "reader", logger: testLogger)
        for _ in 0..<10 {
            #expect(try await connection.mayPublish(to: exchange) == true)
            #expect(try await connection.mayConsume(from: queue) == true)
            #expect(try await reader.mayPublish(to: exchange) == false)
            #expect(try await reader.mayConsume(from: queue) == true)
        }
        #expect(try await connection.mayPublish(to: "") == true)
        #expect(try await reader.mayPublish(to: "") == false)
        #expect(try await reader.mayConsume(from: exchange) == false)
        #expect(try await connection.mayPublish(to: unique("nowhere")) == nil)
        #expect(try await connection.mayConsume(from: unique("nowhere")) == nil)
        #expect(try await connection.inspectQueue(queue)?.messageCount == 1, "nothing came, and nothing was taken")
        let delivery = try #require(try await connection.get(queue))
        #expect(!delivery.redelivered && (delivery.deliveryCount ?? 0) == 0)
        delivery.ack()
        await reader.close()
        try await connection.deleteQueue(queue)
        try await connection.deleteExchange(exchange)
        await connection.close()
    }
}
