import AMQPClient
import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Synchronization
import Testing

@Suite("The built program's commands", .serialized, .timeLimit(.minutes(30)))
struct CommandTests {
    @Test("one development system serves every command, and its exit codes keep their promise")
    func commands() async throws {
        try await Dev.with(workers: 2) { dev in
            let facts = try #require(dev.facts)
            let mode = try FileManager.default.attributesOfItem(atPath: dev.data + "/dev.json")[.posixPermissions]
            #expect(mode as? Int == 0o600, "dev.json holds a password")

            #expect(try await dev.run("topology", "verify").code == 0)
            #expect(try await dev.run("doctor", "--quick").code == 0)
            #expect(try await dev.run("image", "show", "img-nobody").code == 3)
            #expect(try await dev.run("image", "show", "../etc").code == 2)
            #expect(try await dev.run("instance", "show", "i-nobody").code == 3)
            #expect(try await dev.run("image", "no-such-command").code == 2)
            #expect(try await dev.run("image", "create", "--instance", "i-nobody", "--name", "x1").code == 3)
            let second = try await dev.run("dev")
            #expect(second.code == 4)
            #expect(second.complaint.contains("another goldsmith dev"))

            _ = try await dev.run("instance", "sample", "--id", "i-run", "--status", "Running", "--mib", "1")
            let running = try await dev.run("image", "create", "--instance", "i-run", "--name", "x1")
            #expect(running.code == 4)
            #expect(running.complaint.contains("FAILED_PRECONDITION"))
            #expect(running.complaint.contains("instanceId"))

            _ = try await dev.run("instance", "sample", "--id", "i-one", "--data-disks", "1", "--mib", "4")
            let made = try await dev.run(
                "image",
                "create",
                "--instance",
                "i-one",
                "--name",
                "one",
                "--all-data-disks",
                "--wait",
                "--json"
            )
            #expect(made.code == 0, "\(made.complaint)")
            let image = try JSONDecoder().decode(ShownImage.self, from: Data(made.output.utf8))
            #expect(image.status == "Available")
            #expect(image.replicas.count == 2)
            #expect(dev.leftovers == image.owned)
            #expect(!made.output.contains("\u{1B}"), "no colour where nobody looks")
            let log = (try? String(contentsOfFile: dev.data + "/logs/worker-1.log", encoding: .utf8)) ?? ""
            let password = try AMQPEndpoint(parsing: facts.amqpUrl).password
            #expect(!log.contains(password), "no secret in a log")
        }
    }

    @Test("a faulty guest is refused where nobody may look, and fixed where somebody does, on the copy only")
    func guestChecks() async throws {
        let making = ["image", "create", "--instance", "i-faulty", "--wait"]
        let sample = ["instance", "sample", "--id", "i-faulty", "--data-disks", "1", "--mib", "1", "--with-faults"]
        try await Dev.with { dev in
            _ = try await Program.run(sample + ["--data", dev.data])
            let refused = try await Program.run(
                making + ["--name", "strict", "--guest-checks", "enforce", "--data", dev.data]
            )
            #expect(refused.code == 1)
            #expect(refused.output.contains("the guest was not checked"), "\(refused.output)")
            #expect(dev.leftovers.isEmpty)
        }
        try await Dev.with(environment: ["GOLDSMITH_GUEST_INSPECTION": "on"]) { dev in
            _ = try await Program.run(sample + ["--data", dev.data])
            let disk = URL(fileURLWithPath: dev.data + "/instances/i-faulty/vda.qcow2")
            let before = try Data(contentsOf: disk)
            let fixed = try await Program.run(
                making + ["--name", "fixed", "--guest-checks", "fix", "--data", dev.data]
            )
            #expect(fixed.code == 0, "\(fixed.complaint)")
            #expect(fixed.output.contains("note (fixed): /etc/fstab line 2 mounts UUID="), "\(fixed.output)")
            #expect(fixed.output.contains(" /srv/vdb ext4 defaults,nofail 0 2\n"))
            #expect(fixed.output.contains("-SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:12:34:56\""))
            #expect(try Data(contentsOf: disk) == before)
        }
    }

    @Test("cancelling in the middle of a copy ends in Error CANCELLED and leaves nothing")
    func cancel() async throws {
        try await Dev.with(workers: 1, copyRate: 1) { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-slow", "--data-disks", "1", "--mib", "64")
            _ = try await dev.run("image", "create", "--instance", "i-slow", "--name", "slow", "--all-data-disks")
            let id = try #require(try await dev.json([ShownImage].self, "image", "list").first?.id)
            let isCopying = await eventually {
                let image = try? await dev.json(ShownImage.self, "image", "show", id)
                return image?.jobs.contains { ($0.doneBytes ?? 0) > 0 } == true
            }
            #expect(isCopying)
            #expect(try await dev.run("image", "cancel", id, "--owner", "somebody-else").code == 3)
            let cancelled = try await dev.run("image", "cancel", id, "--request-id", "once")
            #expect(cancelled.code == 0)
            // The same id for another request is no second yes.
            let conflict = try await dev.run("image", "share", id, "--with", "acct-2", "--request-id", "once")
            #expect(conflict.code == 4 && conflict.complaint.contains("--request-id"), "\(conflict.complaint)")
            let isClean = await eventually {
                let image = try? await dev.json(ShownImage.self, "image", "show", id)
                return image?.failure?.cleanUp == "done"
            }
            #expect(isClean)
            let image = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(image.failure?.code == "CANCELLED")
            #expect(dev.leftovers.isEmpty)
            #expect(try await dev.json(ShownQuota.self, "quota", "show").used == .init(images: 0, snapshots: 0))
            #expect(try await dev.json(ShownInstance.self, "instance", "show", "i-slow").lockedBy == nil)
            #expect(try await dev.run("image", "cancel", id).code == 4, "only an image being made can be cancelled")
        }
    }

    @Test("a development system stopped in the middle of a copy and started again in its folder goes on")
    func devStartedAgain() async throws {
        let data = Dev.newFolder()
        defer { try? FileManager.default.removeItem(atPath: data) }
        let id = Mutex("")
        try await Dev.run(in: data, copyRate: 1, environment: ["GOLDSMITH_DRAIN": "0"]) { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-slow", "--mib", "64")
            _ = try await dev.run("image", "create", "--instance", "i-slow", "--name", "slow")
            let image = try #require(try await dev.json([ShownImage].self, "image", "list").first)
            id.withLock { $0 = image.id }
            let isCopying = await eventually {
                let image = try? await dev.json(ShownImage.self, "image", "show", image.id)
                return image?.jobs.contains { ($0.doneBytes ?? 0) > 0 } == true
            }
            #expect(isCopying)
        }
        try await Dev.run(in: data) { dev in
            let image = id.withLock { $0 }
            #expect(try await dev.run("image", "watch", image).code == 0)
            let shown = try await dev.json(ShownImage.self, "image", "show", image)
            #expect(shown.status == "Available")
            #expect(shown.jobs.allSatisfy { $0.attempt == 1 }, "a stop uses no attempt")
            #expect(await eventually { dev.leftovers == shown.owned })
        }
    }

    @Test("a development system that is killed leaves no process behind")
    func devKilled() async throws {
        try await Dev.with(workers: 1) { dev in
            let pids = try #require(dev.facts?.pids)
            let all = [pids.dev] + pids.workers + [try #require(pids.broker)]
            kill(pids.dev, SIGKILL)
            let isGone = await eventually { all.allSatisfy { kill($0, 0) != 0 || isZombie($0) } }
            #expect(isGone, "\(all.filter { kill($0, 0) == 0 && !isZombie($0) })")
        }
    }

    @Test("a stopped development system removes dev.json and ends its workers and its broker")
    func devStopped() async throws {
        try await Dev.with(workers: 2) { dev in
            let pids = try #require(dev.facts?.pids)
            let children = pids.workers + [try #require(pids.broker)]
            kill(pids.dev, SIGTERM)
            let isGone = await eventually {
                children.allSatisfy { kill($0, 0) != 0 || isZombie($0) } && dev.facts == nil
            }
            #expect(isGone)
        }
    }

    @Test("without anything running, commands say what to start")
    func nothingRuns() async throws {
        let result = try await Program.run(["image", "list", "--data", "/tmp/goldsmith-nothing-\(getpid())"])
        #expect(result.code == 5)
        #expect(result.complaint.contains("goldsmith dev") && result.complaint.contains("--config"))
    }

    @Test("a malformed setting is an error that names its key and its source")
    func malformedSetting() async throws {
        let result = try await Program.run(
            ["worker", "--data", "/tmp/goldsmith-nothing-\(getpid())"],
            environment: [
                "GOLDSMITH_CONCURRENCY": "many", "GOLDSMITH_AMQP_URL": "amqp://127.0.0.1:1/",
                "GOLDSMITH_STORE_URL": "sqlite:///tmp/goldsmith-e2e-\(getpid()).sqlite",
            ]
        )
        #expect(result.code == 2)
        #expect(result.complaint.contains("GOLDSMITH_CONCURRENCY"))
        #expect(result.complaint.contains("the environment"))
    }

    private func isZombie(_ pid: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
        return text.split(separator: ")").last?.contains("Z") == true
    }
}
