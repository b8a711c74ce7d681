import AMQPClient
import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import PrivateServers
import Subprocess
import SystemPackage
import Testing

@Suite("What operators look at and decide", .serialized, .timeLimit(.minutes(30)))
struct OperatorTests {
    private func publish(_ dev: Dev, _ exchange: String, _ key: String, _ body: String, id: String? = nil) async throws
    {
        let publisher = AMQPPublisher(
            endpoint: try AMQPEndpoint(parsing: try #require(dev.facts?.amqpUrl)),
            name: "test",
            logger: testLogger
        )
        let message = AMQPMessage(body: Array(body.utf8), contentType: "application/json", messageID: id)
        try await publisher.publish(AMQPPublication(exchange: exchange, routingKey: key, message: message))
        await publisher.close()
    }

    private func parked(_ dev: Dev, count: Int) async throws -> [ShownDeadLetter] {
        let isThere = await eventually {
            let deadLetters = try? await dev.json([ShownDeadLetter].self, "parked", "list")
            return deadLetters?.count == count
        }
        #expect(isThere)
        return try await dev.json([ShownDeadLetter].self, "parked", "list")
    }

    @Test("what nobody can handle is listed, shown, put back and closed, and looking takes nothing and moves nothing")
    func parked() async throws {
        try await Dev.with { dev in
            try await publish(dev, "goldsmith.jobs", "clean-up", "{}")
            try await publish(dev, "goldsmith.requests", "image.crate", #"{"owner": "acct-1"}"#, id: "m1")
            try await publish(dev, "goldsmith.requests", "image.create", #"{"owner": "acct-1"}"#)
            let deadLetters = try await parked(dev, count: 3)
            #expect(Set(deadLetters.map(\.cause)) == ["NOT_OURS", "UNROUTED", "INVALID_ARGUMENT"])
            #expect(try await dev.json([ShownDeadLetter].self, "parked", "list", "--owner", "acct-1").count == 2)
            #expect(try await dev.json([ShownDeadLetter].self, "parked", "list", "--older-than", "1h").isEmpty)
            #expect(try await dev.json([ShownGroup].self, "parked", "list", "--group").map(\.count) == [1, 1, 1])
            let unrouted = try #require(deadLetters.first { $0.kind == "unrouted" })
            for _ in 0..<3 {
                let body = try await dev.run("parked", "show", unrouted.id, "--body")
                #expect(body.output == #"{"owner": "acct-1"}"#)
            }
            let shown = try await dev.run("parked", "show", unrouted.id)
            #expect(shown.output.contains("image.crate") && shown.output.contains("m1"))
            #expect(try await parked(dev, count: 3) == deadLetters, "looking changes nothing")
            let queues = try await dev.json([ShownQueue].self, "queue", "list")
            #expect(
                queues.filter { $0.name.hasSuffix("parked") || $0.name.hasSuffix("unrouted") }.map(\.ready) == [0, 0]
            )

            let stray = try #require(deadLetters.first { $0.cause == "NOT_OURS" })
            let rehearsed = try await dev.run("parked", "replay", "--all", "--dry-run")
            #expect(rehearsed.code == 4 && rehearsed.output.contains("\(unrouted.id)  refused: there is no queue"))
            #expect(rehearsed.output.contains("\(stray.id)  would be replayed"))
            #expect(try await parked(dev, count: 3) == deadLetters, "a dry run changes nothing")
            #expect(try await dev.run("parked", "replay").code == 2)
            #expect(try await dev.run("parked", "replay", "msg-nobody").code == 3)
            #expect(try await dev.run("parked", "replay", unrouted.id).code == 4, "no queue takes it")
            for round in 1...3 {
                #expect(try await dev.run("parked", "replay", stray.id, "--by", "alice").code == 0)
                let isBack = await eventually {
                    let deadLetters = try? await dev.json(
                        [ShownDeadLetter].self,
                        "parked",
                        "list",
                        "--step",
                        "clean-up"
                    )
                    return deadLetters?.first?.arrivals == round + 1
                }
                #expect(isBack)
            }
            let guarded = try await dev.run("parked", "replay", stray.id)
            #expect(guarded.code == 4 && guarded.output.contains("--force"))
            #expect(try await dev.run("parked", "replay", stray.id, "--force", "--by", "bob").code == 0)
            #expect(try await dev.run("parked", "show", stray.id).output.contains("bob"))
            _ = try await parked(dev, count: 3)
            #expect(try await dev.run("parked", "discard", "--all", "--note", "asked").code == 0)
            _ = try await parked(dev, count: 0)
            let closed = try await dev.json([ShownDeadLetter].self, "parked", "list", "--state", "discarded")
            #expect(closed.count == 3)
            #expect(try await dev.run("parked", "discard", stray.id).code == 4, "it is closed already")
        }
    }

    /// So many that a replay of one a second lasts until it was killed, also by a busy machine.
    private static let strays = 40

    @Test("a replay that is killed half way has lost and doubled nothing, and goes on when it is run again")
    func killedReplay() async throws {
        try await Dev.with { dev in
            let image = "img-" + String(repeating: "x", count: 59)
            for number in 1...Self.strays {
                let body = #"{"attempt": 30, "imageId": "\#(image)", "job": "clean-up:img-x.east.\#(number)"}"#
                try await publish(dev, "goldsmith.jobs", "clean-up", body)
            }
            let stray = try #require(try await parked(dev, count: Self.strays).first)
            let list = try await dev.run("parked", "list").output
            #expect(list.contains("there is no image img-x") && list.contains("…") && !list.contains(image), "\(list)")
            #expect(try await dev.run("parked", "show", stray.id).output.contains("there is no image \(image) in"))
            // No worker runs, so what was put back stays where it is.
            for worker in try #require(dev.facts).pids.workers { kill(worker, SIGSTOP) }
            _ = try await Subprocess.run(
                .path(FilePath(Program.path)),
                arguments: ["parked", "replay", "--all", "--rate", "1", "--data", dev.data],
                input: .none,
                output: .discarded,
                error: .currentStandardError
            ) { execution in
                let isUnderWay = await eventually {
                    let open = try? await dev.json([ShownDeadLetter].self, "parked", "list")
                    return (1..<Self.strays).contains(open?.count ?? 0)
                }
                #expect(isUnderWay)
                kill(execution.processIdentifier.value, SIGKILL)
            }
            #expect(try await dev.run("parked", "replay", "--all", "--rate", "100").code == 0)
            let replayed = try await dev.json([ShownDeadLetter].self, "parked", "list", "--state", "replayed")
            #expect(replayed.count == Self.strays && replayed.allSatisfy { $0.replays == 1 })
            for worker in try #require(dev.facts).pids.workers { kill(worker, SIGCONT) }
            let all = try await parked(dev, count: Self.strays)
            #expect(all.allSatisfy { $0.arrivals >= 2 && $0.replays == 1 })
        }
    }

    @Test("a dead letter says what failed, and its replay has the image made once that is repaired")
    func dead() async throws {
        try await Dev.with(environment: ["GOLDSMITH_UPSTREAMS": "goldsmith=*"]) { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-bad", "--mib", "4")
            let disk = "\(dev.data)/instances/i-bad/vda.qcow2"
            // Not a place of the workers' that is away: they would try it again, and wait.
            let deadLetter = try await withWriter(of: disk, format: "qcow2") {
                let failed = try await dev.run("image", "create", "--instance", "i-bad", "--name", "bad", "--wait")
                #expect(failed.code == 1, "\(failed.output) \(failed.complaint)")
                let deadLetter = try #require(try await dev.json([ShownDeadLetter].self, "dead", "list").first)
                #expect(
                    deadLetter.owner == "local" && deadLetter.step == "stop-check" && deadLetter.state == "open",
                    "\(deadLetter)"
                )
                #expect(try await dev.run("dead", "list", "--group").output.contains(deadLetter.cause))

                #expect(try await dev.run("dead", "replay", deadLetter.id).code == 0)
                let isBack = await eventually {
                    let deadLetters = try? await dev.json([ShownDeadLetter].self, "dead", "list")
                    return deadLetters?.first?.arrivals == 2
                }
                #expect(isBack, "it fails again, as the same dead letter")
                return deadLetter
            }

            let again = try await dev.run("dead", "replay", "--all", "--cause", deadLetter.cause)
            #expect(again.code == 0, "\(again.output) \(again.complaint)")
            #expect(try await dev.run("image", "watch", deadLetter.id).code == 0)
            #expect(try await dev.json([ShownDeadLetter].self, "dead", "list").isEmpty)
            #expect(try await dev.run("dead", "replay", deadLetter.id).code == 4, "there is nothing to try again")
            #expect(try await dev.run("doctor").code == 0)
        }
    }

    @Test("workers are listed with what they do, and what no worker serves is named everywhere")
    func workers() async throws {
        let lanes = "intake,stop-check,system-disk,data-disk,clean-up,dead-letters,parked,unrouted"
        try await Dev.with(copyRate: 4, environment: ["GOLDSMITH_STEPS": lanes]) { dev in
            let pid = try #require(dev.facts?.pids.workers.first)
            _ = try await dev.run("instance", "sample", "--id", "i-slow", "--mib", "64")
            _ = try await dev.run("image", "create", "--instance", "i-slow", "--name", "slow")
            let isSeen = await eventually {
                let shown = try? await dev.json(ShownWorkers.self, "worker", "list")
                return shown?.workers.first?.works.contains { $0.step == "system-disk" } == true
            }
            #expect(isSeen)
            let shown = try await dev.json(ShownWorkers.self, "worker", "list")
            #expect(shown.workers.map(\.pid) == [pid] && shown.workers.first?.state == "alive")
            #expect(shown.unserved.contains("replicate"))
            let list = try await dev.run("worker", "list")
            #expect(list.code == 1 && list.output.contains("no worker serves replicate"))
            let queue = try await dev.run("queue", "show", "job.replicate")
            #expect(queue.code == 0 && queue.output.contains("no consumer"))
            #expect(try await dev.run("queue", "show", "nowhere").code == 3)
            #expect(try await dev.run("queue", "list").output.contains("no consumer"))
            let isKnown = await eventually {
                let queues = try? await dev.json([ShownQueue].self, "queue", "list")
                return queues?.allSatisfy { $0.unacked != nil } == true
            }
            #expect(isKnown, "the private broker has its management plugin")
            let told = try await dev.json([ShownFinding].self, "doctor", "--quick")
            let alone = told.filter { $0.what == "consumers" }
            #expect(alone.count == 1 && alone.first?.grade != "good", "one finding for all queues: \(told)")
            kill(pid, SIGTERM)
            let hasSignedOff = await eventually {
                let workers = try? await dev.json(ShownWorkers.self, "worker", "list").workers
                return workers?.contains { $0.pid == pid } == false
            }
            #expect(hasSignedOff)
        }
    }

    @Test("the doctor looks at everything, finds a missing binding, and changes nothing")
    func doctor() async throws {
        try await Dev.with { dev in
            // The broker counts consumers and disk space some seconds after it starts.
            #expect(await eventually { (try? await dev.run("doctor").code) == 0 })
            let found = try await dev.json([ShownFinding].self, "doctor")
            let names = [
                "qemu-img", "guest checks", "database", "schema", "outbox", "dead", "parked", "clock of this machine",
                "workers", "broker", "topology", "permissions", "alarms", "consumers", "bindings", "policies",
                "feature flags", "consumer_timeout", "location east", "location west", "store's disk",
            ]
            for name in names { #expect(found.contains { $0.what == name }, "\(name)") }
            let bad = found.filter { $0.grade == "bad" }
            #expect(bad.isEmpty, "\(bad)")

            try await expectWhatMonitoringIsTold(dev)
            let connection = AMQPConnection(
                endpoint: try AMQPEndpoint(parsing: try #require(dev.facts?.amqpUrl)),
                name: "test",
                logger: testLogger
            )
            try await connection.unbindQueue("goldsmith.job.replicate", from: "goldsmith.jobs", routingKey: "replicate")
            await connection.close()
            let broken = try await dev.run("doctor")
            #expect(broken.code == 1)
            #expect(broken.output.contains("goldsmith.jobs replicate → goldsmith.job.replicate"), "\(broken.output)")
            #expect(broken.output.contains("topology apply"))
            #expect(try await dev.run("topology", "apply").code == 0)
            #expect(try await dev.run("doctor").code == 0)
            let queues = try await dev.json([ShownQueue].self, "queue", "list")
            #expect(queues.allSatisfy { $0.ready == 0 }, "nothing was sent to find out")
        }
    }
}

extension OperatorTests {
    /// A user with the tag `monitoring`, as the documentation asks for, can read all but the feature flags (by RabbitMQ
    /// 3).
    private func expectWhatMonitoringIsTold(_ dev: Dev) async throws {
        let facts = try #require(dev.facts)
        let broker = try #require(facts.pids.broker)
        let address = try #require(facts.managementUrl.flatMap { URLComponents(string: $0) })
        for command in [
            ["add_user", "watcher", "watcher-hunter2"], ["set_user_tags", "watcher", "monitoring"],
            ["set_permissions", "watcher", "", "", ".*"],
        ] {
            _ = try await RabbitMQNode.control(process: broker, command)
        }
        let watcher = "http://watcher:watcher-hunter2@\(address.host ?? ""):\(address.port ?? 0)"
        let doctor = try await Program.run(
            ["doctor", "--quick", "--json", "--data", dev.data],
            environment: ["GOLDSMITH_MANAGEMENT_URL": watcher]
        )
        let found = try JSONDecoder().decode([ShownFinding].self, from: Data(doctor.output.utf8))
        for name in ["bindings", "policies", "node "] {
            // A node reports its disk some seconds after its start.
            #expect(found.contains { $0.what.hasPrefix(name) && $0.grade != "bad" }, "\(name) in \(doctor.output)")
        }
        #expect(!found.contains { $0.what == "management" }, "\(doctor.output)")
        #expect(found.contains { $0.what == "feature flags" && $0.grade != "bad" }, "\(doctor.output)")
    }
}

struct ShownDeadLetter: Decodable, Equatable, Sendable {
    var id: String
    var kind: String
    var state: String
    var cause: String
    var reason: String
    var step: String?
    var owner: String?
    var arrivals: Int
    var replays: Int
}

private struct ShownGroup: Decodable, Sendable { var count: Int }

struct ShownWorkers: Decodable, Sendable {
    struct Worker: Decodable, Sendable {
        struct Work: Decodable, Sendable {
            var image: String
            var step: String
        }

        var id: String
        var pid: Int32
        var state: String
        var works: [Work]
    }

    var workers: [Worker]
    var unserved: [String]
}

private struct ShownFinding: Decodable, Sendable {
    var what: String
    var grade: String
}
