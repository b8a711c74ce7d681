import GoldsmithTestSupport
import ImageCore
import ImageStore
import PrivateServers
import SQLAccess
import SystemPackage

/// PostgreSQL: one server, a schema for each installation. Workers reach it through a proxy that can cut connections.
final class PostgreSQLSite: StoreSite {
    let name = "postgresql"
    let faults = [Fault.killStore, .restartStore, .freezeStore, .cutStore, .cutStatement]
    private let server: PostgreSQLServer
    private let proxy: FaultProxy

    static func start(below folder: FilePath) async throws -> PostgreSQLSite {
        let server = try await PostgreSQLServer.start(in: folder.appending("postgresql"))
        do {
            return try PostgreSQLSite(server)
        } catch {
            await server.stop()
            throw error
        }
    }

    private init(_ server: PostgreSQLServer) throws {
        self.server = server
        proxy = try FaultProxy(to: server.port)
    }

    func url(for prefix: String) async throws -> String {
        let database = try PostgreSQLDatabase(url: server.url)
        try await database.write { (connection) throws(SQLError) in
            try connection.execute("CREATE SCHEMA IF NOT EXISTS \(prefix)")
        }
        return url(for: prefix, port: proxy.port)
    }

    func store(for prefix: String) async throws -> any ImageStore {
        try await SQLImageStore(on: PostgreSQLDatabase(url: url(for: prefix, port: server.port)))
    }

    private func url(for prefix: String, port: Int) -> String {
        "postgresql://\(server.user):\(server.password)@127.0.0.1:\(port)/postgres?options=-csearch_path%3D\(prefix)"
    }

    func inflict(_ fault: Fault, for time: Duration, bytes: Int) async throws {
        switch fault {
        case .killStore:
            server.kill()
            // Away long enough for leases to run out.
            try await Task.sleep(for: time)
            try await server.restart()
        case .restartStore: try await server.restart()
        case .freezeStore:
            server.freeze()
            defer { server.thaw() }
            try await Task.sleep(for: time)
        case .cutStore: proxy.cut()
        case .cutStatement: proxy.cut(after: bytes, bytes % 2 == 0 ? .toServer : .toClient)
        default: throw ChaosFailure("\(fault.rawValue) is no fault of a database")
        }
    }

    func heal() async throws {
        server.thaw()
        if !server.isRunning { try await server.restart() }
    }

    func stop() async {
        proxy.stop()
        await server.stop()
    }
}
