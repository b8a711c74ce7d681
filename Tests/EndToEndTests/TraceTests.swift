import AMQPClient
import Foundation
import Glibc
import GoldsmithTestSupport
import Testing

@Suite("Traces", .timeLimit(.minutes(30)))
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

    @Test(
        "spans lead from the upstream's to the last replica, sent to a receiver that was busy first, and with its password"
    )
    func exported() async throws {
        try await SpanReceiver.with(refusing: 1) { receiver in
            let environment = [
                "GOLDSMITH_OTLP_ENDPOINT": "http://127.0.0.1:\(receiver.port)",
                "GOLDSMITH_OTLP_HEADERS": "authorization=Bearer%20hunter2",
                "GOLDSMITH_LOG_LEVEL": "trace",
            ]
            try await Dev.with(workers: 2, environment: environment) { dev in
                let sample = try await dev.run(
                    "instance",
                    "sample",
                    "--id",
                    "i-acct-1",
                    "--owner",
                    "acct-1",
                    "--mib",
                    "1"
                )
                #expect(sample.code == 0, "\(sample.complaint)")
                let endpoint = try AMQPEndpoint(parsing: try #require(dev.facts).amqpUrl)
                try await request("acct-1", Self.parent, endpoint)
                let isTold = await eventually {
                    receiver.spans.filter { $0.name == "replicate" && $0["goldsmith.outcome"] == "done" }.count == 2
                }
                #expect(isTold)
                let spans = receiver.spans
                let first = try #require(spans.first { $0.name == "image.create" })
                #expect(first.parentSpanId == "00f067aa0ba902b7")
                #expect(spans.allSatisfy { $0.traceId == "4bf92f3577b34da6a3ce929d0e0e4736" })
                let (calls, jobs) = (
                    spans.filter { $0.name.hasPrefix("driver.") },
                    spans.filter { !$0.name.hasPrefix("driver.") && $0.name != first.name }
                )
                #expect(jobs.allSatisfy { $0.parentSpanId == first.spanId })
                let captures = calls.filter { $0.name == "driver.capture" }.map(\.parentSpanId)
                #expect(captures == jobs.filter { $0.name == "system-disk" }.map(\.spanId))
                #expect(Set(spans.map(\.name)).isSuperset(of: ["stop-check", "system-disk", "replicate"]))
                #expect(receiver.authorizations == ["Bearer hunter2"])
                for number in 1...2 {
                    let log = try String(contentsOfFile: "\(dev.data)/logs/worker-\(number).log", encoding: .utf8)
                    let isDiscreet = !log.contains("hunter2")
                    #expect(isDiscreet)
                }
                let doctor = try await Program.run(["doctor", "--quick", "--data", dev.data], environment: environment)
                #expect(doctor.output.contains("traces: "), "\(doctor.output)")
                #expect(!doctor.output.contains("hunter2"))
            }
        }
    }

    @Test("a busy worker's spans arrive too, in messages of any size, and nothing of their way out can end it")
    func manySpans() async throws {
        try await SpanReceiver.with { receiver in
            let environment = ["GOLDSMITH_OTLP_ENDPOINT": "http://127.0.0.1:\(receiver.port)"]
            try await Dev.with(environment: environment) { dev in
                let endpoint = try AMQPEndpoint(parsing: try #require(dev.facts).amqpUrl)
                let publisher = AMQPPublisher(endpoint: endpoint, name: "test", logger: testLogger)
                let state = "vendor=" + String(repeating: "@", count: 500)
                let describe = { @Sendable (number: Int) in
                    let message = AMQPMessage(
                        body: Array(#"{"owner": "acct-1", "imageId": "img-none"}"#.utf8),
                        contentType: "application/json",
                        messageID: "m-\(number)",
                        headers: ["traceparent": .string(Self.parent), "tracestate": .string(state)]
                    )
                    try await publisher.publish(
                        AMQPPublication(exchange: "goldsmith.requests", routingKey: "image.describe", message: message)
                    )
                }
                for number in 1...600 { try await describe(number) }
                let haveArrived = await eventually { receiver.spans.count == 600 }
                #expect(haveArrived, "\(receiver.spans.count) of 600")
                // As when a `curl` ends before it has read all.
                let worker = try #require(dev.facts?.pids.workers.first)
                #expect(kill(worker, SIGPIPE) == 0)
                try await describe(601)
                let hasArrived = await eventually { receiver.spans.count == 601 }
                #expect(hasArrived)
                await publisher.close()
                #expect(receiver.spans.allSatisfy { $0.traceState == state })
                #expect(kill(worker, 0) == 0, "the worker has ended")
            }
        }
    }

    @Test("an address of a receiver that is none, or headers that are none, are refused, and not repeated")
    func malformed() async throws {
        for endpoint in ["collector:4318", "ftp://h", "http://u:hunter2@h", "http://h/?a=b", ""] {
            let refused = try await Program.run(["worker"], environment: ["GOLDSMITH_OTLP_ENDPOINT": endpoint])
            #expect(refused.code == 2, "\(endpoint): \(refused.complaint)")
            #expect(refused.complaint.contains("GOLDSMITH_OTLP_ENDPOINT"), "\(refused.complaint)")
            #expect(!refused.complaint.contains("hunter2"))
        }
        for headers in ["hunter2", "a b=hunter2", "a=hunter2%0Ab: c"] {
            let refused = try await Program.run(
                ["worker"],
                environment: ["GOLDSMITH_OTLP_ENDPOINT": "http://h", "GOLDSMITH_OTLP_HEADERS": headers]
            )
            #expect(refused.code == 2 && refused.complaint.contains("GOLDSMITH_OTLP_HEADERS"), "\(refused.complaint)")
            #expect(!refused.complaint.contains("hunter2"))
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
