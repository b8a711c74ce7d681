import FoundationEssentials
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@testable import PrivateServers

@Suite("The built program on three simulated hosts", .timeLimit(.minutes(30)))
struct HostLaneTests {
    private struct Shown: Decodable {
        struct Line: Decodable {
            var job: String
            var attempt: Int
            var waitingFor: String?
            var host: String?
        }
        var id: String
        var status: String
        var jobs: [Line]
    }
    private struct Asked: Decodable { var imageId: String }

    @Test("jobs of a host without a worker wait with an alarm until it comes, and a broken host breaks no other")
    func hosts() async throws {
        // A port for each worker, and the next for the console.
        let metrics = "127.0.0.1:\(try Loopback.freePortsInARow(4)[0])"
        let simulated = ["GOLDSMITH_DRIVER": "simulated", "GOLDSMITH_UPSTREAMS": "*"]
        let settings = simulated.merging(["GOLDSMITH_HOSTS": "h1,h2,h3", "GOLDSMITH_METRICS_LISTEN": metrics]) { $1 }
        // One worker, on h1.
        try await Dev.with(environment: settings) { dev in
            func ask(_ instance: String, _ more: String...) async throws -> Program.Result {
                let create = ["image", "create", "--instance", instance, "--name", instance, "--json"]
                return try await dev.run(create + more)
            }
            func show(_ id: String) async throws -> Shown { try await dev.json(Shown.self, "image", "show", id) }
            func accepted(_ instance: String) async throws -> String {
                let answer = try await ask(instance)
                try #require(answer.code == 0, "\(answer.complaint)")
                return try JSONDecoder().decode(Asked.self, from: Data(answer.output.utf8)).imageId
            }

            let quota = try await dev.run("quota", "set", "--owner", "local", "--images", "20")
            #expect(quota.code == 0, "\(quota.complaint)")
            let alone = try await accepted("i-sim-local-h3-a")
            let first = try await ask("i-sim-local-h1-a", "--wait")
            #expect(first.code == 0, "h1 goes on: \(first.complaint)")
            let unknown = try await dev.run(
                ["image", "create", "--instance", "i-sim-local-h9-a", "--name", "nowhere", "--dry-run"]
            )
            #expect(unknown.code == 0, "a name that is no host's is on none: \(unknown.complaint)")

            let isTold = try await eventually {
                try await show(alone).jobs.first?.waitingFor?.contains("host h3") == true
            }
            if !isTold { Issue.record("\(await dev.story(of: alone))") }
            let shown = try await show(alone)
            #expect(shown.status == "Pending" && shown.jobs.map(\.host) == ["h3"] && shown.jobs.map(\.attempt) == [1])
            let workers = try await dev.run("worker", "list")
            #expect(workers.code == 1 && workers.output.contains("no worker serves stop-check@h3"), "\(workers.output)")
            #expect(!workers.output.contains("no worker serves stop-check@h1"))
            let doctor = try await dev.run("doctor")
            #expect(doctor.code == 1 && doctor.output.contains("goldsmith.job.stop-check@h3 (1 ready)"), "\(doctor)")
            let isMeasured = try await eventually {
                let text = try await fetch("http://\(metrics)/metrics")
                return text.contains("goldsmith_lane_workers{lane=\"stop-check@h3\"} 0")
                    && text.contains("goldsmith_lane_workers{lane=\"stop-check@h1\"} 1")
            }
            #expect(isMeasured)

            // Whatever is done on h2 fails.
            let broken = simulated.merging(["GOLDSMITH_SIMULATED_FAULT_RATE": "1"]) { $1 }
            try await dev.withWorker(on: "h2", broken) {
                var ids: [String] = []
                for number in 1...6 { ids.append(try await accepted("i-sim-local-h2-\(number)")) }
                let isOpen = try await eventually {
                    for id in ids {
                        let reason = try await show(id).jobs.first?.waitingFor
                        if reason?.contains("every job of this step fails") == true { return true }
                    }
                    return false
                }
                if !isOpen { Issue.record("\(await dev.story(of: ids[0]))") }
                let next = try await ask("i-sim-local-h1-b", "--wait")
                #expect(next.code == 0, "h2's outage is h2's: \(next.complaint)")
            }

            #expect(try await show(alone).jobs.map(\.attempt) == [1])
            try await dev.withWorker(on: "h3", simulated) {
                let isMade = try await eventually { try await show(alone).status == "Available" }
                if !isMade { Issue.record("\(await dev.story(of: alone))") }
            }
            let made = try await show(alone)
            #expect(made.jobs.allSatisfy { $0.attempt == 1 && $0.host == "h3" })
        }
    }

    private func fetch(_ url: String) async throws -> String {
        try await Subprocess.run(
            .path("/usr/bin/curl"),
            arguments: ["--silent", "--max-time", "10", url],
            output: .string(limit: 4 << 20),
            error: .discarded
        ).standardOutput
    }
}
