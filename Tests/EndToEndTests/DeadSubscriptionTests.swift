import AMQPClient
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import ImageStore
import ImageWorker
import PrivateServers
import RabbitMQTransport
import SQLAccess
import Testing

@Suite("A subscription that is dead and does not know it", .timeLimit(.minutes(30)))
struct DeadSubscriptionTests {
    /// A minute a second: the half minute that a sign must last is short, and everything else is as it is.
    private struct HurriedTime: Timekeeper {
        private let start = ContinuousClock.now

        func now() -> Timestamp { SystemTime().now() + (ContinuousClock.now - start) * 59 }
        func uptime() -> Duration { SystemTime().uptime() + (ContinuousClock.now - start) * 59 }
        func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration / 60) }
    }

    @Test("a worker whose broker gives it nothing of what waits says that only another start helps, until it gets some")
    func told() async throws {
        let folder = try ScratchFolder()
        let node = try await TestBroker.start()
        let endpoint = try AMQPEndpoint(parsing: node.url)
        let topology = Topology()
        let connection = AMQPConnection(endpoint: endpoint, name: "test", logger: testLogger)
        // Of such a queue the broker serves one consumer at a time: to the others it behaves as if it were dead to
        // them.
        let arguments: AMQPTable = ["x-queue-type": "quorum", "x-single-active-consumer": true]
        _ = try await connection.declareQueue("goldsmith.parked", arguments: arguments)
        #expect(try await topology.apply(on: connection).map(\.name) == ["goldsmith.parked"])

        let first = AMQPConsumer(endpoint: endpoint, name: "first", logger: testLogger)
        var held = try await first.deliveries(from: "goldsmith.parked", prefetch: 1).makeAsyncIterator()
        let publisher = AMQPPublisher(endpoint: endpoint, name: "test", logger: testLogger)
        for number in 1...3 {
            let message = AMQPMessage(body: Array("\(number)".utf8))
            try await publisher.publish(
                AMQPPublication(exchange: "goldsmith.parking", routingKey: "stray", message: message)
            )
        }
        _ = try #require(await held.next())

        let (time, telemetry) = (HurriedTime(), WorkerTelemetry())
        var options = WorkerOptions(id: WorkerID(known: "w1"))
        options.lanes = [.parked]
        let store = try await SQLImageStore(on: try SQLiteDatabase(path: folder.file("state.sqlite")))
        let worker = Worker(
            transport: WorkerConnections(
                endpoint: endpoint,
                topology: topology,
                of: options.id,
                time: time,
                logger: testLogger
            ),
            store: store,
            driver: SimulatedDriver(locations: []),
            tools: SimulatedDriver(locations: []),
            options: options,
            time: time,
            logger: testLogger,
            telemetry: telemetry
        )
        let running = Task { try await worker.run() }
        let isTold = await eventually { !telemetry.health(at: time.uptime()).isAlive }
        let reasons = telemetry.health(at: time.uptime()).problems.map(\.text)
        #expect(isTold)
        #expect(reasons.contains { $0.hasPrefix("the subscription of parked is dead: messages wait") }, "\(reasons)")
        #expect(telemetry.metrics(at: time.uptime()).contains("goldsmith_ready 0\n"))
        #expect(try await store.deadLetters(DeadLetterQuery(kinds: [.parked])).isEmpty)

        // Now the broker delivers to the worker, whose subscription was in order all the time.
        await first.close()
        let isWell = await eventually { telemetry.health(at: time.uptime()).isReady }
        #expect(isWell, "\(telemetry.health(at: time.uptime()).problems)")
        #expect(telemetry.metrics(at: time.uptime()).contains("goldsmith_ready 1\n"))
        #expect(try await eventually { try await store.deadLetters(DeadLetterQuery(kinds: [.parked])).count == 3 })

        running.cancel()
        _ = await running.result
        await publisher.close()
        await connection.close()
        await node.stop()
    }
}
