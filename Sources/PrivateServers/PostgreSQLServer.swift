import Glibc
import Synchronization
public import SystemPackage

/// A PostgreSQL server of our own: on 127.0.0.1 only, with its own port, data and user. It keeps every promise of a
/// real one: commits are on the disk.
///
/// Neither the server nor its processes outlive ``stop()`` or this process, be it killed with SIGKILL.
public final class PostgreSQLServer: Sendable {
    public struct Options: Sendable {
        /// Below it lies a folder for each installed version; the newest is used.
        public var programs: FilePath = "/usr/lib/postgresql"
        /// The user that runs the server when we are root, as which PostgreSQL refuses to run.
        public var systemUser = "postgres"
        /// PEM files; with them the server offers TLS. Default: none.
        public var certificate: FilePath?
        public var key: FilePath?
        /// How long start and restart wait for the server. Default 60 s.
        public var startTimeout: Duration = .seconds(180)
        /// How long stop waits before it kills. Default 20 s.
        public var stopTimeout: Duration = .seconds(20)
        /// Further lines for postgresql.conf.
        public var configuration: [String] = []

        public init() {}
    }

    /// Why the server does not run; the description ends with what it logged last.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public let folder: FilePath
    public let port: Int
    public let user = "goldsmith"
    public let password: String
    private let options: Options
    private let bin: FilePath
    private let monitor: ParentMonitor
    private let server = Mutex<ServerProcess?>(nil)

    /// Starts a server and returns when it takes connections.
    ///
    /// - Parameter folder: for its data and log; made when missing. With what an earlier server left there it goes on.
    ///   When we are root it is given to `systemUser`, and its parent folder lets others pass through.
    public static func start(in folder: FilePath, options: Options = .init()) async throws -> PostgreSQLServer {
        let server = try PostgreSQLServer(folder, options)
        try await server.makeCluster()
        try await server.run()
        return server
    }

    private init(_ folder: FilePath, _ options: Options) throws {
        self.folder = folder
        self.options = options
        bin = try Self.newestPrograms(in: options.programs)
        try Files.makeFolder(folder)
        password = try Secrets.kept(in: folder.appending("password"))
        port = try Loopback.freePorts(1)[0]
        monitor = try ParentMonitor()
    }

    deinit { kill() }

    /// `postgresql://user:password@127.0.0.1:port/postgres`. Contains the password; the user may do everything.
    public var url: String { "postgresql://\(user):\(password)@127.0.0.1:\(port)/postgres" }

    /// The first of the server's processes; 0 when it is stopped.
    public var pid: Int32 { server.withLock { $0?.pid ?? 0 } }

    public var isRunning: Bool { server.withLock { $0?.isRunning } == true }

    /// Stops the server in order, then by force; returns when all its processes are gone.
    public func stop() async {
        guard let running = server.withLock({ $0 }) else { return }
        thaw()
        // "Fast": does not wait for clients to leave.
        running.send(SIGINT)
        _ = await running.hasEnded(within: options.stopTimeout)
        kill()
    }

    /// Kills everything at once, as a power failure would do to the server; data stays.
    public func kill() {
        server.withLock { running in
            guard let process = running else { return }
            // Stopped first, so that it cannot make another child between our look and its end.
            process.send(SIGSTOP)
            let children = ProcessTable.children(of: process.pid)
            process.killNow()
            for child in children { Glibc.kill(child, SIGKILL) }
            // The shared memory of a child that still dies keeps the next server from starting.
            ProcessTable.waitForEnd(of: children)
            running = nil
        }
        monitor.watch([])
    }

    /// Stops the server if it runs and starts it again: same port, same data.
    public func restart() async throws {
        await stop()
        try await run()
    }

    /// Halts all the server's processes where they are. Their sockets stay open, without an answer.
    public func freeze() {
        server.withLock { running in
            guard let running else { return }
            running.send(SIGSTOP)
            let children = ProcessTable.children(of: running.pid)
            for child in children { Glibc.kill(child, SIGSTOP) }
            // A halted child does not notice that the server is gone.
            monitor.watch([running.pid] + children)
        }
    }

    public func thaw() {
        server.withLock { running in
            guard let running else { return }
            for child in ProcessTable.children(of: running.pid) { Glibc.kill(child, SIGCONT) }
            running.send(SIGCONT)
            monitor.watch([running.pid])
        }
    }

    // MARK: Starting

    private var data: FilePath { folder.appending("data") }
    private var log: FilePath { folder.appending("output.log") }

    private func makeCluster() async throws {
        if getuid() == 0 { try giveAway() }
        guard access(data.appending("PG_VERSION").string, F_OK) != 0 else { return }
        let tool = try start(
            "initdb",
            [
                "--pgdata", data.string, "--username", user, "--pwfile", folder.appending("password").string,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
            ]
        )
        guard await tool.hasEnded(within: options.startTimeout), tool.exitStatus == 0 else {
            tool.killNow()
            throw Failure(description: "initdb failed.\n\(logTail)")
        }
    }

    private func giveAway() throws {
        guard let entry = getpwnam(options.systemUser) else {
            throw Failure(description: "there is no user \(options.systemUser); is the package postgresql installed?")
        }
        let (owner, group) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
        for path in [folder, folder.appending("password")] { chown(path.string, owner, group) }
        var facts = stat()
        let above = folder.removingLastComponent().string
        guard stat(above, &facts) == 0 else { throw Errno(rawValue: errno) }
        if facts.st_mode & S_IXOTH == 0 { chmod(above, facts.st_mode | S_IXOTH) }
        for (source, name) in [(options.certificate, "server.crt"), (options.key, "server.key")] {
            guard let source else { continue }
            try Files.write(try Files.read(source), to: folder.appending(name))
            chown(folder.appending(name).string, owner, group)
        }
    }

    private func run() async throws {
        var settings = [
            "listen_addresses=127.0.0.1", "port=\(port)", "unix_socket_directories=", "logging_collector=off",
        ]
        if let certificate = options.certificate, let key = options.key {
            let isCopied = getuid() == 0
            settings += [
                "ssl=on",
                "ssl_cert_file=\(isCopied ? folder.appending("server.crt") : certificate)",
                "ssl_key_file=\(isCopied ? folder.appending("server.key") : key)",
            ]
        }
        let arguments = ["-D", data.string] + (settings + options.configuration).flatMap { ["-c", $0] }
        try server.withLock { server in
            let process = try start("postgres", arguments)
            server = process
            monitor.watch([process.pid])
        }
        do {
            try await waitUntilReady()
        } catch {
            kill()
            throw error
        }
    }

    /// As an ordinary user, in a folder that user may enter. Every program replaces the one before it, so the process
    /// we start is the one we signal.
    private func start(_ program: String, _ arguments: [String]) throws -> ServerProcess {
        var line = ["/usr/bin/env", "--chdir=\(folder)", bin.appending(program).string] + arguments
        if getuid() == 0 {
            let user = options.systemUser
            line = ["/usr/bin/setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups"] + line
        }
        return try ServerProcess(
            line[0],
            Array(line.dropFirst()),
            environment: ["LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"],
            output: log
        )
    }

    private func waitUntilReady() async throws {
        let deadline = ContinuousClock.now + options.startTimeout
        while !isReady {
            guard isRunning else { throw Failure(description: "PostgreSQL ended while starting.\n\(logTail)") }
            guard ContinuousClock.now < deadline else {
                throw Failure(description: "PostgreSQL did not start within \(options.startTimeout).\n\(logTail)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// The server's own file says so, in its eighth line; a killed server's file names another process.
    private var isReady: Bool {
        guard let text = try? Files.read(data.appending("postmaster.pid")) else { return false }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count > 7 && lines[0] == "\(pid)" && lines[7].hasPrefix("ready")
    }

    /// The last lines the server logged, for error texts.
    public var logTail: String {
        let lines = (try? Files.read(log))?.split(separator: "\n") ?? []
        return (["--- \(log)"] + lines.suffix(20)).joined(separator: "\n")
    }

    private static func newestPrograms(in folder: FilePath) throws -> FilePath {
        var versions: [Int] = []
        if let entries = opendir(folder.string) {
            defer { closedir(entries) }
            while let entry = readdir(entries) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                let program = folder.appending(name).appending("bin/postgres").string
                if let version = Int(name), access(program, X_OK) == 0 { versions.append(version) }
            }
        }
        guard let newest = versions.max() else {
            throw Failure(description: "there is no PostgreSQL below \(folder); install the package postgresql")
        }
        return folder.appending(String(newest)).appending("bin")
    }
}
