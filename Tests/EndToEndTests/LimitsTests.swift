import AMQPClient
import Foundation
import GoldsmithTestSupport
import PrivateServers
import Testing

@Suite("What is too large, over a real broker", .serialized, .timeLimit(.minutes(30)))
struct LimitsTests {
    /// Pages a process holds, in bytes; nil when it has ended.
    private static func memory(of process: Int32) -> Int? {
        let fields = (try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8))?.split(separator: " ")
        return fields.flatMap { $0.count > 1 ? Int($0[1]) : nil }.map { $0 * 4096 }
    }

    @Test("an intake queue that is full refuses the next request, and its sender is told")
    func full() async throws {
        let node = try await TestBroker.start()
        let environment = ["GOLDSMITH_AMQP_URL": node.url, "GOLDSMITH_INTAKE_LIMIT": "3"]
        #expect(try await Program.run(["topology", "apply"], environment: environment).code == 0)
        let publisher = AMQPPublisher(endpoint: try AMQPEndpoint(parsing: node.url), name: "test", logger: testLogger)
        var refusal: AMQPError?
        // The broker may take a few more before it notices.
        for _ in 0..<50 where refusal == nil {
            let message = AMQPMessage(body: Array("{}".utf8))
            do throws(AMQPError) {
                try await publisher.publish(
                    AMQPPublication(exchange: "goldsmith.requests", routingKey: "image.create", message: message)
                )
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.kind == .rejectedByBroker)
        await publisher.close()
        await node.stop()
    }

    @Test("a message larger than any of ours is parked whole, and its dead letter, which is small, says where")
    func parkOversized() async throws {
        try await Dev.with(workers: 1) { dev in
            let endpoint = try AMQPEndpoint(parsing: try #require(dev.facts).amqpUrl)
            let publisher = AMQPPublisher(endpoint: endpoint, name: "test", logger: testLogger)
            let body = (0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let message = AMQPMessage(body: body, contentType: "application/json", messageID: "large")
            try await publisher.publish(
                AMQPPublication(exchange: "goldsmith.requests", routingKey: "image.create", message: message)
            )
            await publisher.close()
            let isKept = await eventually {
                let listed = try? await dev.run("parked", "list", "--cause", "TOO_LARGE", "--json")
                return listed?.output.contains("goldsmith.oversized") == true
            }
            #expect(isKept)
            let deadLetters = try JSONDecoder().decode(
                [Listed].self,
                from: Data(try await dev.run("parked", "list", "--json").output.utf8)
            )
            let id = try #require(deadLetters.first?.id)
            let shown = try await dev.run("parked", "show", id)
            #expect(shown.output.contains("\(body.count) bytes, not in the store"), "\(shown)")
            #expect(try await dev.run("parked", "show", id, "--body").code == 3)
            #expect(try await dev.run("parked", "replay", id).code != 0)
            let connection = AMQPConnection(endpoint: endpoint, name: "test", logger: testLogger)
            let delivery = try #require(try await connection.get("goldsmith.oversized"))
            #expect(delivery.message.body == body && delivery.message.messageID == "large")
            #expect(delivery.message.headers["goldsmith-dead-letter"] == .string(id))
            await connection.close()
        }
    }

    private struct Listed: Decodable { var id: String }

    @Test(
        "messages too large to be read become dead letters without their body, and cost a worker neither memory nor its life"
    )
    func oversized() async throws {
        // What RabbitMQ 3.10 takes by itself; from 4.0 on the default is 16 MiB, which no message gets past.
        var server = RabbitMQNode.Options()
        server.configuration = ["max_message_size = 134217728"]
        let node = try await TestBroker.start(options: server)
        // On a broker that is not its own, `dev` accepts no requests until `upstreams` is set.
        let environment = ["GOLDSMITH_AMQP_URL": node.url, "GOLDSMITH_UPSTREAMS": "*"]
        try await Dev.with(workers: 1, environment: environment) { dev in
            let facts = try #require(dev.facts)
            let worker = try #require(facts.pids.workers.first)
            let endpoint = try AMQPEndpoint(parsing: facts.amqpUrl)
            var options = AMQPOptions()
            options.maximumBodyBytes = 128 << 20
            options.publishTimeout = .seconds(60)
            let publisher = AMQPPublisher(endpoint: endpoint, name: "test", options: options, logger: testLogger)
            // To every queue: a request, a job, a dead letter.
            for (exchange, key) in [("requests", "image.create"), ("jobs", "replicate"), ("dead", "replicate")] {
                try await publisher.publish(
                    AMQPPublication(
                        exchange: "goldsmith.\(exchange)",
                        routingKey: key,
                        message: AMQPMessage(
                            body: [UInt8](repeating: 32, count: 64 << 20),
                            contentType: "application/json",
                            messageID: exchange
                        )
                    )
                )
            }
            await publisher.close()
            let areKept = await eventually {
                let parked = try? await dev.run("parked", "list", "--json")
                return parked?.output.components(separatedBy: "larger than 16 MiB").count == 4
            }
            #expect(areKept)
            let memory = try #require(Self.memory(of: worker), "the worker has ended")
            #expect(memory < 150 << 20, "\(memory >> 20) MiB")
            // It goes on.
            _ = try await dev.run("instance", "sample", "--id", "i-one", "--mib", "1")
            let made = try await dev.run("image", "create", "--instance", "i-one", "--name", "one", "--wait")
            #expect(made.code == 0, "\(made.complaint)")
        }
        await node.stop()
    }
}
