import GoldsmithTestSupport
import PrivateServers
import Synchronization
import Testing

@testable import AMQPClient

/// What a confirmed message promises, against a broker which goes away, stalls or starves.
@Suite("A broker in trouble", .serialized, .timeLimit(.minutes(30)))
struct FaultTests {
    /// A server of this suite's own; starting one takes seconds.
    private static let node = Task { try await TestBroker.start() }

    private static func quick() -> AMQPOptions {
        var options = AMQPOptions()
        options.heartbeat = .seconds(1)
        options.connectTimeout = .seconds(2)
        options.callTimeout = .seconds(3)
        options.publishTimeout = .seconds(3)
        options.backoffLimit = .milliseconds(500)
        return options
    }

    @Test("nothing confirmed is lost when the broker is restarted and killed under load")
    func restarted() async throws {
        let node = try await Self.node.value
        let connection = try node.connection()
        let queue = unique("restart")
        try await connection.declareQueue(queue, arguments: ["x-queue-type": "quorum"])
        var options = AMQPOptions()
        options.publishTimeout = .seconds(60)
        options.backoffLimit = .milliseconds(500)
        let (publisher, consumer) = (try node.publisher(options), try node.consumer(options))
        let sequence = try await consumer.deliveries(from: queue, prefetch: 50)
        let tally = Tally()

        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await delivery in sequence {
                    tally.seen.withLock { _ = $0.insert(delivery.text) }
                    delivery.ack()
                }
            }
            await withTaskGroup(of: Void.self) { publishers in
                for task in 0..<8 {
                    publishers.addTask {
                        var number = 0
                        while !tally.isStopping.load(ordering: .relaxed) {
                            number += 1
                            let id = "\(task)-\(number)"
                            do throws(AMQPError) {
                                try await publisher.publish(publication(to: queue, id, id: id))
                                tally.confirmed.withLock { _ = $0.insert(id) }
                            } catch {
                                Issue.record("\(id): \(error)")
                            }
                        }
                    }
                }
                for (connections, isCrash) in [(1, false), (2, true)] as [(UInt64, Bool)] {
                    let before = tally.confirmed.withLock(\.count)
                    #expect(await eventually { tally.confirmed.withLock(\.count) > before + 200 })
                    // The consumer is back as well, so that each interruption meets both.
                    #expect(await eventually { await consumer.status().generation >= connections })
                    if isCrash { node.kill() }
                    await #expect(throws: Never.self) { try await node.restart() }
                }
                let before = tally.confirmed.withLock(\.count)
                #expect(await eventually { tally.confirmed.withLock(\.count) > before + 200 })
                tally.isStopping.store(true, ordering: .relaxed)
            }
            let all = tally.confirmed.withLock { $0 }
            let isComplete = await eventually { tally.seen.withLock { all.isSubset(of: $0) } }
            let missing = all.subtracting(tally.seen.withLock { $0 })
            #expect(isComplete, "\(missing.count) of \(all.count) confirmed messages are missing")
            #expect(await eventually { await consumer.status().generation >= 3 })
            await consumer.close()
        }
        await publisher.close()
        await connection.close()
    }

    @Test("while the broker is frozen every call ends in time, and all goes on when it thaws")
    func frozen() async throws {
        let node = try await Self.node.value
        let options = Self.quick()
        let connection = try node.connection(options)
        let queue = unique("frozen")
        try await connection.declareQueue(queue)
        let (publisher, consumer) = (try node.publisher(options), try node.consumer(options))
        let sequence = try await consumer.deliveries(from: queue, prefetch: 10)
        _ = await publisher.publish((0..<3).map { publication(to: queue, "\($0)") })
        let deliveries = await sequence.first(2)
        node.freeze()

        let start = ContinuousClock.now
        for delivery in deliveries { delivery.ack() }
        #expect(ContinuousClock.now - start < .seconds(1))
        async let small = failure { () async throws(AMQPError) in try await publisher.publish(publication(to: queue)) }
        async let call = failure { () async throws(AMQPError) in try await connection.inspectQueue(queue) }
        let (publishError, callError) = await (small, call)
        #expect(publishError?.isRetriable == true, "\(String(describing: publishError))")
        #expect(callError?.isRetriable == true, "\(String(describing: callError))")
        #expect(ContinuousClock.now - start < .seconds(8))
        // More than any socket buffer holds.
        let big = AMQPMessage(body: [UInt8](repeating: 7, count: 16 << 20))
        let bigStart = ContinuousClock.now
        let results = await publisher.publish(
            (0..<3).map { _ in AMQPPublication(exchange: "", routingKey: queue, message: big) }
        )
        for result in results {
            if case .success = result { Issue.record("a frozen broker confirmed") }
        }
        #expect(ContinuousClock.now - bigStart < .seconds(8))
        #expect(await eventually { await consumer.status().isConnected == false })

        node.thaw()
        #expect(try await eventually { try await connection.inspectQueueWhenUp(queue) })
        try await publisher.publish(publication(to: queue, "after"))
        // Everything unacknowledged comes again, and the new message too.
        let texts = Mutex<Set<String>>([])
        for await delivery in sequence {
            delivery.ack()
            texts.withLock { _ = $0.insert(delivery.text) }
            if delivery.text == "after" { break }
        }
        #expect(texts.withLock { $0.contains("2") })
        await consumer.close()
        await publisher.close()
        await connection.close()
    }

    @Test("a peer frozen in the middle of a big write is cut off by the watchdog")
    func stalledWrite() async throws {
        let node = try await Self.node.value
        var options = Self.quick()
        // Longer than the test, so that only the watchdog can end the write.
        options.heartbeat = .seconds(60)
        let connection = try node.connection()
        let queue = unique("stalled")
        try await connection.declareQueue(queue)
        let publisher = try node.publisher(options)
        try await publisher.publish(publication(to: queue))
        node.freeze()
        let start = ContinuousClock.now
        let big = AMQPMessage(body: [UInt8](repeating: 7, count: 16 << 20))
        let results = await publisher.publish(
            (0..<3).map { _ in AMQPPublication(exchange: "", routingKey: queue, message: big) }
        )
        for result in results {
            if case .success = result { Issue.record("a frozen broker confirmed") }
        }
        #expect(ContinuousClock.now - start < .seconds(7))
        node.thaw()
        #expect(await eventually { (try? await publisher.publish(publication(to: queue))) != nil })
        await publisher.close()
        await connection.close()
    }

    @Test("librabbitmq's endless wait for a silent peer is never reached")
    func silentPeer() async throws {
        let node = try await Self.node.value
        let options = Self.quick()
        let link = try BrokerLink(try node.endpoint, name: "test", options: options)
        #expect(link.heartbeat == 1)
        node.freeze()
        // The test stops serving the link meanwhile, which the connection's thread never does.
        let start = ContinuousClock.now
        _ = await eventually { ContinuousClock.now - start > .seconds(4) }
        let before = ContinuousClock.now
        let error = await failure { () async throws(AMQPError) in
            var events: [BrokerEvent] = []
            try link.receive(into: &events)
            try link.publish([publication(to: "nowhere")], until: .now + .seconds(60))
        }
        #expect(error?.kind == .connectionLost)
        #expect(ContinuousClock.now - before < .seconds(2))
        #expect(!link.isUsable)
        node.thaw()
    }

    @Test("under a memory alarm publishing is blocked and times out, and consumers go on")
    func memoryAlarm() async throws {
        let node = try await Self.node.value
        let options = Self.quick()
        let connection = try node.connection()
        let queue = unique("alarm")
        try await connection.declareQueue(queue)
        let (publisher, consumer) = (try node.publisher(options), try node.consumer(options))
        _ = await publisher.publish((0..<10).map { publication(to: queue, "\($0)") })
        try await node.control(["set_vm_memory_high_watermark", "0"])
        let start = ContinuousClock.now
        let error = await failure { () async throws(AMQPError) in
            // The alarm reaches a connection with its first message after it.
            for _ in 0..<1000 { try await publisher.publish(publication(to: queue, "late")) }
        }
        #expect(error?.kind == .timedOut)
        #expect(error?.text.contains("block") == true)
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(publisher.isBlocked)
        let sequence = try await consumer.deliveries(from: queue, prefetch: 2)
        for _ in 0..<10 { try #require(await sequence.first(1).first).ack() }
        try await node.control(["set_vm_memory_high_watermark", "0.9"])
        #expect(await eventually { !publisher.isBlocked })
        try await publisher.publish(publication(to: queue, "again"))
        await consumer.close()
        await publisher.close()
        await connection.close()
    }
}

private final class Tally: Sendable {
    let isStopping = Atomic(false)
    let seen = Mutex<Set<String>>([])
    let confirmed = Mutex<Set<String>>([])
}

extension AMQPConnection {
    func inspectQueueWhenUp(_ queue: String) async throws -> Bool {
        do throws(AMQPError) {
            return try inspectQueue(queue) != nil
        } catch  where error.isRetriable {
            return false
        }
    }
}
