import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Subprocess
import SystemPackage

/// The built program, as a person runs it.
struct Program {
    struct Result: Sendable {
        var code: Int32
        var output: String
        var complaint: String
    }

    /// Beside the test bundle, where the package manager puts it.
    static let path: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return FilePath(own).removingLastComponent().appending("goldsmith").string
    }()

    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Result {
        var variables: [Environment.Key: String?] = [:]
        // A look into a guest is a virtual machine's start: only for the tests that are about it.
        let standard = ["GOLDSMITH_GUEST_INSPECTION": "off", "GOLDSMITH_BOOT_PROOF": "off"]
        for (key, value) in standard.merging(environment, uniquingKeysWith: { $1 }) {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        let result = try await Subprocess.run(
            .path(FilePath(path)),
            arguments: Arguments(arguments),
            environment: .inherit.updating(variables),
            output: .string(limit: 4 << 20),
            error: .string(limit: 4 << 20)
        )
        guard case .exited(let code) = result.terminationStatus else {
            return Result(code: -1, output: result.standardOutput, complaint: "\(result.terminationStatus)")
        }
        return Result(code: Int32(code), output: result.standardOutput, complaint: result.standardError)
    }
}

/// What `dev.json` says.
struct DevFacts: Decodable, Sendable {
    struct Processes: Decodable, Sendable {
        var dev: Int32
        var broker: Int32?
        var workers: [Int32]
    }

    var amqpUrl: String
    var storeUrl: String
    var managementUrl: String?
    var consoleUrl: String
    var pids: Processes
}

/// A running `goldsmith dev` in a folder of its own, ended and removed when the body returns.
struct Dev: Sendable {
    let data: String
    let process: Int32

    var facts: DevFacts? {
        guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: data + "/dev.json")) else { return nil }
        return try? JSONDecoder().decode(DevFacts.self, from: bytes)
    }

    /// What there is to know of an image when a test waits for it in vain, and how busy the machine is.
    func story(of image: String) async -> String {
        var load = [0.0, 0, 0]
        getloadavg(&load, 3)
        var lines = ["load \(load)"]
        for arguments in [["image", "show", image, "--history"], ["worker", "list", "--all"], ["queue", "list"]] {
            let result = try? await run(arguments)
            lines += [
                "$ goldsmith " + arguments.joined(separator: " "), result?.output ?? "–", result?.complaint ?? "",
            ]
        }
        return lines.joined(separator: "\n")
    }

    func run(_ arguments: String...) async throws -> Program.Result { try await run(arguments) }

    func run(_ arguments: [String]) async throws -> Program.Result {
        try await Program.run(arguments + ["--data", data])
    }

    func json<Value: Decodable>(_ type: Value.Type, _ arguments: String...) async throws -> Value {
        let result = try await Program.run(arguments + ["--json", "--data", data])
        return try JSONDecoder().decode(type, from: Data(result.output.utf8))
    }

    /// Everything captured or copied, as the folders hold it.
    var leftovers: [String] {
        ["images", "snapshots", "locations/east", "locations/west"].flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: "\(data)/\(folder)")) ?? [])
                // Workers try now and then whether a folder can be written.
                .filter { !$0.hasPrefix(".") }.map { "\(folder)/\($0)" }
        }.sorted()
    }

    static func with(
        workers: Int = 1,
        copyRate: Int? = nil,
        environment: [String: String] = [:],
        _ body: @Sendable (Dev) async throws -> Void
    ) async throws {
        let data = newFolder()
        defer { try? FileManager.default.removeItem(atPath: data) }
        try await run(in: data, workers: workers, copyRate: copyRate, environment: environment, body)
    }

    static func newFolder() -> String { "/tmp/goldsmith-e2e-\(getpid())-\(UInt32.random(in: 0 ... .max))" }

    /// The same in a folder that the caller removes, to start a second time where the first has ended.
    static func run(
        in data: String,
        workers: Int = 1,
        copyRate: Int? = nil,
        environment: [String: String] = [:],
        _ body: @Sendable (Dev) async throws -> Void
    ) async throws {
        var arguments = ["dev", "--data", data, "--workers", String(workers)]
        if let copyRate { arguments += ["--copy-rate", String(copyRate)] }
        // Each look into a guest takes the time of a virtual machine's start; the test about them switches it on.
        let settings = [
            "GOLDSMITH_LEASE": "2", "GOLDSMITH_DRAIN": "2", "GOLDSMITH_ATTEMPTS": "2",
            "GOLDSMITH_GUEST_INSPECTION": "off", "GOLDSMITH_BOOT_PROOF": "off",
        ]
        var variables: [Environment.Key: String?] = [:]
        for (key, value) in settings.merging(environment, uniquingKeysWith: { $1 }) {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(60))]
        _ = try await Subprocess.run(
            .path(FilePath(Program.path)),
            arguments: Arguments(arguments),
            environment: .inherit.updating(variables),
            platformOptions: options,
            input: .none,
            output: .discarded,
            error: .currentStandardError
        ) { execution in
            let dev = Dev(data: data, process: execution.processIdentifier.value)
            guard await eventually({ dev.facts != nil || dev.hasEnded }), dev.facts != nil else {
                kill(dev.process, SIGTERM)
                throw NotReady(hasEnded: dev.hasEnded)
            }
            do {
                try await body(dev)
            } catch {
                kill(dev.process, SIGTERM)
                throw error
            }
            kill(dev.process, SIGTERM)
        }
    }

    /// A worker on a host, beside those of `dev`, while `body` runs.
    func withWorker(
        on host: String,
        _ environment: [String: String],
        _ body: () async throws -> Void
    ) async throws {
        let settings = ["GOLDSMITH_UPSTREAMS": "*", "GOLDSMITH_GUEST_INSPECTION": "off", "GOLDSMITH_BOOT_PROOF": "off"]
        var variables: [Environment.Key: String?] = [:]
        for (name, value) in settings.merging(environment, uniquingKeysWith: { $1 }) {
            if let key = Environment.Key(rawValue: name) { variables[key] = value }
        }
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(60))]
        _ = try await Subprocess.run(
            .path(FilePath(Program.path)),
            arguments: ["worker", "--data", data, "--host", host, "--drain", "1", "--log-level", "error"],
            environment: .inherit.updating(variables),
            platformOptions: options,
            input: .none,
            output: .discarded,
            error: .discarded
        ) { execution in
            defer { try? execution.send(signal: .terminate) }
            try await body()
        }
    }

    struct NotReady: Error {
        /// Then its standard error, among the tests' own, says why.
        var hasEnded: Bool
    }

    /// Whether its process has ended; it is still there to be waited for.
    private var hasEnded: Bool {
        var info = siginfo_t()
        let options = WEXITED | WNOHANG | WNOWAIT
        return waitid(P_PID, id_t(process), &info, options) == 0 && info._sifields._sigchld.si_pid != 0
    }
}

/// The parts of `image show --json` that tests look at.
struct ShownImage: Decodable, Sendable {
    struct Disk: Decodable, Sendable {
        var device: String
        var resource: String?
        var sha256: String?
    }

    struct Failure: Decodable, Sendable {
        var code: String
        var message: String
        var cleanUp: String
        var subject: String?
    }

    struct Line: Decodable, Sendable {
        var job: String
        var phase: String
        var attempt: Int
        var doneBytes: Int64?
        var worker: String?
    }

    var id: String
    var status: String
    var deviceMapping: [Disk]
    var replicas: [Replica]
    var jobs: [Line]
    var failure: Failure?

    struct Replica: Decodable, Sendable {
        var location: String
        var resource: Resource

        struct Resource: Decodable, Sendable { var id: String }
    }

    /// The folders this image may own; nothing else may be there.
    var owned: [String] {
        let captures = deviceMapping.compactMap { disk in
            disk.resource.map { (disk.device == "/dev/vda" ? "images/" : "snapshots/") + $0 }
        }
        return (captures + replicas.map { "locations/\($0.location)/\($0.resource.id)" }).sorted()
    }
}

struct ShownInstance: Decodable, Sendable {
    var id: String
    var lockedBy: String?
}

struct ShownQuota: Decodable, Equatable, Sendable {
    struct Use: Decodable, Equatable, Sendable {
        var images: Int
        var snapshots: Int
    }

    var used: Use
}
