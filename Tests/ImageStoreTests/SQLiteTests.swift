import GoldsmithTestSupport
import ImageCore
import ImageStore
import SQLAccess
import Testing

@Suite("SQLite keeps the store's rules", .timeLimit(.minutes(30)))
struct SQLiteTests {
    @Test("every rule of the store port", arguments: StoreConformance.checks)
    func rule(_ check: StoreCheck) async throws {
        let folder = try ScratchFolder()
        let path = folder.file("state.sqlite")
        try await check.run(StoreFixture { try SQLiteDatabase(path: path) })
        withExtendedLifetime(folder) {}
    }

    @Test("commits are durable: WAL, and synchronous=FULL after every kind of transaction")
    func durable() async throws {
        let folder = try ScratchFolder()
        let database = try SQLiteDatabase(path: folder.file("state.sqlite"))
        _ = try await SQLImageStore(on: database)
        let read = try await database.read { (connection) throws(SQLError) in
            try connection.query("PRAGMA synchronous") + connection.query("PRAGMA journal_mode")
        }
        let write = try await database.write { (connection) throws(SQLError) in
            try connection.query("PRAGMA synchronous")
        }
        #expect(read == [SQLRow(["synchronous": 2]), SQLRow(["journal_mode": "wal"])])
        #expect(write == [SQLRow(["synchronous": 2])])
    }

    @Test("a path that cannot be opened is an error, not a trap")
    func unopenable() {
        #expect(throws: SQLError.self) { try SQLiteDatabase(path: "/nowhere/at/all/state.sqlite") }
    }

    @Test("a file that is no database is named as damaged")
    func noDatabase() async throws {
        let folder = try ScratchFolder()
        let path = folder.file("state.sqlite")
        try #require(folder.write("no database, but long enough to be looked at as one\n", to: "state.sqlite"))
        let error = #expect(throws: SQLError.self) { try SQLiteDatabase(path: path) }
        #expect(error?.kind == .damaged)
    }

    @Test("a statement with other parameters than values is refused", arguments: [0, 1, 3])
    func wrongCount(_ count: Int) async throws {
        let folder = try ScratchFolder()
        let database = try SQLiteDatabase(path: folder.file("state.sqlite"))
        let error = await #expect(throws: SQLError.self) {
            try await database.read { (connection) throws(SQLError) in
                try connection.query("SELECT $1 AS a, $2 AS b", Array(repeating: .null, count: count))
            }
        }
        #expect(error?.kind == .refused)
    }

    @Test("an error never repeats the values of its statement")
    func discreet() async throws {
        let folder = try ScratchFolder()
        let database = try SQLiteDatabase(path: folder.file("state.sqlite"))
        let error = await #expect(throws: SQLError.self) {
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE probe (a TEXT PRIMARY KEY)")
                try connection.execute("INSERT INTO probe (a) VALUES ($1)", ["hunter2"])
                try connection.execute("INSERT INTO probe (a) VALUES ($1)", ["hunter2"])
            }
        }
        #expect(error?.message.contains("hunter2") == false)
        #expect(error?.kind == .refused)
    }
}
