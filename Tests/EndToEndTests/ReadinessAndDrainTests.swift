import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@testable import PrivateServers

@Suite("A worker says what it can do, and stops in order", .serialized, .timeLimit(.minutes(30)))
struct ReadinessAndDrainTests {
    private struct ShownWorkers: Decodable {
        struct Worker: Decodable {
            struct Fault: Decodable { var message: String }
            var pid: Int32
            var state: String
            var faults: [Fault]
        }
        var workers: [Worker]
    }

    private static func ready(_ address: String) async throws -> String {
        let result = try await Subprocess.run(
            .path("/usr/bin/curl"),
            arguments: ["--silent", "--max-time", "10", "--write-out", "%{http_code}", "http://\(address)/readyz"],
            output: .string(limit: 1 << 20),
            error: .discarded
        )
        return result.standardOutput
    }

    private func startCopying(_ dev: Dev) async throws -> String {
        _ = try await dev.run("instance", "sample", "--id", "i-long", "--mib", "64")
        _ = try await dev.run("image", "create", "--instance", "i-long", "--name", "long", "--replicate-to", "east")
        let id = try #require(try await dev.json([ShownImage].self, "image", "list").first?.id)
        let isCopying = await eventually {
            let image = try? await dev.json(ShownImage.self, "image", "show", id)
            return image?.jobs.contains { $0.job == "system-disk" && ($0.doneBytes ?? 0) > 0 } == true
        }
        #expect(isCopying)
        return id
    }

    @Test("a missing location makes its worker unready and fails its copies, and is usable again once it is there")
    func location() async throws {
        let away = Dev.newFolder()
        defer { try? FileManager.default.removeItem(atPath: away) }
        let address = "127.0.0.1:\(try Loopback.freePortsInARow(2)[0])"
        let environment = ["GOLDSMITH_LOCATIONS": "east,away=\(away)", "GOLDSMITH_METRICS_LISTEN": address]
        try await Dev.with(workers: 1, environment: environment) { dev in
            let isUnready = await eventually(within: .seconds(60)) {
                let answer = try? await Self.ready(address)
                return answer == "location away cannot be used: its folder is not there\n503"
            }
            #expect(isUnready)
            let isListed = await eventually(within: .seconds(60)) {
                let shown = try? await dev.json(ShownWorkers.self, "worker", "list")
                return shown?.workers.first?.state == "not-ready"
                    && shown?.workers.first?.faults.first?.message.contains("location away") == true
            }
            #expect(isListed)
            let doctor = try await dev.run("doctor", "--quick")
            #expect(doctor.output.contains("location away cannot be used"), "\(doctor.output)")
            _ = try await dev.run("instance", "sample", "--id", "i-web", "--mib", "8")
            _ = try await dev.run("image", "create", "--instance", "i-web", "--name", "golden")
            let id = try #require(try await dev.json([ShownImage].self, "image", "list").first?.id)
            #expect(try await dev.run("image", "watch", id).code == 1)
            let failed = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(failed.status == "Error" && failed.failure?.subject == "away")
            try FileManager.default.createDirectory(atPath: away, withIntermediateDirectories: true)
            let isReady = await eventually(within: .seconds(60)) {
                let answer = try? await Self.ready(address)
                return answer == "ok\n200"
            }
            #expect(isReady)
            let retried = try await dev.run("image", "retry", id, "--wait")
            #expect(retried.code == 0, "\(retried.complaint)")
            let image = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(image.status == "Available" && Set(image.replicas.map(\.location)) == ["east", "away"])
        }
    }

    @Test("a worker that is told to stop finishes what runs, takes nothing new, and is listed as draining")
    func drain() async throws {
        try await Dev.with(workers: 1, copyRate: 8, environment: ["GOLDSMITH_DRAIN": "600"]) { dev in
            let id = try await startCopying(dev)
            let worker = try #require(dev.facts?.pids.workers.first)
            kill(worker, SIGTERM)
            let isListed = await eventually(within: .seconds(60)) {
                let shown = try? await dev.json(ShownWorkers.self, "worker", "list")
                return shown?.workers.contains { $0.pid == worker && $0.state == "draining" } == true
                    || kill(worker, 0) != 0
            }
            #expect(isListed)
            #expect(await eventually(within: .seconds(120)) { kill(worker, 0) != 0 })
            // Another worker has taken its place, and goes on behind what was finished.
            #expect(try await dev.run("image", "watch", id).code == 0)
            let image = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(image.deviceMapping.first?.resource == "\(id).vda.2", "the copy was not begun anew")
        }
    }

    @Test("a second signal ends a worker at once, and its work is handed over without an attempt")
    func secondSignal() async throws {
        try await Dev.with(workers: 1, copyRate: 2, environment: ["GOLDSMITH_DRAIN": "600"]) { dev in
            let id = try await startCopying(dev)
            let worker = try #require(dev.facts?.pids.workers.first)
            kill(worker, SIGTERM)
            let log = "\(dev.data)/logs/worker-1.log"
            let isTold = await eventually(within: .seconds(60)) {
                (try? String(contentsOf: URL(fileURLWithPath: log), encoding: .utf8))?.contains("worker stops") == true
            }
            #expect(isTold && kill(worker, 0) == 0, "it drains")
            kill(worker, SIGTERM)
            // Half a minute of copying is left.
            #expect(await eventually(within: .seconds(15)) { kill(worker, 0) != 0 })
            let history = try await dev.run("image", "show", id, "--history")
            #expect(history.output.contains("interrupted"), "\(history.output)")
            let image = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(image.jobs.allSatisfy { $0.attempt == 1 } && image.failure == nil)
            _ = try await dev.run("image", "cancel", id)
        }
    }

    @Test("a worker without work leaves at once, however long it may drain")
    func idle() async throws {
        try await Dev.with(workers: 1, environment: ["GOLDSMITH_DRAIN": "600"]) { dev in
            let worker = try #require(dev.facts?.pids.workers.first)
            let log = "\(dev.data)/logs/worker-1.log"
            let isServing = await eventually(within: .seconds(60)) {
                let shown = try? await dev.json(ShownWorkers.self, "worker", "list")
                return shown?.workers.first?.state == "alive"
            }
            #expect(isServing)
            kill(worker, SIGTERM)
            #expect(await eventually(within: .seconds(20)) { kill(worker, 0) != 0 })
            let text = try String(contentsOf: URL(fileURLWithPath: log), encoding: .utf8)
            #expect(text.contains("worker stopped"))
        }
    }
}
