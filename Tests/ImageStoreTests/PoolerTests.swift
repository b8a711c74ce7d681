import GoldsmithTestSupport
import ImageCore
import ImageStore
import PrivateServers
import Testing

@testable import SQLAccess

/// Poolers give a client no connection of its own: what it has prepared or set there is somewhere else, a moment later.
@Suite("PostgreSQL behind a pooler", .enabled(if: TestPooler.isInstalled), .timeLimit(.minutes(30)))
struct PoolerTests {
    private static func through(_ port: Int, _ server: PostgreSQLServer, _ url: String? = nil) -> String {
        (url ?? server.url).replacing(":\(server.port)/", with: ":\(port)/")
    }

    /// Not in the mode `statement`: there the pooler ends the connection when a statement fails within a transaction, for
    /// example at a deadlock, and hides why, so that nothing is tried again.
    @Test("every rule of the store port holds behind one that keeps transactions whole")
    func rules() async throws {
        try await TestPostgreSQL.with { server in
            try await TestPooler.with(before: server, mode: "transaction") { port in
                for check in StoreConformance.checks {
                    let url = Self.through(port, server, try await TestPostgreSQL.emptyDatabase(on: server))
                    do {
                        try await check.run(StoreFixture { try PostgreSQLDatabase(url: url) })
                    } catch {
                        Issue.record("\(check): \(error)")
                    }
                }
            }
        }
    }

    @Test(
        "a transaction has its settings, also those of the URL, whether the pooler refuses options or ignores them",
        arguments: ["transaction", "session", "statement"],
        [false, true]
    )
    func settings(_ mode: String, _ ignoresOptions: Bool) async throws {
        try await TestPostgreSQL.with { server in
            try await TestPooler.with(before: server, mode: mode, ignoresOptions: ignoresOptions) { port in
                let url = Self.through(port, server) + "?options=-c%20statement_timeout%3D1234%20--work-mem%3D2MB"
                let database = try PostgreSQLDatabase(url: url)
                // More at once than the pooler has connections: each meets those that others have used.
                try await withThrowingTaskGroup(of: [SQLRow].self) { group in
                    for _ in 0..<40 {
                        group.addTask {
                            try await database.read { (connection) throws(SQLError) in
                                try connection.query(
                                    """
                                    SELECT current_setting('statement_timeout') AS statement,
                                        current_setting('lock_timeout') AS lock, current_setting('work_mem') AS memory,
                                        current_setting('synchronous_commit') AS commit
                                    """
                                )
                            }
                        }
                    }
                    for try await rows in group {
                        #expect(
                            rows == [
                                SQLRow(["statement": "1234ms", "lock": "5s", "memory": "2MB", "commit": "on"])
                            ]
                        )
                    }
                }
                #expect(try await database.facts().isPooled)
            }
            #expect(try await !PostgreSQLDatabase(url: server.url).facts().isPooled)
        }
    }

    @Test("a prepared statement that is gone, or is there already, is met once and never again")
    func preparedElsewhere() async throws {
        try await TestPostgreSQL.with { server in
            let database = try PostgreSQLDatabase(url: server.url)
            for statement in ["DEALLOCATE ALL", "PREPARE s7 AS SELECT 1"] {
                for _ in 0..<3 {
                    // Like a pooler that switches to another connection without its client's knowledge.
                    _ = try? await database.write { (connection) throws(SQLError) in
                        try connection.execute(statement)
                    }
                    let rows = try await database.read { (connection) throws(SQLError) in
                        try connection.query("SELECT 1 AS n")
                    }
                    #expect(rows == [SQLRow(["n": 1])])
                }
            }
        }
    }
}
