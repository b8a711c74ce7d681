import AMQPClient
import Foundation
import Glibc
import Logging
import PrivateServers
import Synchronization
import SystemPackage

/// Which database a measurement's workers share.
enum StoreKind: String, CaseIterable, Sendable {
    case sqlite
    case postgresql
}

/// A failed measurement, in a sentence.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A broker, a store and worker processes of the built program, all on this machine and all durable, with the simulated
/// driver: what is left is orchestration.
final class Arena: Sendable {
    struct Options: Sendable {
        var program: FilePath
        var store = StoreKind.sqlite
        var workers = 1
        var concurrency = 4
        /// What each capture and each replication takes.
        var delay: Duration = .zero
        /// Which lanes each worker serves; `nil` is all.
        var steps: String?
        /// How many requests the intake queue may hold.
        var intakeLimit: Int?
        /// With the `local` driver and disks in the folder, instead of the simulated one in memory.
        var hasDisks = false
    }

    let broker: RabbitMQNode
    let folder: FilePath
    /// A folder in memory, made when it is needed: the simulated compute system is there, because its cost must not be
    /// measured.
    let memory: FilePath
    private let options: Options
    private let database: PostgreSQLServer?
    private let environment: [String: String]
    private let pool = Mutex<[ServerProcess]>([])

    /// Starts everything and returns when all workers consume.
    static func start(_ options: Options) async throws -> Arena {
        let folder = FilePath("/tmp/goldsmith-bench-\(getpid())-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        do {
            return try await Arena(folder, options)
        } catch {
            try? FileManager.default.removeItem(atPath: folder.string)
            throw error
        }
    }

    private init(_ folder: FilePath, _ options: Options) async throws {
        self.folder = folder
        memory = FilePath("/dev/shm").appending(folder.lastComponent.map { [$0] } ?? [])
        self.options = options
        var brokerOptions = RabbitMQNode.Options()
        // A million queued messages must not raise its alarm.
        brokerOptions.memoryLimit = 6 << 30
        broker = try await RabbitMQNode.start(in: folder.appending("broker"), options: brokerOptions)
        database =
            options.store == .postgresql
            ? try await PostgreSQLServer.start(in: folder.appending("database")) : nil
        let storeURL = database?.url ?? "sqlite://\(folder.string)/store.sqlite"
        let data = options.hasDisks ? folder.appending("data") : memory
        var environment = [
            "GOLDSMITH_AMQP_URL": broker.url, "GOLDSMITH_UPSTREAMS": "*", "GOLDSMITH_STORE_URL": storeURL,
            "GOLDSMITH_DATA": data.string, "GOLDSMITH_LOG_LEVEL": "warning", "GOLDSMITH_BOOT_PROOF": "off",
            "GOLDSMITH_LOCATIONS": "east", "GOLDSMITH_DRIVER": options.hasDisks ? "local" : "simulated",
            "GOLDSMITH_SIMULATED_DELAY": "\(options.delay.milliseconds)",
            "GOLDSMITH_CONCURRENCY": "\(options.concurrency)", "PATH": "/usr/bin:/bin",
        ]
        // The time of a look into a guest is another measurement's.
        environment["GOLDSMITH_GUEST_INSPECTION"] = options.hasDisks ? "off" : nil
        environment["GOLDSMITH_STEPS"] = options.steps
        environment["GOLDSMITH_INTAKE_LIMIT"] = options.intakeLimit.map { "\($0)" }
        self.environment = environment
        try await run(["topology", "apply"])
        try await startWorkers(options.workers)
    }

    /// Runs a command of the program, for these servers and this driver.
    func run(_ arguments: [String]) async throws {
        let log = folder.appending("\(arguments[0]).log")
        let process = try ServerProcess(options.program.string, arguments, environment: environment, output: log)
        guard await process.hasEnded(within: .seconds(60)), process.exitStatus == 0 else {
            process.killNow()
            throw BenchFailure("\(arguments.joined(separator: " ")) failed: \(Self.tail(of: log))")
        }
    }

    /// Starts workers and returns when they consume.
    func startWorkers(_ count: Int) async throws {
        let started = try (0..<count).map { index in
            try ServerProcess(
                options.program.string,
                ["worker"],
                environment: environment,
                output: folder.appending("worker-\(index).log")
            )
        }
        pool.withLock { $0 += started }
        do {
            try await waitForConsumers(count)
        } catch {
            for worker in started { worker.killNow() }
            throw error
        }
    }

    private func waitForConsumers(_ count: Int) async throws {
        let connection = AMQPConnection(endpoint: try endpoint(), name: "bench", logger: benchLogger)
        let deadline = ContinuousClock.now + .seconds(60)
        while try await connection.inspectQueue("goldsmith.dead")?.consumerCount ?? 0 < count {
            guard ContinuousClock.now < deadline, workers.allSatisfy(\.isRunning) else {
                throw BenchFailure("the workers did not start: \(Self.tail(of: folder.appending("worker-0.log")))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        await connection.close()
    }

    private var workers: [ServerProcess] { pool.withLock { $0 } }

    /// Of the PostgreSQL server, with the password, if that is the store.
    var databaseURL: String? { database?.url }

    /// The workers stand still and keep their connections.
    func haltWorkers() {
        for worker in workers { worker.send(SIGSTOP) }
    }

    func continueWorkers() {
        for worker in workers { worker.send(SIGCONT) }
    }

    func endpoint() throws -> AMQPEndpoint { try AMQPEndpoint(parsing: broker.url) }

    /// The most resident memory any worker has had so far, in bytes.
    var workerMemory: Int {
        workers.map { Self.status("VmHWM", of: $0.pid) }.max() ?? 0
    }

    /// Processor time all workers have used so far, in seconds.
    var workerSeconds: Double {
        workers.map { worker in
            let text = (try? String(contentsOfFile: "/proc/\(worker.pid)/stat", encoding: .utf8)) ?? ""
            // After the command's name in parentheses, utime and stime are the 12th and 13th fields.
            let fields = text.drop { $0 != ")" }.split(separator: " ")
            guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return 0 }
            return (user + system) / Double(sysconf(CInt(_SC_CLK_TCK)))
        }.reduce(0, +)
    }

    private static func status(_ field: String, of pid: pid_t) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }

    private static func tail(of log: FilePath) -> String {
        String(((try? String(contentsOfFile: log.string, encoding: .utf8)) ?? "").suffix(600))
    }

    /// Ends the workers (in order, or at once), stops the servers, deletes the folder.
    func stop(drains: Bool = true) async throws {
        let workers = workers
        for worker in workers { worker.send(drains ? SIGTERM : SIGKILL) }
        for worker in workers where await !worker.hasEnded(within: .seconds(30)) { worker.killNow() }
        let complaint = workers.indices.map { Self.tail(of: folder.appending("worker-\($0).log")) }.joined()
        await broker.stop()
        await database?.stop()
        try FileManager.default.removeItem(atPath: folder.string)
        if FileManager.default.fileExists(atPath: memory.string) {
            try FileManager.default.removeItem(atPath: memory.string)
        }
        if complaint.contains(" error ") { throw BenchFailure("a worker complained: \(complaint)") }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

let benchLogger: Logger = {
    var logger = Logger(label: "bench") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .error
    return logger
}()
