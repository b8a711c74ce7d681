import FoundationEssentials
import GoldsmithTestSupport
import PrivateServers
import SQLAccess
import Testing

@Suite("The built program and its database", .serialized, .timeLimit(.minutes(3)))
struct DatabaseCommandTests {
    /// What looks or asks, and must find the tables there.
    private static let readers: [[String]] = [
        ["image", "list"], ["image", "show", "img-1"], ["quota", "show"], ["doctor", "--json"], ["instance", "list"],
    ]

    private static func tables(of database: any SQLDatabase, _ list: String) async throws -> [SQLRow] {
        try await database.read { (connection) throws(SQLError) in try connection.query(list) }
    }

    private static func expectUntouched(
        _ database: @autoclosure () throws -> any SQLDatabase,
        url: String,
        tables list: String
    ) async throws {
        let folder = try ScratchFolder()
        let environment = ["GOLDSMITH_STORE_URL": url, "GOLDSMITH_DATA": folder.path]
        for command in readers {
            let refused = try await Program.run(command, environment: environment)
            #expect(refused.code != 0, "\(command)")
            #expect(
                (refused.output + refused.complaint).contains("goldsmith database migrate"),
                "\(command): \(refused.output) \(refused.complaint)"
            )
        }
        #expect(try await tables(of: database(), list).isEmpty)
        let status = try await Program.run(["database", "status"], environment: environment)
        #expect(status.code == 0 && status.output.contains("empty"))
        #expect(try await tables(of: database(), list).isEmpty)
        #expect(try await Program.run(["database", "migrate"], environment: environment).code == 0)
        #expect(try await Program.run(["image", "list"], environment: environment).code == 0)
    }

    @Test("a listing changes no schema, and says what makes it: PostgreSQL")
    func listingOnPostgreSQL() async throws {
        try await TestPostgreSQL.with { server in
            try await Self.expectUntouched(
                try PostgreSQLDatabase(url: server.url),
                url: server.url,
                tables: "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
        }
    }

    @Test("a listing changes no schema, and says what makes it: SQLite")
    func listingOnSQLite() async throws {
        let folder = try ScratchFolder()
        let path = folder.file("state.sqlite")
        _ = try SQLiteDatabase(path: path)
        try await Self.expectUntouched(
            try SQLiteDatabase(path: path),
            url: "sqlite://\(path)",
            tables: "SELECT name FROM sqlite_master"
        )
    }

    @Test("a damaged database is called damaged, with what to do, and never empty")
    func damaged() async throws {
        let folder = try ScratchFolder()
        let path = folder.file("state.sqlite")
        let environment = ["GOLDSMITH_STORE_URL": "sqlite://\(path)"]
        _ = try SQLiteDatabase(path: path)
        #expect(try await Program.run(["database", "migrate"], environment: environment).code == 0)
        // Every page but the first, which names the tables and says where they are.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try #require(bytes.count > 8192)
        bytes.replaceSubrange(4096..., with: Data(repeating: 0xA5, count: bytes.count - 4096))
        try bytes.write(to: URL(fileURLWithPath: path))
        for command in [["database", "status"], ["database", "migrate"], ["image", "list"], ["doctor"]] {
            let refused = try await Program.run(command, environment: environment)
            #expect(refused.code == 1, "\(command)")
            let words = refused.output + refused.complaint
            #expect(words.contains("damaged") && words.contains("back-up"), "\(command): \(words)")
            #expect(!words.contains("empty"), "\(command): \(words)")
        }
    }
}
