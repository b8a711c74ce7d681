import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@testable import PrivateServers

@Suite("What is shown to those who watch", .serialized, .timeLimit(.minutes(30)))
struct MetricsTests {
    private static let root = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent()

    private struct Answer {
        var code: String
        var body: String
    }

    private func get(_ url: String) async throws -> Answer {
        let result = try await Subprocess.run(
            .path("/usr/bin/curl"),
            arguments: ["--silent", "--max-time", "10", "--write-out", "\n%{http_code}", url],
            output: .string(limit: 4 << 20),
            error: .discarded
        )
        let lines = result.standardOutput.split(separator: "\n", omittingEmptySubsequences: false)
        return Answer(code: String(lines.last ?? ""), body: lines.dropLast().joined(separator: "\n"))
    }

    private func promtool(_ arguments: String...) async throws -> (isGood: Bool, output: String) {
        let result = try await Subprocess.run(
            .path("/usr/bin/promtool"),
            arguments: Arguments(arguments),
            workingDirectory: Self.root.appending("deploy/prometheus"),
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        return (result.terminationStatus.isSuccess, result.standardOutput + result.standardError)
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: URL(fileURLWithPath: Self.root.appending(path).string), encoding: .utf8)
    }

    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Target: Decodable { var expr: String }
            var title: String
            var targets: [Target]
        }
        var panels: [Panel]
    }

    /// Every query of the dashboard.
    private func dashboardQueries() throws -> [String] {
        let dashboard = try JSONDecoder().decode(
            Dashboard.self,
            from: Data(try text("deploy/grafana/goldsmith.json").utf8)
        )
        return dashboard.panels.flatMap(\.targets).map(\.expr)
    }

    private struct RulesAnswer: Decodable {
        struct Data: Decodable {
            struct Group: Decodable {
                struct Rule: Decodable {
                    var name: String
                    var query: String
                }
                var rules: [Rule]
            }
            var groups: [Group]
        }
        var data: Data
    }

    /// Every query of the rules that Prometheus has loaded, by its own reading of the files.
    private func ruleQueries(_ prometheus: String) async throws -> [String] {
        let answer = try await get("http://\(prometheus)/api/v1/rules")
        let rules = try JSONDecoder().decode(RulesAnswer.self, from: Data(answer.body.utf8))
        return rules.data.groups.flatMap(\.rules).map(\.query)
    }

    /// Metrics a query names that the program does not have.
    private func strangers(in query: String, known: Set<String>) -> [String] {
        query.split { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")) }.map(String.init)
            .filter { $0.hasPrefix("goldsmith_") || $0.hasPrefix("process_") }
            .filter { name in
                let families = ["_bucket", "_sum", "_count"].filter(name.hasSuffix).map { name.dropLast($0.count) }
                return !known.contains(name) && !families.contains { known.contains(String($0)) }
            }
    }

    @Test("the alert rules are sound, and fire when they should and only then")
    func rules() async throws {
        for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
            let result = try await promtool(arguments[0], arguments[1], arguments[2])
            #expect(result.isGood, "\(result.output)")
        }
        let config = try await promtool("check", "config", "prometheus.yml")
        #expect(config.isGood, "\(config.output)")
    }

    @Test(
        "a real Prometheus reads every metric that is documented, and no other, and every query finds something to ask"
    )
    func scraped() async throws {
        // `dev` shows its console on the port after its worker's.
        let ports = try Loopback.freePortsInARow(3)
        let (worker, console) = ("127.0.0.1:\(ports[0])", "127.0.0.1:\(ports[1])")
        let prometheus = "127.0.0.1:\(ports[2])"
        let environment = [
            "GOLDSMITH_METRICS_LISTEN": worker, "GOLDSMITH_LOG_FORMAT": "json",
        ]
        try await Dev.with(environment: environment) { dev in
            let isReady = await eventually {
                (try? await get("http://\(worker)/readyz"))?.code == "200"
            }
            let status = try await get("http://\(worker)/readyz").body
            #expect(isReady, "\(status)")
            #expect(try await get("http://\(worker)/healthz").body == "ok\n")
            #expect(try await get("http://\(worker)/").code == "404")
            let sample = try await dev.run("instance", "sample", "--id", "i-sample", "--data-disks", "1", "--mib", "4")
            #expect(sample.code == 0, "\(sample.complaint)")
            let made = try await dev.run(
                "image",
                "create",
                "--instance",
                "i-sample",
                "--name",
                "golden",
                "--all-data-disks",
                "--wait"
            )
            #expect(made.code == 0, "\(made.complaint)")

            let done = "goldsmith_jobs_ended_total{step=\"replicate\",outcome=\"done\"} 2\n"
            let isCounted = await eventually {
                (try? await get("http://\(worker)/metrics"))?.body.contains(done) == true
            }
            let shown = try await get("http://\(worker)/metrics").body
            #expect(isCounted, "\(shown)")
            let told = try compareWithDocumentation(shown) { !$0.hasPrefix("goldsmith_console_") }
            #expect(shown.contains("goldsmith_requests_total{operation=\"image.create\",code=\"OK\"} 1\n"))
            #expect(shown.contains("goldsmith_store_seconds_count{operation=\"accept\",outcome=\"ok\"} 1\n"))
            #expect(shown.contains("goldsmith_driver_seconds_count{call=\"replicate\",code=\"OK\"} 2\n"))
            let checked = try await promtoolReads(shown)
            #expect(checked.isEmpty, "\(checked)")
            let toldByConsole = try await consoleIsShown(at: console, of: dev)
            try await withPrometheus(prometheus, of: worker, console, in: dev.data) {
                try await ask(prometheus, known: told.union(toldByConsole))
            }
            try logLinesParse(in: dev)
        }
    }

    /// `dev` shows its console on the port after its workers'.
    /// - Returns: the names of the console's metrics.
    private func consoleIsShown(at console: String, of dev: Dev) async throws -> Set<String> {
        let page = try await get("\(try #require(dev.facts).consoleUrl)login")
        #expect(page.code == "200")
        let isReady = await eventually { (try? await get("http://\(console)/readyz"))?.code == "200" }
        #expect(isReady)
        #expect(try await get("http://\(console)/healthz").body == "ok\n")
        let shown = try await get("http://\(console)/metrics").body
        let told = try compareWithDocumentation(shown) {
            $0.hasPrefix("goldsmith_console_") || $0.hasPrefix("process_") || $0 == "goldsmith_build_info"
        }
        #expect(shown.contains("goldsmith_console_requests_total{kind=\"login\",status=\"200\"} 1\n"), "\(shown)")
        let isSeeing = await eventually {
            guard let body = (try? await get("http://\(console)/metrics"))?.body else { return false }
            return ["store", "broker"].allSatisfy { body.contains("look_age_seconds{at=\"\($0)\"} ") }
                && !body.contains("} NaN")
        }
        #expect(isSeeing, "it sees store and broker: \(shown)")
        let checked = try await promtoolReads(shown)
        #expect(checked.isEmpty, "\(checked)")
        return told
    }

    /// Name, type and labels, both ways.
    /// - Parameter isMeant: which of the documented metrics this kind of process shows.
    /// - Returns: the names.
    private func compareWithDocumentation(_ shown: String, _ isMeant: (String) -> Bool) throws -> Set<String> {
        var told: [String: String] = [:]
        for line in shown.split(separator: "\n") where line.hasPrefix("# TYPE ") {
            let words = line.split(separator: " ")
            told[String(words[2])] = String(words[3])
        }
        var documented: [String: (type: String, labels: Set<String>)] = [:]
        for line in try text("docs/metrics.md").split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { cell in
                cell.split(separator: " ").joined(separator: " ")
            }
            guard cells.count > 5, cells[1].contains("_") else { continue }
            let labels = cells[3].split(separator: " ").map { $0.filter { $0 != "`" } }
            let name = cells[1].filter { $0 != "`" }
            if isMeant(name) { documented[name] = (cells[2], Set(labels)) }
        }
        #expect(documented.mapValues(\.type) == told)
        #expect(documented.count > 10)
        for line in shown.split(separator: "\n") where !line.hasPrefix("#") {
            let name = String(line.prefix { $0 != "{" && $0 != " " })
            let family = ["_bucket", "_sum", "_count"].map {
                name.hasSuffix($0) ? String(name.dropLast($0.count)) : name
            }
            .first { documented[$0] != nil }
            let known = try #require(family.flatMap { documented[$0] }, "\(name)")
            guard line.contains("{") else {
                #expect(known.labels.isEmpty, "\(line)")
                continue
            }
            let inside = line.drop { $0 != "{" }.dropFirst().prefix { $0 != "}" }
            let labels = Set(inside.split(separator: ",").map { String($0.prefix { $0 != "=" }) }).subtracting(["le"])
            #expect(labels == known.labels, "\(line)")
        }
        #expect(!shown.contains("img-") && !shown.contains("i-sample"))
        return Set(told.keys)
    }

    /// - Returns: what Prometheus' own reader complains of.
    private func promtoolReads(_ shown: String) async throws -> String {
        let result = try await Subprocess.run(
            .path("/usr/bin/promtool"),
            arguments: ["check", "metrics"],
            input: .string(shown),
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        return result.terminationStatus.isSuccess ? "" : result.standardOutput + result.standardError
    }

    private func withPrometheus(
        _ address: String,
        of worker: String,
        _ console: String,
        in folder: String,
        _ body: @Sendable () async throws -> Void
    ) async throws {
        let config = try text("deploy/prometheus/prometheus.yml").replacing("127.0.0.1:9494", with: worker)
            .replacing("127.0.0.1:9495", with: console)
            .replacing("scrape_interval: 15s", with: "scrape_interval: 1s")
            .replacing(
                "  - alerts.yml",
                with: "  - \(Self.root.appending("deploy/prometheus/alerts.yml").string)\n  - strange.yml"
            )
        try Self.strange.write(toFile: "\(folder)/strange.yml", atomically: true, encoding: .utf8)
        try config.write(toFile: "\(folder)/prometheus.yml", atomically: true, encoding: .utf8)
        _ = try await Subprocess.run(
            .path("/usr/bin/prometheus"),
            arguments: [
                "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/prometheus",
                "--web.listen-address=\(address)", "--log.level=error",
            ],
            input: .none,
            output: .discarded,
            error: .discarded
        ) { execution in
            defer { try? execution.send(signal: .terminate) }
            try await body()
        }
    }

    private struct QueryAnswer: Decodable {
        struct Data: Decodable {
            struct Series: Decodable { var metric: [String: String] }
            var result: [Series]
        }
        var status: String
        var data: Data?
        var error: String?
    }

    private func query(_ prometheus: String, _ expression: String) async throws -> QueryAnswer {
        let allowed = expression.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            let digits = String(byte, radix: 16, uppercase: true)
            return character.isLetter || character.isNumber
                ? String(character) : "%" + (digits.count < 2 ? "0" : "") + digits
        }
        let answer = try await get("http://\(prometheus)/api/v1/query?query=\(allowed.joined())")
        return try JSONDecoder().decode(QueryAnswer.self, from: Data(answer.body.utf8))
    }

    /// A rule that asks, on its second line, for what no worker tells.
    private static let strange = """
        groups:
          - name: strange
            rules:
              - alert: Strange
                expr: >-
                  sum(rate(goldsmith_jobs_ended_total[5m]))
                  / sum(rate(goldsmith_jobs_dreamt_total[5m])) > 1

        """

    private func ask(_ prometheus: String, known: Set<String>) async throws {
        let isScraped = await eventually {
            let answer = try? await query(prometheus, "rate(process_cpu_seconds_total[1m])")
            return answer?.data?.result.isEmpty == false
        }
        #expect(isScraped)
        for (expression, count) in [
            ("up{job=\"goldsmith\"} == 1", 1), ("goldsmith_ready == 1", 1),
            ("goldsmith_console_ready{job=\"goldsmith-console\"} == 1", 1),
            ("goldsmith_images{status=\"Available\"} == 1", 1),
            ("sum(goldsmith_copied_bytes_total) > 0", 1),
            ("goldsmith_broker_silence_seconds{connection=\"consume\"} < 60", 1),
            ("goldsmith_queue_consumers == 1", 12),
        ] {
            // Store and queues are looked at every ten seconds.
            let isSo = await eventually {
                (try? await query(prometheus, expression))?.data?.result.count == count
            }
            let answer = try await query(prometheus, expression)
            #expect(isSo, "\(expression): \(answer)")
        }
        let rules = try await ruleQueries(prometheus)
        let files = try text("deploy/prometheus/alerts.yml") + Self.strange
        #expect(rules.count == files.split(separator: "\n").count { $0.contains("- alert: ") })
        for expression in try dashboardQueries() + rules {
            let answer = try await query(prometheus, expression)
            #expect(answer.status == "success", "\(expression): \(answer.error ?? "")")
        }
        // The one that is planted is found, and no other.
        let found = try (dashboardQueries() + rules).flatMap { strangers(in: $0, known: known) }
        #expect(found == ["goldsmith_jobs_dreamt_total"])
    }

    private func logLinesParse(in dev: Dev) throws {
        let log = try String(contentsOf: URL(fileURLWithPath: "\(dev.data)/logs/worker-1.log"), encoding: .utf8)
        var done = 0
        // The last line may be in the middle of being written.
        for line in log[..<(log.lastIndex(of: "\n") ?? log.startIndex)].split(separator: "\n") {
            let fields = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
            #expect(fields["time"]?.hasSuffix("Z") == true, "\(line)")
            #expect(fields["level"] != nil && fields["message"] != nil, "\(line)")
            #expect(fields["worker"]?.isEmpty == false, "\(line)")
            guard fields["message"] == "job done" else { continue }
            done += 1
            for name in ["image.id", "step", "job", "attempt"] { #expect(fields[name]?.isEmpty == false, "\(line)") }
        }
        #expect(done >= 4)
    }

    @Test("a consumer whose broker stands still is told by /readyz, and comes back by itself")
    func silentBroker() async throws {
        let address = "127.0.0.1:\(try Loopback.freePortsInARow(2)[0])"
        try await Dev.with(environment: ["GOLDSMITH_METRICS_LISTEN": address]) { dev in
            let url = "http://\(address)/readyz"
            #expect(await eventually { (try? await get(url))?.code == "200" })
            let broker = try #require(dev.facts?.pids.broker)
            kill(broker, SIGSTOP)
            let isTold = await eventually { (try? await get(url))?.code == "503" }
            let said = try await get(url).body
            let health = try await get("http://\(address)/healthz").code
            kill(broker, SIGCONT)
            #expect(isTold && said.contains("broker"), "\(said)")
            #expect(health == "200", "starting it again would not help")
            #expect(await eventually { (try? await get(url))?.code == "200" })
        }
    }

    @Test("an address that cannot be listened at is said, and neither worker nor console begins")
    func takenPort() async throws {
        try await Dev.with { dev in
            let facts = try #require(dev.facts)
            let port = try #require(facts.amqpUrl.split(separator: ":").last?.prefix { $0.isNumber })
            let sentence = "the port \(port) of 127.0.0.1 is taken"
            for arguments in [["worker"], ["console", "--listen", "127.0.0.1:0"]] {
                let taken = try await dev.run(arguments + ["--metrics-listen", "127.0.0.1:\(port)"])
                #expect(taken.code == 5 && taken.complaint.contains(sentence), "\(taken)")
                #expect(!taken.complaint.contains("worker started") && !taken.output.contains("console:"), "\(taken)")
                let elsewhere = try await dev.run(arguments + ["--metrics-listen", "192.0.2.1:9494"])
                #expect(elsewhere.complaint.contains("192.0.2.1 is not an address of this machine"), "\(elsewhere)")
            }
            let console = try await dev.run("console", "--listen", "127.0.0.1:\(port)")
            #expect(console.code == 5 && console.complaint.contains(sentence), "\(console)")
        }
    }
}
