import GoldsmithTestSupport
import SQLAccess
import Testing

@Suite("Transactions that share a commit", .timeLimit(.minutes(30)))
struct GroupCommitTests {
    @Test("those that throw leave nothing, and take nothing of the others with them")
    func apart() async throws {
        let (folder, database) = try await numbers()
        let isWritten = await insert(0..<400, into: database) { number, connection throws(SQLError) in
            try connection.execute("INSERT INTO numbers (number) VALUES ($1)", [SQLValue(number)])
            if number % 3 == 0 { throw SQLError(.unreadable, "\(number) is refused") }
        }
        #expect(isWritten == Set((0..<400).filter { $0 % 3 != 0 }))
        #expect(try await stored(in: database) == isWritten)
        withExtendedLifetime(folder) {}
    }

    @Test("one that throws alone leaves nothing")
    func alone() async throws {
        let (folder, database) = try await numbers()
        let isWritten = await insert(0..<1, into: database) { number, connection throws(SQLError) in
            try connection.execute("INSERT INTO numbers (number) VALUES ($1)", [SQLValue(number)])
            throw SQLError(.unreadable, "\(number) is refused")
        }
        #expect(isWritten.isEmpty)
        #expect(try await stored(in: database).isEmpty)
        withExtendedLifetime(folder) {}
    }

    @Test("what is said to be written is there, and nothing else, when the database is full")
    func full() async throws {
        let (folder, database) = try await numbers()
        try await database.write { (connection) throws(SQLError) in
            _ = try connection.query("PRAGMA max_page_count = 60")
        }
        let filler = String(repeating: "x", count: 2000)
        let isWritten = await insert(0..<400, into: database) { number, connection throws(SQLError) in
            try connection.execute(
                "INSERT INTO numbers (number, filler) VALUES ($1, $2)",
                [SQLValue(number), .text(filler)]
            )
        }
        #expect(!isWritten.isEmpty && isWritten.count < 400)
        #expect(try await stored(in: database) == isWritten)
        withExtendedLifetime(folder) {}
    }

    @Test("a transaction sees what was committed before it, also within its group")
    func ordered() async throws {
        let (folder, database) = try await numbers()
        _ = try await database.write { (connection) throws(SQLError) in
            try connection.execute("INSERT INTO numbers (number) VALUES (0)")
        }
        await withDiscardingTaskGroup { group in
            for _ in 0..<200 {
                group.addTask {
                    try? await database.write { (connection) throws(SQLError) in
                        let last = try connection.query("SELECT max(number) AS last FROM numbers")[0].integer("last")
                        try connection.execute("INSERT INTO numbers (number) VALUES ($1)", [.integer(last + 1)])
                    }
                }
            }
        }
        #expect(try await stored(in: database) == Set(0...200))
        withExtendedLifetime(folder) {}
    }

    private func numbers() async throws -> (ScratchFolder, SQLiteDatabase) {
        let folder = try ScratchFolder()
        let database = try SQLiteDatabase(path: folder.file("numbers.sqlite"))
        _ = try await database.write { (connection) throws(SQLError) in
            try connection.execute("CREATE TABLE numbers (number BIGINT PRIMARY KEY, filler TEXT)")
        }
        return (folder, database)
    }

    /// Runs one transaction a number, all at once.
    /// - Returns: the numbers whose transactions reported a commit.
    private func insert(
        _ numbers: Range<Int>,
        into database: SQLiteDatabase,
        _ body: @escaping @Sendable (Int, any SQLConnection) throws(SQLError) -> Void
    ) async -> Set<Int> {
        await withTaskGroup(of: Int?.self) { group in
            for number in numbers {
                group.addTask {
                    let isWritten: ()? = try? await database.write { (connection) throws(SQLError) in
                        try body(number, connection)
                    }
                    return isWritten == nil ? nil : number
                }
            }
            return await group.reduce(into: []) { written, number in
                if let number { written.insert(number) }
            }
        }
    }

    private func stored(in database: SQLiteDatabase) async throws -> Set<Int> {
        let rows = try await database.read { (connection) throws(SQLError) in
            try connection.query("SELECT number FROM numbers")
        }
        return Set(try rows.map { Int(try $0.integer("number")) })
    }
}
