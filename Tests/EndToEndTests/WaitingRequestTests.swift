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

@Suite("A request that no worker can judge waits in the broker", .timeLimit(.minutes(30)))
struct WaitingRequestTests {
    @Test(
        "it comes back by itself as it was sent, for the user who sent it, and what others claim to be is not believed"
    )
    func waits() async throws {
        let folder = try ScratchFolder()
        let node = try await TestBroker.start()
        let endpoint = try AMQPEndpoint(parsing: node.url)
        let topology = Topology()
        let connection = AMQPConnection(endpoint: endpoint, name: "test", logger: testLogger)
        #expect(try await topology.apply(on: connection).isEmpty)
        // The workers' user is another than the requester's.
        _ = try await node.control(["add_user", "worker-1", "secret"])
        _ = try await node.control(["set_permissions", "-p", endpoint.virtualHost, "worker-1", ".*", ".*", ".*"])
        var own = endpoint
        (own.user, own.password) = ("worker-1", "secret")

        let outage = Outage()
        outage.begin(["driver.describe"])
        var options = WorkerOptions(id: WorkerID(known: "w1"))
        options.authority = try #require(Authority("\(endpoint.user)=acct1"))
        let simulated = SimulatedDriver(locations: [LocationName(known: "east")], impliesInstances: true)
        let store = try await SQLImageStore(on: try SQLiteDatabase(path: folder.file("state.sqlite")))
        let worker = Worker(
            transport: WorkerConnections(
                endpoint: own,
                topology: topology,
                of: options.id,
                time: SystemTime(),
                logger: testLogger
            ),
            store: store,
            driver: InterceptingDriver(simulated, JudgedCalls(outage.interceptor)),
            tools: simulated,
            options: options,
            time: SystemTime(),
            logger: testLogger
        )
        let running = Task { try await worker.run() }

        let publisher = AMQPPublisher(endpoint: endpoint, name: "test", logger: testLogger)
        func send(_ id: String, owner: String, headers: AMQPTable = [:]) async throws {
            let body = CanonicalJSON.bytes(
                JSONValue.object([
                    "requestId": .string(id), "owner": .string(owner), "name": .string("golden"),
                    "instanceId": .string("i-sim-acct1-web"),
                ])
            )
            let message = AMQPMessage(
                body: body,
                contentType: "application/json",
                messageID: id,
                userID: endpoint.user,
                headers: headers
            )
            try await publisher.publish(
                AMQPPublication(exchange: topology.requests, routingKey: "image.create", message: message)
            )
        }
        try await send("r1", owner: "acct1")
        let isWaiting = await eventually {
            (try? await connection.inspectQueue("goldsmith.retry.5s"))?.messageCount == 1
        }
        #expect(isWaiting)
        let identity = RequestIdentity(owner: Owner(known: "acct1"), requestID: RequestID(known: "r1"))
        #expect(try await store.answer(to: identity) == nil)
        outage.end()
        let isAnswered = try await eventually { try await store.answer(to: identity)?.answer.imageId != nil }
        #expect(isAnswered)

        // A header alone proves nothing: the broker vouches for another user.
        try await send("r2", owner: "acct2", headers: ["goldsmith-user": .string("worker-1")])
        try await send("r3", owner: "acct1")
        let last = RequestIdentity(owner: Owner(known: "acct1"), requestID: RequestID(known: "r3"))
        #expect(try await eventually { try await store.answer(to: last) != nil })
        #expect(try await store.images(ImageQuery()).allSatisfy { $0.owner.text == "acct1" })

        running.cancel()
        _ = await running.result
        await publisher.close()
        await connection.close()
        await node.stop()
    }
}
