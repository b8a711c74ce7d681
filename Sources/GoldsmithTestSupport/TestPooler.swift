import FoundationEssentials
import Glibc
public import PrivateServers
import SystemPackage

/// A PgBouncer before a PostgreSQL server, for tests.
public enum TestPooler {
    private static let program = "/usr/sbin/pgbouncer"

    public struct NotReady: Error {
        public var log: String
    }

    public static var isInstalled: Bool { access(program, X_OK) == 0 }

    /// Starts a pooler with two connections to the server, gives its port to `body`, and leaves nothing of it.
    ///
    /// - Parameters:
    ///   - mode: `session`, `transaction` or `statement`.
    ///   - ignoresOptions: whether it takes the startup parameter `options` and does nothing with it, rather than refuse it.
    public static func with<Value>(
        before server: PostgreSQLServer,
        mode: String,
        ignoresOptions: Bool = false,
        _ body: (Int) async throws -> Value
    ) async throws -> Value {
        let folder = try ScratchFolder()
        let port = try Loopback.freePorts(1)[0]
        let text = """
            [databases]
            postgres = host=127.0.0.1 port=\(server.port) user=\(server.user) password=\(server.password)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = any
            pool_mode = \(mode)
            default_pool_size = 2
            ignore_startup_parameters = extra_float_digits\(ignoresOptions ? ",options" : "")
            """
        guard folder.write(text, to: "pooler.ini") else { throw NotReady(log: "its settings cannot be written") }
        var line = [program, "--quiet", folder.file("pooler.ini")]
        // It refuses to be root.
        if getuid() == 0, let user = getpwnam("postgres") {
            chown(folder.file("pooler.ini"), user.pointee.pw_uid, user.pointee.pw_gid)
            line = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] + line
        }
        chmod(folder.file("pooler.ini"), 0o600)
        let log = folder.file("log")
        let process = try ServerProcess(line[0], Array(line.dropFirst()), output: FilePath(log))
        defer { process.killNow() }
        guard await eventually(within: .seconds(60), { Loopback.isListening(on: port) || !process.isRunning }),
            process.isRunning
        else { throw NotReady(log: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "") }
        let value = try await body(port)
        withExtendedLifetime(folder) {}
        return value
    }
}
