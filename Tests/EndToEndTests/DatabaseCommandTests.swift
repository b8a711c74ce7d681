import FoundationEssentials
import GoldsmithTestSupport
import PrivateServers
import SQLAccess
import Testing

@Suite("The built program and its database", .serialized, .timeLimit(.minutes(30)))
struct DatabaseCommandTests {
    /// What looks or asks, and must find the tables there.
    private static let readers: [[String]] = [
        ["image", "list"], ["image", "show", "img-1"], ["quota", "show"], ["quota", "list"], ["doctor", "--json"],
        ["instance", "list"],
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

    @Test("quotas of all owners are listed, and one that is not there is nobody's")
    func quotas() async throws {
        let folder = try ScratchFolder()
        let environment = ["GOLDSMITH_STORE_URL": "sqlite://\(folder.path)/s.sqlite", "GOLDSMITH_DATA": folder.path]
        let run = { (arguments: [String]) in try await Program.run(arguments, environment: environment) }
        #expect(try await run(["database", "migrate"]).code == 0)
        #expect(try await run(["quota", "list"]).output.contains("no owner"))
        #expect(try await run(["quota", "set", "--owner", "acct-2", "--images", "7"]).code == 0)
        #expect(try await run(["quota", "set", "--owner", "acct-1", "--snapshots", "9"]).code == 0)
        let list = try await run(["quota", "list"])
        let rows = list.output.split(separator: "\n").dropFirst()
        #expect(rows.count == 2 && rows.first?.hasPrefix("acct-1") == true, "\(list)")
        #expect(rows.last?.contains("0 of 7") == true, "\(list)")
        struct Status: Decodable { var owner: String }
        let json = try await run(["quota", "list", "--json"]).output
        #expect(try JSONDecoder().decode([Status].self, from: Data(json.utf8)).map(\.owner) == ["acct-1", "acct-2"])
        let cut = try await run(["quota", "list", "--limit", "1"])
        #expect(cut.code == 0 && cut.complaint.contains("--limit"), "\(cut)")
        #expect(try await run(["quota", "list", "--limit", "0"]).code == 2)
        let nothing = try await run(["quota", "set", "--owner", "acct-3"])
        #expect(nothing.code == 2 && nothing.complaint.contains("nothing to set"), "\(nothing)")
        let after = try await run(["quota", "list", "--json"]).output
        #expect(after == json, "nothing was set")
    }

    @Test("a listing needs no more than the right to read, and a worker no more than to change rows")
    func leastRights() async throws {
        try await TestPostgreSQL.with { server in
            #expect(
                try await Program.run(["database", "migrate"], environment: ["GOLDSMITH_STORE_URL": server.url]).code
                    == 0
            )
            let owner = try PostgreSQLDatabase(url: server.url)
            let rights = ["reader": "SELECT", "changer": "SELECT, INSERT, UPDATE, DELETE"]
            for (role, grants) in rights {
                try await owner.write { (connection) throws(SQLError) in
                    try connection.execute("CREATE ROLE \(role) LOGIN PASSWORD 'hunter2'")
                    try connection.execute("GRANT \(grants) ON ALL TABLES IN SCHEMA public TO \(role)")
                }
            }
            func run(_ role: String, _ arguments: String...) async throws -> Program.Result {
                let url = "postgresql://\(role):hunter2@127.0.0.1:\(server.port)/postgres"
                return try await Program.run(arguments, environment: ["GOLDSMITH_STORE_URL": url])
            }
            for command in ["image list", "quota show", "database status"].map({
                $0.split(separator: " ").map(String.init)
            }) {
                let listed = try await run("reader", command[0], command[1])
                #expect(listed.code == 0, "\(command): \(listed.complaint)")
            }
            let refused = try await run("reader", "quota", "set", "--images", "7")
            #expect(refused.code == 5 && !refused.complaint.contains("hunter2"), "\(refused.complaint)")
            #expect(try await run("changer", "quota", "set", "--images", "7").code == 0)
            // A worker of a current database asks for no more than its schema's version.
            #expect(try await run("changer", "database", "migrate").code == 0)
            try await owner.write { (connection) throws(SQLError) in
                // The second migration changes tables; a later one may do with the right to change rows.
                try connection.execute("UPDATE schema_version SET version = 1")
            }
            let behind = try await run("changer", "database", "migrate")
            #expect(behind.code == 5 && behind.complaint.contains("grant storeUrl's user"), "\(behind.complaint)")
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
        // The log is written into the file by the last connection that closes, and by none when a program ends at once.
        let url = URL(fileURLWithPath: path)
        let isInFile = try await eventually {
            _ = try SQLiteDatabase(path: path)
            return try Data(contentsOf: url).count > 8192
        }
        try #require(isInFile)
        var bytes = try Data(contentsOf: url)
        bytes.replaceSubrange(4096..., with: Data(repeating: 0xA5, count: bytes.count - 4096))
        try bytes.write(to: url)
        for command in [["database", "status"], ["database", "migrate"], ["image", "list"], ["doctor"]] {
            let refused = try await Program.run(command, environment: environment)
            #expect(refused.code == 1, "\(command)")
            let words = refused.output + refused.complaint
            #expect(words.contains("damaged") && words.contains("back-up"), "\(command): \(words)")
            #expect(!words.contains("empty"), "\(command): \(words)")
        }
    }
}
