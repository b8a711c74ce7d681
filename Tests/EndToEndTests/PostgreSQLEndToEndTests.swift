import GoldsmithTestSupport
import PrivateServers
import Testing

@Suite("The built program on PostgreSQL", .serialized, .timeLimit(.minutes(30)))
struct PostgreSQLEndToEndTests {
    struct Report: Decodable {
        struct Schema: Decodable {
            var version: Int
            var known: Int
            var state: String
        }

        var database: String
        var schema: Schema
    }

    @Test("two workers make an image of a whole machine")
    func image() async throws {
        try await TestPostgreSQL.with { server in
            let store = ["GOLDSMITH_STORE_URL": server.url]
            let before = try await Program.run(["database", "status"], environment: store)
            #expect(before.output.contains("empty"), "\(before.output) \(before.complaint)")
            try await Dev.with(workers: 2, environment: store) { dev in
                _ = try await dev.run("instance", "sample", "--id", "i-pg", "--data-disks", "1", "--mib", "16")
                let made = try await dev.run("image", "create", "--instance", "i-pg", "--name", "pg", "--wait")
                #expect(made.code == 0, "\(made.complaint)")
                let images = try await dev.json([ShownImage].self, "image", "list")
                #expect(images.map(\.status) == ["Available"])
                let report = try await dev.json(Report.self, "database", "status")
                #expect(report.database == "PostgreSQL")
                #expect(report.schema.state == "current" && report.schema.version == report.schema.known)
            }
            let wrong = ["GOLDSMITH_STORE_URL": server.url.replacing(server.password, with: "hunter2")]
            let refused = try await Program.run(["database", "migrate"], environment: wrong)
            #expect(refused.code == 5 && !refused.complaint.contains("hunter2"), "\(refused.complaint)")
        }
    }
}
