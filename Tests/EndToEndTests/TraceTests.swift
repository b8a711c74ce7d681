import AMQPClient
import FoundationEssentials
import GoldsmithTestSupport
import Testing

@Suite("Traces", .timeLimit(.minutes(5)))
struct TraceTests {
    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("a request's trace context is in the headers of each of its image's events, and a malformed one in none")
    func carried() async throws {
        try await Dev.with { dev in
            let endpoint = try AMQPEndpoint(parsing: try #require(dev.facts).amqpUrl)
            let connection = AMQPConnection(endpoint: endpoint, name: "test", logger: testLogger)
            try await connection.declareQueue("test.events", arguments: ["x-queue-type": "quorum"])
            try await connection.bindQueue("test.events", to: "goldsmith.events", routingKey: "#")
            await connection.close()
            let consumer = AMQPConsumer(endpoint: endpoint, name: "test", logger: testLogger)
            let events = try await consumer.deliveries(from: "test.events", prefetch: 100)
            for (owner, parent) in [("acct-1", Self.parent), ("acct-2", "no-trace")] {
                let sample = try await dev.run(
                    "instance",
                    "sample",
                    "--id",
                    "i-\(owner)",
                    "--owner",
                    owner,
                    "--mib",
                    "1"
                )
                #expect(sample.code == 0, "\(sample.complaint)")
                try await request(owner, parent, endpoint)
            }
            var seen: [String: Int] = [:]
            var open = 2
            for await event in events {
                event.ack()
                let owner = event.routingKey.hasSuffix("acct-1") ? "acct-1" : "acct-2"
                let headers = event.message.headers
                #expect(
                    headers["traceparent"] == (owner == "acct-1" ? .string(Self.parent) : nil),
                    "\(event.routingKey)"
                )
                #expect(headers["tracestate"] == (owner == "acct-1" ? "vendor=1" : nil), "\(event.routingKey)")
                seen[owner, default: 0] += 1
                #expect(!event.routingKey.hasPrefix("image.error") && !event.routingKey.hasPrefix("request.rejected"))
                if !event.routingKey.hasPrefix("step.") && !event.routingKey.hasPrefix("image.p")
                    && !event.routingKey.hasPrefix("image.replicating")
                {
                    open -= 1
                }
                if open == 0 { break }
            }
            await consumer.close()
            #expect(seen.values.allSatisfy { $0 >= 9 }, "\(seen)")
        }
    }

    private func request(_ owner: String, _ parent: String, _ endpoint: AMQPEndpoint) async throws {
        let publisher = AMQPPublisher(endpoint: endpoint, name: "test", logger: testLogger)
        let body = #"{"owner": "\#(owner)", "instanceId": "i-\#(owner)", "name": "golden"}"#
        let message = AMQPMessage(
            body: Array(body.utf8),
            contentType: "application/json",
            messageID: "m-\(owner)",
            headers: ["traceparent": .string(parent), "tracestate": "vendor=1"]
        )
        try await publisher.publish(
            AMQPPublication(exchange: "goldsmith.requests", routingKey: "image.create", message: message)
        )
        await publisher.close()
    }
}
