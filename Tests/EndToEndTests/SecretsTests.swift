import AMQPClient
import Foundation
import GoldsmithTestSupport
import PrivateServers
import Testing

@Suite("No secret is shown", .serialized, .timeLimit(.minutes(30)))
struct SecretsTests {
    @Test("a password on the command line is refused, with the way to give it instead, and never repeated")
    func commandLine() async throws {
        let lines: [(arguments: [String], variable: String)] = [
            (["image", "list", "--amqp-url", "amqp://u:hunter2@h/"], "GOLDSMITH_AMQP_URL"),
            (["image", "list", "--amqp-url=amqps://u:hunter2@h/"], "GOLDSMITH_AMQP_URL"),
            (["worker", "--store-url=postgresql://u:hunter2@h/db"], "GOLDSMITH_STORE_URL"),
            (["worker", "postgres://h/db?user=u&password=hunter2"], "GOLDSMITH_STORE_URL"),
            (["doctor", "--data", "amqp://u:hunter2@h"], "GOLDSMITH_AMQP_URL"),
            (["topology", "export", "--worker-password", "hunter2"], "GOLDSMITH_WORKER_PASSWORD"),
            (["topology", "export", "--console-password=hunter2"], "GOLDSMITH_CONSOLE_PASSWORD"),
        ]
        for line in lines {
            let refused = try await Program.run(line.arguments)
            #expect(refused.code == 2, "\(line.arguments)")
            #expect(!(refused.output + refused.complaint).contains("hunter2"), "\(refused.complaint)")
            #expect(refused.complaint.contains(line.variable + ","), "\(refused.complaint)")
            #expect(refused.complaint.contains(line.variable + "_FILE"), "\(refused.complaint)")
        }
        // Nothing secret about these.
        for harmless in ["amqp://h/", "amqp://u@h/", "me:you", "a@b:c"] {
            let refused = try await Program.run(["image", "show", harmless])
            #expect(!refused.complaint.contains("command line"), "\(refused.complaint)")
        }
    }

    @Test("a secret comes from a file of its own, named in the environment or in a file of settings")
    func files() async throws {
        let folder = try ScratchFolder()
        try #require(folder.write("sqlite://\(folder.file("state.sqlite"))\r\n", to: "store"))
        try #require(folder.write(#"{"storeUrlFile": "\#(folder.file("store"))"}"#, to: "settings.json"))
        let variable = ["GOLDSMITH_STORE_URL_FILE": folder.file("store")]
        #expect(
            try await Program.run(["database", "status"], environment: variable).complaint.contains("no database at")
        )
        let migrate = ["database", "migrate", "--config", folder.file("settings.json")]
        #expect(try await Program.run(migrate).code == 0)
        #expect(try await Program.run(["database", "status"], environment: variable).code == 0)
        // The value itself comes first.
        let both = variable.merging(["GOLDSMITH_STORE_URL": "sqlite:///nowhere/else"]) { $1 }
        #expect(try await Program.run(["image", "list"], environment: both).complaint.contains("/nowhere/else"))
        for (name, text) in [
            ("empty", "\n"), ("huge", String(repeating: "hunter2", count: 4000)), ("wrong", "hunter2"),
        ] {
            try #require(folder.write(text, to: name))
            let refused = try await Program.run(
                ["image", "list"],
                environment: ["GOLDSMITH_STORE_URL_FILE": folder.file(name)]
            )
            #expect(refused.code == 2 && !refused.complaint.contains("hunter2"), "\(refused.complaint)")
        }
        let missing = ["GOLDSMITH_STORE_URL_FILE": folder.file("missing")]
        let refused = try await Program.run(["image", "list"], environment: missing)
        #expect(refused.code == 2 && refused.complaint.contains("GOLDSMITH_STORE_URL_FILE"), "\(refused.complaint)")
    }

    @Test("a setting's source is told of in debug logs without its values")
    func dumped() async throws {
        let folder = try ScratchFolder()
        let settings = #"{"amqpUrl": "amqp://u:hunter2@127.0.0.1:1/", "workerPassword": "hunter2hunter2"}"#
        try #require(folder.write(settings, to: "settings.json"))
        let refused = try await Program.run([
            "dev", "--data", folder.path, "--config", folder.file("settings.json"), "--log-level", "trace",
        ])
        #expect(refused.code == 5)
        #expect(refused.complaint.contains("Starting service"), "\(refused.complaint)")
        #expect(!(refused.output + refused.complaint).contains("hunter2"), "\(refused.complaint)")
    }

    @Test(
        "a running system shows its passwords in no process list, log, listing or error, and keeps them in private files"
    )
    func running() async throws {
        try await TestPostgreSQL.with { server in
            let environment = ["GOLDSMITH_STORE_URL": server.url, "GOLDSMITH_LOG_LEVEL": "trace"]
            try await Dev.with(workers: 1, environment: environment) { dev in
                let facts = try #require(dev.facts)
                let secrets = [try AMQPEndpoint(parsing: facts.amqpUrl).password, server.password]
                func expectDiscreet(_ text: String, _ what: String) {
                    for (number, secret) in secrets.enumerated() {
                        #expect(!text.contains(secret), "\(what) shows password \(number)")
                    }
                }
                _ = try await dev.run("instance", "sample", "--id", "i-one", "--mib", "4")
                async let made = dev.run("image", "create", "--instance", "i-one", "--name", "one", "--wait")
                var seen = 0
                while seen < 200, dev.leftovers.count < 3 {
                    seen += 1
                    expectDiscreet(Self.processes(), "a process")
                }
                #expect(try await made.code == 0)
                let commands = [
                    ["doctor"], ["image", "list"], ["queue", "list"], ["topology", "show"], ["database", "status"],
                    ["quota", "show"], ["instance", "list"],
                ]
                for command in commands {
                    for extra in [[], ["--json", "--log-level", "trace"]] {
                        let result = try await Program.run(command + extra + ["--data", dev.data])
                        #expect(result.code == 0, "\(command) \(result.complaint)")
                        expectDiscreet(result.output + result.complaint, "\(command)")
                    }
                }
                for (key, url) in [("AMQP_URL", facts.amqpUrl), ("STORE_URL", server.url)] {
                    for wrong in [url.replacing("127.0.0.1", with: "127.0.0.2"), url + "/a/b", "x" + url, "#" + url] {
                        let result = try await Program.run(
                            ["doctor", "--data", dev.data],
                            environment: ["GOLDSMITH_\(key)": wrong]
                        )
                        #expect(result.code != 0, "\(key)")
                        expectDiscreet(result.output + result.complaint, "doctor with a wrong \(key)")
                    }
                }
                try Self.expectPrivate(dev.data, secrets)
            }
        }
    }

    /// The command line of every process there is.
    private static func processes() -> String {
        let ids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.filter { Int($0) != nil } ?? []
        return ids.map { id in
            // One that has ended meanwhile has none.
            String(
                decoding: (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(id)/cmdline"))) ?? Data(),
                as: UTF8.self
            )
        }.joined(separator: "\n")
    }

    /// Only files that no other user can read hold a password, and no log does.
    private static func expectPrivate(_ data: String, _ secrets: [String]) throws {
        var holders: Set<String> = []
        for path in FileManager.default.subpaths(atPath: data) ?? [] {
            let file = "\(data)/\(path)"
            guard let attributes = try? FileManager.default.attributesOfItem(atPath: file),
                attributes[.type] as? FileAttributeType == .typeRegular,
                let bytes = try? Data(contentsOf: URL(fileURLWithPath: file))
            else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            guard secrets.contains(where: { text.contains($0) }) else { continue }
            holders.insert(path)
            #expect((attributes[.posixPermissions] as? Int).map { $0 & 0o077 } == 0, "\(path) can be read by others")
        }
        #expect(holders.isSubset(of: ["dev.json", "rabbitmq/password", "rabbitmq/rabbitmq.conf"]), "\(holders)")
        #expect(holders.contains("dev.json"))
    }
}
