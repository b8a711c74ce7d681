import GoldsmithTestSupport
import ImageCore
import ImageStore
import PrivateServers
import SQLAccess
import Testing

@Suite("PostgreSQL keeps the store's rules", .timeLimit(.minutes(30)))
struct PostgreSQLTests {
    @Test("every rule of the store port")
    func rules() async throws {
        try await TestPostgreSQL.with { server in
            for check in StoreConformance.checks {
                let url = try await TestPostgreSQL.emptyDatabase(on: server)
                do {
                    try await check.run(StoreFixture { try PostgreSQLDatabase(url: url) })
                } catch {
                    Issue.record("\(check): \(error)")
                }
            }
        }
    }

    @Test("a transaction that only writes and one that reads once give their values, and nothing of a failed one stays")
    func basics() async throws {
        try await TestPostgreSQL.with { server in
            let database = try PostgreSQLDatabase(url: server.url)
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE probe (a TEXT PRIMARY KEY, n BIGINT)")
                try connection.execute("INSERT INTO probe VALUES ($1, $2)", ["one", 1])
                try connection.execute("INSERT INTO probe VALUES ($1, $2)", ["none", .null])
            }
            let error = await #expect(throws: SQLError.self) {
                try await database.write { (connection) throws(SQLError) in
                    try connection.execute("DELETE FROM probe")
                    try connection.execute("INSERT INTO nowhere VALUES (1)")
                }
            }
            // No such table: that of another schema may be meant.
            #expect(error?.kind == .unavailable)
            let rows = try await database.read { (connection) throws(SQLError) in
                try connection.query("SELECT a, n FROM probe ORDER BY a")
            }
            #expect(rows == [SQLRow(["a": "none", "n": .null]), SQLRow(["a": "one", "n": 1])])
            let changed = try await database.write { (connection) throws(SQLError) in
                try connection.rowsChanged(by: "UPDATE probe SET n = $1", [7])
            }
            #expect(changed == 2)
        }
    }
}
