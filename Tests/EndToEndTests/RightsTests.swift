import AMQPClient
import FoundationEssentials
import GoldsmithTestSupport
import PrivateServers
import Subprocess
import SystemPackage
import Testing

@Suite("The broker's users, from an exported definitions file", .serialized, .timeLimit(.minutes(30)))
struct RightsTests {
    /// What a role may do; all the rest must be refused.
    struct May: Sendable {
        var role: String
        var write: Set<String>
        var read: Set<String>
    }

    private static let steps = [
        "stop-check", "system-disk", "data-disk", "convert", "replicate", "boot-proof", "launch", "clean-up",
    ]
    private static let delays = ["1s", "5s", "30s", "2m", "10m", "1h"]

    static let roles = [
        May(role: "producer", write: ["requests"], read: ["producer.answers", "producer.events"]),
        May(
            role: "worker",
            // The empty name is the default exchange, by which answers go.
            write: Set(["", "requests", "jobs", "dead", "parking", "events"] + delays.map { "retry.\($0)" }),
            read: Set(["intake", "dead", "parked", "unrouted"] + steps.map { "job.\($0)" })
        ),
        May(role: "operator", write: ["requests", "jobs"], read: []),
        May(role: "console", write: [], read: []),
    ]

    private static let exchanges =
        ["", "requests", "jobs", "dead", "parking", "unroutable", "events"] + delays.map { "retry.\($0)" }
    private static let queues =
        ["intake", "dead", "parked", "unrouted", "oversized", "producer.answers", "producer.events"]
        + steps.map { "job.\($0)" }
        + delays.map { "retry.\($0)" }

    private static func name(_ suffix: String) -> String { suffix.isEmpty ? "" : "goldsmith.\(suffix)" }

    /// The outcome of a call, once the broker has answered: "done", its code of a refusal such as "403", or an error of
    /// another kind, in full.
    private func outcome(of body: () async throws(AMQPError) -> Void) async -> String {
        var outcome = ""
        _ = await eventually {
            do throws(AMQPError) {
                try await body()
                outcome = "done"
            } catch {
                outcome = error.kind == .channelClosed ? "\(error.code)" : error.description
                return !error.isRetriable
            }
            return true
        }
        return outcome
    }

    /// Whether the broker refuses a login, once it has answered: a handshake may time out on a busy machine.
    private func isRefused(_ endpoint: AMQPEndpoint) async -> Bool {
        await eventually {
            let connection = AMQPConnection(endpoint: endpoint, name: "login", logger: testLogger)
            do throws(AMQPError) {
                try await connection.open()
                await connection.close()
                return false
            } catch {
                return error.kind == .authenticationFailed
            }
        }
    }

    private func expectRights(_ may: May, _ endpoint: AMQPEndpoint) async throws {
        let connection = AMQPConnection(endpoint: endpoint, name: may.role, logger: testLogger)
        let publisher = AMQPPublisher(endpoint: endpoint, name: may.role, logger: testLogger)
        for exchange in Self.exchanges {
            let publication = AMQPPublication(
                exchange: Self.name(exchange),
                routingKey: "x",
                message: AMQPMessage(body: [1]),
                isMandatory: false
            )
            let answer = await outcome { () async throws(AMQPError) in try await publisher.publish(publication) }
            #expect(answer == (may.write.contains(exchange) ? "done" : "403"), "\(may.role) writes to '\(exchange)'")
        }
        for queue in Self.queues.map(Self.name) {
            // Every user may ask whether a queue is there and how full it is.
            var isThere = false
            let looks = await outcome { () async throws(AMQPError) in
                isThere = try await connection.inspectQueue(queue) != nil
            }
            #expect(looks == "done" && isThere, "\(may.role) looks at \(queue)")
            let suffix = String(queue.dropFirst("goldsmith.".count))
            let answer = await outcome { () async throws(AMQPError) in _ = try await connection.get(queue) }
            #expect(answer == (may.read.contains(suffix) ? "done" : "403"), "\(may.role) reads \(queue)")
            #expect(
                await outcome { () async throws(AMQPError) in try await connection.deleteQueue(queue) } == "403",
                "\(may.role) deletes \(queue)"
            )
        }
        for name in ["goldsmith.new", "new", "amq.gen-new"] {
            #expect(
                await outcome { () async throws(AMQPError) in try await connection.declareQueue(name) } == "403",
                "\(may.role) declares \(name)"
            )
        }
        let makesExchange = await outcome { () async throws(AMQPError) in
            try await connection.declareExchange("goldsmith.mine", type: "direct")
        }
        #expect(makesExchange == "403", "\(may.role) declares an exchange")
        #expect(
            await outcome { () async throws(AMQPError) in try await connection.deleteExchange("goldsmith.jobs") }
                == "403",
            "\(may.role) deletes an exchange"
        )
        for queue in Self.queues {
            for exchange in Self.exchanges where !exchange.isEmpty {
                // Exchange and queue of dead letters, and of each delay, share a name: a worker that publishes to the
                // one and consumes the other may bind them, which gives it nothing that it cannot do without.
                let isOwn = exchange == "dead" && (queue == "dead" || queue.hasPrefix("retry."))
                let mayBind = may.role == "worker" && isOwn
                let answer = await outcome { () async throws(AMQPError) in
                    try await connection.bindQueue(Self.name(queue), to: Self.name(exchange), routingKey: "x.acct-42")
                }
                #expect(answer == (mayBind ? "done" : "403"), "\(may.role) binds \(queue) to \(exchange)")
                guard mayBind else { continue }
                try await connection.unbindQueue(Self.name(queue), from: Self.name(exchange), routingKey: "x.acct-42")
            }
        }
        await publisher.close()
        await connection.close()
    }

    private func expectOwnEventsOnly(_ fixture: RightsFixture) async throws {
        let producer = AMQPConnection(endpoint: fixture.endpoint("producer"), name: "producer", logger: testLogger)
        for key in ["#.acct-42", "#", "#.acct-43", "image.#", "*"] {
            let answer = await outcome { () async throws(AMQPError) in
                try await producer.bindQueue("goldsmith.producer.events", to: "goldsmith.events", routingKey: key)
            }
            #expect(answer == "403", "the producer binds \(key)")
        }
        let worker = AMQPPublisher(endpoint: fixture.endpoint("worker"), name: "worker", logger: testLogger)
        for owner in ["acct-43", "acct-42"] {
            try await worker.publish(
                AMQPPublication(
                    exchange: "goldsmith.events",
                    routingKey: "image.available.\(owner)",
                    message: AMQPMessage(body: Array(owner.utf8)),
                    isMandatory: false
                )
            )
        }
        let event = try await producer.get("goldsmith.producer.events")
        #expect(event.map { String(decoding: $0.message.body, as: UTF8.self) } == "acct-42")
        event?.ack()
        #expect(try await producer.get("goldsmith.producer.events") == nil)
        await worker.close()
        await producer.close()
    }

    /// The broker itself refuses a message with another user's name: what `upstreams` relies on.
    private func expectNoForgery(_ fixture: RightsFixture) async throws {
        let producer = AMQPPublisher(endpoint: fixture.endpoint("producer"), name: "producer", logger: testLogger)
        let message = AMQPMessage(body: Array("{}".utf8), userID: "goldsmith-operator")
        let answer = await outcome { () async throws(AMQPError) in
            try await producer.publish(
                AMQPPublication(exchange: "goldsmith.requests", routingKey: "image.create", message: message)
            )
        }
        #expect(answer == "406")
        await producer.close()
    }

    private func expectRealImage(_ fixture: RightsFixture) async throws {
        #expect(try await fixture.run("worker", "database", "migrate").code == 0)
        #expect(try await fixture.run("worker", "topology", "verify").code == 0)
        let upstream = try await Upstream(fixture.endpoint("producer"), replies: "goldsmith.producer.answers")
        try await fixture.withWorker {
            for id in ["i-one", "i-two"] {
                let made = try await fixture.run("worker", "instance", "sample", "--id", id, "--mib", "4")
                #expect(made.code == 0, "\(made.complaint)")
            }
            let create = ["image", "create", "--instance", "i-one", "--name", "one", "--wait"]
            let made = try await Program.run(create, environment: try fixture.environment("operator"))
            #expect(made.code == 0, "\(made.complaint)")
            let body = #"{"requestId": "r1", "owner": "local", "instanceId": "i-two", "name": "two"}"#
            let answer = try await upstream.ask(body)
            #expect(answer?.status == "accepted", "\(String(describing: answer))")
            let foreign = #"{"requestId": "r2", "owner": "acct-43", "instanceId": "i-two", "name": "two"}"#
            #expect(try await upstream.ask(foreign)?.code == "PERMISSION_DENIED")
            let isMade = await eventually {
                let list = try? await fixture.run("console", "image", "list", "--status", "Available", "--json")
                let images = try? JSONDecoder().decode([ShownImage].self, from: Data((list?.output ?? "").utf8))
                return images?.count == 2
            }
            #expect(isMade)
            try await expectOperatorIsServed(fixture)
            // What people and the console look at.
            for role in ["operator", "console"] {
                let doctor = try await fixture.run(role, "doctor")
                #expect(doctor.code == 0 && doctor.complaint.isEmpty, "\(doctor.output)\(doctor.complaint)")
                #expect(try await fixture.run(role, "queue", "list").code == 0)
            }
            // All settings came from the environment, which the next command has too.
            let image = made.output.prefix { $0 != " " }
            let going = try await fixture.run("operator", "image", "delete", String(image), "--confirm")
            #expect(going.output.hasSuffix("follow it with: goldsmith image watch \(image)\n"), "\(going.output)")
            let applied = try await fixture.run("operator", "topology", "apply")
            #expect(applied.code == 4 && applied.complaint.split(separator: "\n").count == 2, "\(applied.complaint)")
            #expect(applied.complaint.contains("may not make exchanges and queues"))
            try await fixture.node.control(["set_vm_memory_high_watermark", "0"])
            let isTold = await eventually {
                let doctor = try? await fixture.run("worker", "doctor", "--quick")
                return doctor?.code == 1 && doctor?.output.contains("blocks publishers") == true
            }
            #expect(isTold, "an alarm")
            let blocked = try await fixture.run("operator", "image", "cancel", "img-1", "--request-id", "again-1")
            #expect(blocked.code == 5 && blocked.complaint.contains("--request-id again-1"), "\(blocked.complaint)")
            #expect(!blocked.complaint.contains("warning goldsmith"), "\(blocked.complaint)")
            try await fixture.node.control(["set_vm_memory_high_watermark", "0.9"])
        }
        await upstream.close()
        let log = (try? String(contentsOfFile: fixture.log(of: "worker"), encoding: .utf8)) ?? ""
        #expect(log.contains("worker stopped") && !log.contains("ACCESS_REFUSED"), "\(log)")
    }

    /// The console's user may not write a word to the broker, and yet its operators are answered.
    private func expectOperatorIsServed(_ fixture: RightsFixture) async throws {
        struct Shown: Decodable { var id: String }
        let list = try await fixture.run("operator", "image", "list", "--json").output
        let image = try #require(try JSONDecoder().decode([Shown].self, from: Data(list.utf8)).first).id
        try await fixture.withConsole { address in
            let tokenFile = "\(fixture.folder)/data/console-token"
            #expect(await eventually { FileManager.default.fileExists(atPath: tokenFile) })
            let token = try String(contentsOfFile: tokenFile, encoding: .utf8).filter { !$0.isWhitespace }
            let answer = try await Subprocess.run(
                .path("/usr/bin/curl"),
                arguments: [
                    "--silent", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "--max-time", "60",
                    "--header", "Authorization: Bearer \(token)", "--data", #"{"with": ["acct-7"]}"#,
                    "\(address)/api/v1/images/\(image)/share",
                ],
                output: .string(limit: 1 << 16),
                error: .discarded
            ).standardOutput
            #expect(answer.contains(#""status":"accepted""#) && answer.contains(image), "\(answer)")
        }
        let shown = try await fixture.run("operator", "image", "show", image, "--json").output
        #expect(shown.contains("acct-7"), "\(shown)")
        let log = (try? String(contentsOfFile: fixture.log(of: "console"), encoding: .utf8)) ?? ""
        #expect(log.contains("by=localhost") && log.contains("operation=image.share"), "who asked for what: \(log)")
        #expect(!log.contains("ACCESS_REFUSED"), "\(log)")
    }

    @Test("each user can do its work and nothing else, and a worker that may declare nothing makes a real image")
    func rights() async throws {
        try await RightsFixture.with { fixture in
            for may in Self.roles { try await expectRights(may, fixture.endpoint(may.role)) }
            try await expectOwnEventsOnly(fixture)
            try await expectNoForgery(fixture)
            try await expectRealImage(fixture)
            // What was imported is what `topology apply` would have made: it finds nothing to do and nothing different.
            try await fixture.node.control([
                "set_permissions", "-p", RightsFixture.virtualHost, fixture.node.user, ".*", ".*", ".*",
            ])
            let deployer = ["GOLDSMITH_AMQP_URL": fixture.node.url + RightsFixture.virtualHost]
            for command in ["verify", "apply"] {
                let checked = try await Program.run(["topology", command], environment: deployer)
                #expect(checked.code == 0, "\(checked.complaint)")
            }
            // Without a password no user can log in, and the program says so.
            let locked = try await Program.run(["topology", "export", "--vhost", RightsFixture.virtualHost])
            for may in Self.roles { #expect(locked.complaint.contains("goldsmith-\(may.role)")) }
            try Data(locked.output.utf8).write(to: URL(fileURLWithPath: "\(fixture.folder)/locked.json"))
            try await fixture.node.control(["import_definitions", "\(fixture.folder)/locked.json"])
            for may in Self.roles {
                for password in [RightsFixture.passwords[may.role] ?? "", "", "guest"] {
                    var endpoint = fixture.endpoint(may.role)
                    endpoint.password = password
                    #expect(await isRefused(endpoint), "\(may.role)")
                }
            }
        }
    }
}
