import Glibc
import Synchronization
public import SystemPackage

/// A RabbitMQ server of our own: on 127.0.0.1 only, with its own ports, data, user and Erlang port mapper (epmd).
///
/// Neither the server nor its helpers outlive ``stop()`` or this process, be it killed with SIGKILL.
public final class RabbitMQNode: Sendable {
    public struct Options: Sendable {
        public var program: FilePath = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        public var controlProgram: FilePath = "/usr/lib/rabbitmq/bin/rabbitmqctl"
        public var portMapper: FilePath = "/usr/bin/epmd"
        /// Plugins to enable, for example `rabbitmq_management`. Default none: each costs start-up time.
        public var plugins: [String] = []
        /// Port of the management plugin when it is enabled. Default: any free one.
        public var managementPort: Int?
        /// Bytes of memory above which publishers are blocked. Default 1 GiB.
        public var memoryLimit = 1 << 30
        /// Bytes of free disk below which publishers are blocked. Default 64 MiB.
        public var diskFreeLimit = 64 << 20
        /// How long start and restart wait for the server. Default 60 s.
        public var startTimeout: Duration = .seconds(180)
        /// How long stop waits before it kills. Default 20 s.
        public var stopTimeout: Duration = .seconds(20)
        /// Further lines for rabbitmq.conf.
        public var configuration: [String] = []
        /// The cluster it is a node of. Default: none, it stands alone.
        var membership: Membership?

        public init() {}
    }

    /// Why the server does not run; the description ends with what it logged last.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// What the nodes of one cluster share, and the name that tells one from the others.
    struct Membership: Sendable {
        /// `<name>@<host>`.
        var name: String
        var password: String
        var cookie: String
        var portMapperPort: Int
    }

    private struct Processes {
        /// Nil when it is the cluster's.
        var portMapper: ServerProcess?
        var server: ServerProcess
    }

    public let folder: FilePath
    public let port: Int
    /// Nil unless the management plugin is enabled.
    public let managementPort: Int?
    public let user = "goldsmith"
    public let password: String
    private let options: Options
    private let portMapperPort: Int
    private let distributionPort: Int
    private let monitor: ParentMonitor
    private let processes = Mutex<Processes?>(nil)

    /// Starts a server and returns when it takes connections.
    ///
    /// - Parameter folder: for its data, configuration and log; made when missing. With what an earlier server left
    ///   there it goes on: same user, same queues, same messages.
    public static func start(in folder: FilePath, options: Options = .init()) async throws -> RabbitMQNode {
        let node = try RabbitMQNode(folder, options)
        try await node.run()
        return node
    }

    private init(_ folder: FilePath, _ options: Options) throws {
        self.folder = folder
        self.options = options
        try Files.makeFolder(folder)
        password = try options.membership?.password ?? Secrets.kept(in: folder.appending("password"))
        let ports = try Loopback.freePorts(4)
        (port, distributionPort) = (ports[0], ports[2])
        portMapperPort = options.membership?.portMapperPort ?? ports[1]
        managementPort = options.plugins.contains("rabbitmq_management") ? options.managementPort ?? ports[3] : nil
        monitor = try ParentMonitor()
        try writeFiles()
    }

    deinit { kill() }

    /// `amqp://user:password@127.0.0.1:port/`. Contains the password.
    public var url: String { "amqp://\(user):\(password)@127.0.0.1:\(port)/" }

    /// Where the management plugin answers, if it is enabled. Contains the password.
    public var managementURL: String? { managementPort.map { "http://\(user):\(password)@127.0.0.1:\($0)" } }

    /// The server's process (`beam.smp`); 0 when it is stopped.
    public var pid: Int32 { processes.withLock { $0?.server.pid ?? 0 } }

    /// Whether the server's process is there.
    public var isRunning: Bool { processes.withLock { $0?.server.isRunning } == true }

    /// Stops the server in order, then by force; returns when all its processes are gone.
    public func stop() async {
        guard let running = processes.withLock({ $0 }) else { return }
        running.server.send(SIGCONT)
        running.server.send(SIGTERM)
        _ = await running.server.hasEnded(within: options.stopTimeout)
        kill()
    }

    /// Kills everything at once, as a power failure would do to the server; data stays.
    public func kill() {
        processes.withLock { running in
            running?.server.killNow()
            running?.portMapper?.killNow()
            running = nil
        }
        monitor.watch([])
    }

    /// Stops the server if it runs and starts it again: same ports, same data.
    public func restart() async throws {
        await stop()
        try await run()
    }

    /// Halts the server's process where it is. Its sockets stay open, without an answer.
    public func freeze() { processes.withLock { $0?.server.send(SIGSTOP) } }

    public func thaw() { processes.withLock { $0?.server.send(SIGCONT) } }

    /// Runs `rabbitmqctl` for this node; takes about two seconds.
    /// - Returns: what it printed.
    @discardableResult
    public func control(_ arguments: [String]) async throws -> String {
        let log = folder.appending("control-\(Secrets.random()).log")
        defer { unlink(log.string) }
        let tool = try ServerProcess(options.controlProgram.string, arguments, environment: environment, output: log)
        guard await tool.hasEnded(within: options.startTimeout), tool.exitStatus == 0 else {
            tool.killNow()
            // The text of a missing log is empty.
            let text = (try? Files.read(log)) ?? ""
            throw Failure(description: "rabbitmqctl \(arguments.joined(separator: " ")) failed.\n\(text)")
        }
        return try Files.read(log)
    }

    /// The same for a private node of another process of this user, by the server's process id.
    public static func control(process pid: Int32, _ arguments: [String]) async throws -> String {
        let variables = try Files.read(FilePath("/proc/\(pid)/environ")).split(separator: "\0").map { entry in
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
        }
        let environment = Dictionary(variables) { first, _ in first }
        let log = FilePath(environment["HOME"] ?? "/tmp").appending("control-\(Secrets.random()).log")
        defer { unlink(log.string) }
        let options = Options()
        let tool = try ServerProcess(options.controlProgram.string, arguments, environment: environment, output: log)
        guard await tool.hasEnded(within: .seconds(20)), tool.exitStatus == 0 else {
            tool.killNow()
            throw Failure(description: "rabbitmqctl \(arguments.joined(separator: " ")) failed")
        }
        return try Files.read(log)
    }

    // MARK: Starting

    private func run() async throws {
        try processes.withLock { processes in
            let portMapper = try options.membership == nil ? Self.portMapper(options, portMapperPort) : nil
            let mapperPID = portMapper.map { [$0.pid] } ?? []
            // Written at once, one by one: we may be killed between any two lines.
            monitor.watch(mapperPID)
            do {
                let server = try ServerProcess(
                    options.program.string,
                    [],
                    environment: environment,
                    output: folder.appending("output.log")
                )
                monitor.watch(mapperPID + [server.pid])
                processes = Processes(portMapper: portMapper, server: server)
            } catch {
                portMapper?.killNow()
                throw error
            }
        }
        do {
            try await waitUntilReady()
        } catch {
            kill()
            throw error
        }
    }

    static func portMapper(_ options: Options, _ port: Int) throws -> ServerProcess {
        try ServerProcess(options.portMapper.string, ["-address", "127.0.0.1", "-port", "\(port)"])
    }

    private func waitUntilReady() async throws {
        let deadline = ContinuousClock.now + options.startTimeout
        while !Loopback.answersAMQP(port) {
            guard processes.withLock({ $0?.server.isRunning }) == true else {
                throw Failure(description: "RabbitMQ ended while starting.\n\(logTail)")
            }
            guard ContinuousClock.now < deadline else {
                throw Failure(description: "RabbitMQ did not start within \(options.startTimeout).\n\(logTail)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// The first errors the server printed or logged and the last lines, for error texts: the cause comes first.
    public var logTail: String {
        ["output.log", "log/rabbit.log"].map { name in
            // A missing file has no lines.
            let lines = (try? Files.read(folder.appending(name)))?.split(separator: "\n") ?? []
            let errors = lines.filter { $0.contains("[error]") }.prefix(10)
            return (["--- \(folder.appending(name))"] + errors + ["..."] + lines.suffix(10)).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// The data belongs to this name. It is free to be the same for all: each node has a port mapper of its own.
    var name: String { options.membership?.name ?? "goldsmith@localhost" }

    private var environment: [String: String] {
        [
            "HOME": folder.string,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": "\(portMapperPort)",
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_DIST_PORT": "\(distributionPort)",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": folder.appending("none").string,
            "RABBITMQ_CONFIG_FILE": folder.appending("rabbitmq.conf").string,
            "RABBITMQ_GENERATED_CONFIG_DIR": folder.appending("generated").string,
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder.appending("enabled_plugins").string,
            "RABBITMQ_MNESIA_BASE": folder.appending("data").string,
            "RABBITMQ_LOG_BASE": folder.appending("log").string,
            "RABBITMQ_LOGS": folder.appending("log/rabbit.log").string,
            // The script replaces itself by the server then, so the process we start is the one we signal.
            "RUNNING_UNDER_SYSTEMD": "true",
        ]
    }

    private func writeFiles() throws {
        for name in ["data", "log", "generated"] { try Files.makeFolder(folder.appending(name)) }
        var lines = [
            "listeners.tcp.local = 127.0.0.1:\(port)",
            "default_user = \(user)",
            "default_pass = \(password)",
            "default_permissions.configure = .*",
            "default_permissions.read = .*",
            "default_permissions.write = .*",
            "vm_memory_high_watermark.absolute = \(options.memoryLimit)",
            "disk_free_limit.absolute = \(options.diskFreeLimit)",
            "log.file.level = info",
            // The default of 512 MiB is allocated at each start, which takes a second and more.
            "raft.wal_max_size_bytes = 16777216",
        ]
        if let managementPort {
            lines += ["management.tcp.ip = 127.0.0.1", "management.tcp.port = \(managementPort)"]
        }
        try Files.write(
            (lines + options.configuration).joined(separator: "\n") + "\n",
            to: folder.appending("rabbitmq.conf")
        )
        try Files.write("[\(options.plugins.joined(separator: ","))].\n", to: folder.appending("enabled_plugins"))
        let cookie = options.membership?.cookie ?? Secrets.random()
        try Files.write(cookie, to: folder.appending(".erlang.cookie"), mode: 0o400)
    }
}
