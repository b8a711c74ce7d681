import AMQPClient
import GoldsmithTestSupport
import ImageCore
import ImageWorker
import Logging
import Testing

@testable import GoldsmithCommands

@Suite("A setting comes from its first source, and a wrong one says where it stands")
struct SettingsTests {
    private let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    private func write(_ text: String, to name: String) throws -> String {
        try #require(folder.write(text, to: name))
        return folder.file(name)
    }

    /// In a folder where nothing runs.
    private func settings(
        _ flags: [SettingKey: String] = [:],
        file: String? = nil
    ) async throws(CommandFailure) -> Settings {
        try await Settings(flags: flags.merging([.data: folder.file("data")]) { given, _ in given }, file: file)
    }

    /// How reading a setting fails.
    private func failure(
        _ flags: [SettingKey: String] = [:],
        file: String? = nil,
        _ read: (Settings) async throws(CommandFailure) -> Void
    ) async -> CommandFailure? {
        await caught { () async throws(CommandFailure) in
            try await read(try await settings(flags, file: file))
        }
    }

    @Test("the command line goes before the file, and the file before what is meant otherwise")
    func precedence() async throws {
        let file = try write(#"{"concurrency": 8, "hold": 0.5, "owner": "acct-7"}"#, to: "settings.json")
        let both = try await settings([.concurrency: "2"], file: file)
        let options = try await both.workerOptions()
        #expect(options.concurrency == 2 && options.hold == .milliseconds(500))
        #expect(options.lease == .seconds(15))
        #expect(try await both.owner().text == "acct-7")
        #expect(try await settings().workerOptions().concurrency == 4)
    }

    @Test("a worker on a host serves that host's lanes, and lanes of no host only where they are named")
    func hosts() async throws {
        let hosts = "h2, h1"
        let none = try await settings([.hosts: hosts]).workerOptions()
        #expect(none.lanes == LaneList.served(on: nil) && none.installation.hosts.map(\.text) == ["h1", "h2"])
        let (h1, h2) = (HostName(known: "h1"), HostName(known: "h2"))
        let one = try await settings([.hosts: hosts, .host: "h1"]).workerOptions()
        #expect(one.host == h1 && one.lanes == LaneList.served(on: h1))
        let some = try await settings([.hosts: hosts, .host: "h2", .steps: "replicate@h2,replicate"]).workerOptions()
        #expect(some.lanes == [.job(.replicate, on: h2), .job(.replicate)])
        #expect(try await settings([.hosts: hosts]).hosts() == [h2, h1])
        let wrong: [([SettingKey: String], String)] = [
            ([.hosts: "h1,H2"], "setting hosts (GOLDSMITH_HOSTS) from the command line is not a list of hosts"),
            ([.hosts: hosts, .host: "H1"], "setting host (GOLDSMITH_HOST) from the command line is not a host ("),
            ([.hosts: hosts, .host: "h9"], "host h9 is not among the hosts: h2, h1"),
            ([.host: "h1"], "host h1 is not among the hosts: none"),
            ([.hosts: hosts, .steps: "replicate@h9"], "setting steps (GOLDSMITH_STEPS) from the command line is not"),
            ([.hosts: hosts, .steps: "replicate@h1"], "setting steps (GOLDSMITH_STEPS): the lane replicate@h1 is"),
        ]
        for (flags, message) in wrong {
            let error = await failure(flags) { (settings) async throws(CommandFailure) in
                _ = try await settings.workerOptions()
            }
            #expect(error?.kind == .usage && error?.message.hasPrefix(message) == true, "\(String(describing: error))")
        }
    }

    @Test(
        "a number that is none, or out of range, is told with its setting, its source and the range",
        arguments: ["many", "0", "1001", ""]
    )
    func numbers(text: String) async throws {
        let wrong = await failure([.concurrency: text]) { (settings) async throws(CommandFailure) in
            _ = try await settings.workerOptions()
        }
        let error = try #require(wrong)
        #expect(error.kind == .usage && error.exitCode == 2)
        let wanted = "setting concurrency (GOLDSMITH_CONCURRENCY) from the command line is not a number from 1 to "
        #expect(error.message.hasPrefix(wanted), "\(error)")
    }

    @Test("a number with a fraction where only whole ones are meant is refused")
    func whole() async throws {
        let wrong = await failure([.attempts: "2.5"]) { (settings) async throws(CommandFailure) in
            _ = try await settings.workerOptions()
        }
        #expect(wrong?.message == "setting attempts (GOLDSMITH_ATTEMPTS) must be a whole number")
    }

    @Test(
        "what is no value of its setting is told with what would be",
        arguments: [
            (SettingKey.driver, "cloud", "one of local, libvirt, openstack, simulated"),
            (.logLevel, "loud", "one of trace, debug"),
            (.steps, "intake,nothing", "a list out of intake, stop-check"),
            (.metricsListen, "host:80", "an IP address"),
            (.upstreams, "=", "'*', or a list like"), (.owner, "a b", "an owner ("), (.prefix, "", "a name ("),
        ]
    )
    func malformed(key: SettingKey, text: String, wanted: String) async throws {
        let wrong = await failure([key: text]) { (settings) async throws(CommandFailure) in
            _ = try await settings.drivers()
            _ = try await settings.logLevel(default: .info)
            _ = try await settings.workerOptions()
            _ = try await settings.metricsListen()
            _ = try await settings.owner()
            _ = try await settings.topology()
        }
        let error = try #require(wrong)
        let start = "setting \(key.rawValue) (\(key.environmentName)) from the command line is not \(wanted)"
        #expect(error.kind == .usage && error.message.hasPrefix(start), "\(error)")
    }

    @Test("a file is named with what is wrong in it, and a mistyped key is not passed over")
    func files() async throws {
        for (text, wanted) in [
            (#"{"concurency": 8}"#, "there is no setting 'concurency'"), ("[]", "is not a JSON object of settings"),
            (#"{"concurrency": "eight"}"#, "is not a number from 1 to"),
        ] {
            let file = try write(text, to: "settings.json")
            let wrong = await failure(file: file) { (settings) async throws(CommandFailure) in
                _ = try await settings.workerOptions()
            }
            let error = try #require(wrong, "\(text)")
            #expect(error.message.contains(file) && error.message.contains(wanted), "\(error)")
        }
        let missing = await failure(file: folder.file("none.json")) { _ in }
        #expect(missing?.message == "cannot read \(folder.file("none.json"))")
    }

    @Test("without a broker or a store it says what to start or set")
    func nothingRuns() async throws {
        let broker = await failure { (settings) async throws(CommandFailure) in _ = try await settings.endpoint() }
        #expect(broker?.kind == .unavailable && broker?.advice?.contains("GOLDSMITH_AMQP_URL") == true)
        let store = await failure { (settings) async throws(CommandFailure) in _ = try await settings.storeAddress() }
        #expect(store?.message.contains("no store: nothing runs in \(folder.file("data"))") == true)
    }

    @Test("a secret may stand in a file of its own, and what is wrong with a secret does not show it")
    func secrets() async throws {
        let secret = try write("amqp://worker:hunter2@broker.example:5673/images\n", to: "url")
        let file = try write(
            #"{"amqpUrlFile": "\#(secret)", "storeUrl": "mysql://u:hunter2@h/d"}"#,
            to: "settings.json"
        )
        let settings = try await settings(file: file)
        let endpoint = try await settings.endpoint()
        #expect(endpoint.user == "worker" && endpoint.virtualHost == "images")
        let wrong = await failure(file: file) { (settings) async throws(CommandFailure) in
            _ = try await settings.storeAddress()
        }
        #expect(
            wrong?.message.contains("GOLDSMITH_STORE_URL") == true && wrong?.description.contains("hunter2") == false
        )
        let empty = try write("\n", to: "url")
        let unreadable = await failure(file: file) { (settings) async throws(CommandFailure) in
            _ = try await settings.endpoint()
        }
        #expect(unreadable?.message.hasSuffix("\(empty) is empty") == true, "\(String(describing: unreadable))")
    }

    @Test("certificates are for an encrypted connection, and go together")
    func certificates() async throws {
        let plain = await failure([.amqpUrl: "amqp://h", .amqpCaFile: "/ca"]) {
            (settings) async throws(CommandFailure) in _ = try await settings.endpoint()
        }
        #expect(plain?.advice == "let it begin with amqps://")
        let half = await failure([.amqpUrl: "amqps://h", .amqpKeyFile: "/key"]) {
            (settings) async throws(CommandFailure) in _ = try await settings.endpoint()
        }
        #expect(half?.message == "amqpCertificateFile and amqpKeyFile go together")
    }

    @Test(
        "a password on the command line is refused, and not repeated",
        arguments: [
            "--amqp-url=amqp://u:hunter2@h", "--worker-password", "postgresql://u:hunter2@h/d",
            "--instance=amqps://u:hunter2@h", "postgres://h/d?password=hunter2",
        ]
    )
    func commandLine(argument: String) async throws {
        let refused = await caught { () async throws(CommandFailure) in
            try CommandLineSecrets.refuse(["image", "list", argument])
        }
        let error = try #require(refused)
        #expect(error.kind == .usage && !error.description.contains("hunter2"), "\(error)")
        #expect(error.advice?.contains("GOLDSMITH_") == true && error.advice?.contains("_FILE") == true)
    }

    @Test("an address without a password is none of that", arguments: ["amqp://h:5672/v", "sqlite:///a@b", "--owner"])
    func harmless(argument: String) throws { try CommandLineSecrets.refuse([argument]) }
}
