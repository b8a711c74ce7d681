import Glibc
public import PrivateServers
import SQLAccess
import SystemPackage

/// PostgreSQL servers for tests.
public enum TestPostgreSQL {
    /// Starts a server in a folder of its own, gives it to `body`, and leaves nothing of it.
    public static func with<Value>(
        options: PostgreSQLServer.Options = .init(),
        _ body: (PostgreSQLServer) async throws -> Value
    ) async throws -> Value {
        let folder = try ScratchFolder()
        let server = try await PostgreSQLServer.start(in: FilePath(folder.file("postgresql")), options: options)
        do {
            let value = try await body(server)
            await server.stop()
            return value
        } catch {
            await server.stop()
            throw error
        }
    }

    /// An empty database, as a schema of its own in the one that is there.
    ///
    /// - Returns: its URL.
    public static func emptyDatabase(on server: PostgreSQLServer) async throws -> String {
        let name = "check_\(UInt32.random(in: 0 ... .max))"
        let database = try PostgreSQLDatabase(url: server.url)
        try await database.write { (connection) throws(SQLError) in try connection.execute("CREATE SCHEMA \(name)") }
        return server.url + "?options=-csearch_path%3D\(name)"
    }
}
