import GoldsmithTestSupport
import PrivateServers
import Testing

@testable import AMQPClient

@Suite("A message at which the connection ends costs only itself", .timeLimit(.minutes(30)))
struct BlameTests {
    private func pending(_ ids: [Int], at now: ContinuousClock.Instant) -> [PendingPublish] {
        let batch = PublishBatch(count: 100)
        return ids.map {
            PendingPublish(
                publication: publication(to: "q", id: String($0)),
                deadline: now + .seconds(30),
                batch: batch,
                index: $0
            )
        }
    }

    private func ids(_ messages: [PendingPublish]) -> [Int] { messages.map(\.index) }

    @Test("after a connection's end what was on its way goes one by one, and the rest waits for that")
    func suspects() {
        let now = ContinuousClock.now
        var queue = PublishQueue()
        _ = queue.append(contentsOf: pending([1, 2, 3, 4], at: now))
        let sent = (0..<3).compactMap { queue.next(onTheirWay: $0, window: 3, now: now) }
        #expect(ids(sent) == [1, 2, 3] && queue.next(onTheirWay: 3, window: 3, now: now) == nil)
        let cut = AMQPError(.connectionLost, code: -9, "cut")
        #expect(queue.ended(with: sent, cut, now: now).isEmpty)
        for id in 1...3 {
            #expect(queue.next(onTheirWay: 0, window: 3, now: now)?.index == id)
            #expect(queue.next(onTheirWay: 1, window: 3, now: now) == nil)
        }
        #expect(queue.next(onTheirWay: 0, window: 3, now: now)?.index == 4)
    }

    @Test(
        "one that is alone each time is held for the cause: the second time where the broker says why, else the third",
        arguments: [(541, 2), (501, 2), (-9, 3), (0, 3)]
    )
    func alone(code: Int, ends: Int) {
        var now = ContinuousClock.now
        var queue = PublishQueue()
        _ = queue.append(contentsOf: pending([1, 2], at: now))
        let error = AMQPError(.connectionLost, code: code, "gone")
        for end in 1...ends {
            let sent = queue.next(onTheirWay: 0, window: 8, now: now)
            #expect(sent?.index == 1)
            let causes = queue.ended(with: [sent].compactMap { $0 }, error, now: now)
            #expect(ids(causes) == (end == ends ? [1] : []))
            if end == 1 { #expect(queue.next(onTheirWay: 0, window: 8, now: now)?.index == 2, "it pauses") }
            now = now + .seconds(1)
        }
        #expect(queue.isEmpty && queue.firstPauseEnd == nil)
    }

    @Test("an operator who closes connections, and a network that goes silent, are held against no message")
    func nobody() {
        let now = ContinuousClock.now
        var queue = PublishQueue()
        _ = queue.append(contentsOf: pending([1, 2], at: now))
        for _ in 0..<10 {
            let sent = (0..<2).compactMap { queue.next(onTheirWay: $0, window: 8, now: now) }
            #expect(ids(sent) == [1, 2])
            let forced = AMQPError(.connectionLost, code: 320, "CONNECTION_FORCED")
            #expect(queue.ended(with: sent, forced, now: now).isEmpty)
        }
    }

    @Test("one that pauses is given up when its time is over")
    func expires() {
        let now = ContinuousClock.now
        var queue = PublishQueue()
        _ = queue.append(contentsOf: pending([1], at: now))
        let sent = [queue.next(onTheirWay: 0, window: 8, now: now)].compactMap { $0 }
        _ = queue.ended(with: sent, AMQPError(.connectionLost, "cut"), now: now)
        #expect(queue.firstDeadline == now + .seconds(30) && queue.contents.count == 1)
        #expect(ids(queue.expired(at: now + .seconds(30))) == [1] && queue.isEmpty)
    }

    @Test("an address of direct reply-to that was the cause once is not tried again, and no other address suffers")
    func deadAddress() {
        var now = ContinuousClock.now
        var queue = PublishQueue()
        func message(_ routingKey: String) -> [PendingPublish] {
            var message = pending([1], at: now)[0].publication
            message.routingKey = routingKey
            return [
                PendingPublish(publication: message, deadline: now + .seconds(30), batch: .init(count: 2), index: 1)
            ]
        }
        for address in ["amq.rabbitmq.reply-to.x", "answers"] {
            _ = queue.append(contentsOf: message(address))
            while let sent = queue.next(onTheirWay: 0, window: 8, now: now) {
                _ = queue.ended(with: [sent], AMQPError(.connectionLost, code: 541, "INTERNAL_ERROR"), now: now)
                now = now + .seconds(1)
            }
        }
        #expect(queue.append(contentsOf: message("amq.rabbitmq.reply-to.x")).count == 1)
        #expect(queue.append(contentsOf: message("amq.rabbitmq.reply-to.y") + message("answers")).isEmpty)
    }

    /// Publishes messages of which some must end the connection, and expects all others to arrive.
    private func expectOnlyCulprits(
        _ culprits: Set<Int>,
        of messages: [AMQPPublication],
        over publisher: AMQPPublisher,
        into queue: String
    ) async throws {
        let node = try await TestBroker.shared()
        let start = ContinuousClock.now
        let results = await publisher.publish(messages)
        for (index, result) in results.enumerated() {
            switch result {
            case .success: #expect(!culprits.contains(index))
            case .failure(let error):
                #expect(culprits.contains(index) && error.kind == .endsConnection, "\(index): \(error)")
                #expect(error.isAboutMessage && !error.isRetriable)
            }
        }
        // Far below the time in which a message is given up.
        #expect(ContinuousClock.now - start < .seconds(20))
        // The connection works as before.
        try await publisher.publish(publication(to: queue, id: "last"))
        let connection = try node.connection()
        var arrived: Set<String> = []
        while let delivery = try await connection.get(queue) {
            if let id = delivery.message.messageID { arrived.insert(id) }
            delivery.ack()
        }
        let others = messages.indices.filter { !culprits.contains($0) }.map(String.init)
        #expect(arrived == Set(others + ["last"]))
        try await connection.deleteQueue(queue)
        await publisher.close()
        await connection.close()
    }

    @Test("behind a broker that cuts the connection at chosen messages, all others arrive", arguments: [1, 3])
    func cutAtChosen(count: Int) async throws {
        let node = try await TestBroker.shared()
        let proxy = try FaultProxy(to: node.port)
        let queue = unique("blame")
        let connection = try node.connection()
        try await connection.declareQueue(queue)
        await connection.close()
        var endpoint = try node.endpoint
        endpoint.port = proxy.port
        let culprits = Set([17, 40, 59].prefix(count))
        proxy.cutAlways(before: Array("culprit".utf8))
        let messages = (0..<80).map { index in
            publication(to: queue, culprits.contains(index) ? "a culprit" : "innocent", id: String(index))
        }
        let publisher = AMQPPublisher(endpoint: endpoint, name: "blame", logger: testLogger)
        try await expectOnlyCulprits(culprits, of: messages, over: publisher, into: queue)
        #expect(proxy.cuts <= 1 + 3 * count, "\(proxy.cuts) connections for \(count) culprits")
    }

    @Test("an answer to another broker's direct reply-to costs the others nothing")
    func foreignReplyAddress() async throws {
        let node = try await TestBroker.shared()
        let queue = unique("blame")
        let connection = try node.connection()
        try await connection.declareQueue(queue)
        await connection.close()
        var messages = (0..<30).map { publication(to: queue, id: String($0)) }
        messages[10].routingKey =
            "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzM2NzAzODgAAEDUAAAAAGsKdgA=.fvJDpmolzamwSFFMaPsiaA=="
        messages[10].isMandatory = false
        let publisher = try node.publisher()
        let results = await publisher.publish(messages)
        // Some versions end the connection at it, others drop it.
        let endsConnection = if case .failure = results[10] { true } else { false }
        for (index, result) in results.enumerated() where index != 10 {
            #expect(throws: Never.self) { try result.get() }
        }
        if endsConnection, case .failure(let error) = results[10] { #expect(error.kind == .endsConnection) }
        let again = try node.connection()
        #expect(try await again.purgeQueue(queue) >= 29)
        try await again.deleteQueue(queue)
        await publisher.close()
        await again.close()
    }
}
