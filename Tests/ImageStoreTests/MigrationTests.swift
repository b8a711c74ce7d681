import GoldsmithTestSupport
import ImageCore
import PrivateServers
import SQLAccess
import Testing

@testable import ImageStore

@Suite("A database of an earlier schema keeps what is in it", .timeLimit(.minutes(3)))
struct MigrationTests {
    /// The last schema whose dead letters were called letters.
    private static let letters = 7

    @Test("dead letters and their history are there after the tables are renamed: SQLite")
    func sqlite() async throws {
        let folder = try ScratchFolder()
        try await renames(try SQLiteDatabase(path: folder.file("state.sqlite")))
        withExtendedLifetime(folder) {}
    }

    @Test("dead letters and their history are there after the tables are renamed: PostgreSQL")
    func postgreSQL() async throws {
        try await TestPostgreSQL.with { server in
            try await renames(try PostgreSQLDatabase(url: try await TestPostgreSQL.emptyDatabase(on: server)))
        }
    }

    @Test("the keys of stored images are renamed, and no text in them: SQLite")
    func keysOnSQLite() async throws {
        let folder = try ScratchFolder()
        try await renamesKeys(try SQLiteDatabase(path: folder.file("state.sqlite")))
        withExtendedLifetime(folder) {}
    }

    @Test("the keys of stored images are renamed, and no text in them: PostgreSQL")
    func keysOnPostgreSQL() async throws {
        try await TestPostgreSQL.with { server in
            try await renamesKeys(try PostgreSQLDatabase(url: try await TestPostgreSQL.emptyDatabase(on: server)))
        }
    }

    private func renamesKeys(_ database: some SQLDatabase) async throws {
        try await SQLMigrations(Array(Schema.migrationLists.prefix(Self.letters))).apply(to: database)
        let text = #""details":"my \"storedTies\": \"mending\":""#
        let old = #"{"adviceMends":true,\#(text),"handOvers":1,"mending":{},"storedTies":{"launches":[]}}"#
        try await database.write { (connection) throws(SQLError) in
            try connection.execute(
                "INSERT INTO images (id, owner, status, created_at, state) VALUES ('img-1', 'a', 'Error', 1, $1)",
                [.text(old)]
            )
        }
        _ = try await SQLImageStore(on: database)
        let rows = try await database.read { (connection) throws(SQLError) in
            try connection.query("SELECT state FROM images")
        }
        let new =
            #"{"isFixedByAdvice":true,\#(text),"publications":1,"guestFix":{},"#
            + #""storedReferences":{"launches":[]}}"#
        #expect(rows == [SQLRow(["state": .text(new)])])
    }

    private func renames(_ database: some SQLDatabase) async throws {
        try await SQLMigrations(Array(Schema.migrationLists.prefix(Self.letters))).apply(to: database)
        let message = KeptMessage(
            routingKey: "image.create",
            contentType: nil,
            messageID: nil,
            correlationID: nil,
            replyTo: nil,
            body: Array("{}".utf8)
        )
        let id = DeadLetterID(known: "msg-1")
        let old = DeadLetter(id, .parked, of: message, reason: "INVALID_ARGUMENT: no", at: Timestamp(microseconds: 5))
        let arrived = DeadLetterEvent(at: Timestamp(microseconds: 5), who: "goldsmith", action: .arrived, note: "no")
        try await database.write { (connection) throws(SQLError) in
            try connection.execute(
                """
                INSERT INTO letters (id, kind, state, cause, step, owner, last_at, letter, message)
                VALUES ('msg-1', 'parked', 'open', 'INVALID_ARGUMENT', '', '', 5, $1, $2)
                """,
                [.text(CanonicalJSON.text(old)), .text(CanonicalJSON.text(message))]
            )
            try connection.execute(
                "INSERT INTO letter_marks (letter_id, number, mark) VALUES ('msg-1', 1, $1)",
                [.text(CanonicalJSON.text(arrived))]
            )
        }

        let store = try await SQLImageStore(on: database)
        let file = try #require(try await store.deadLetter(id))
        #expect(file == DeadLetterFile(deadLetter: old, message: message, events: [arrived]))
        #expect(try await store.deadLetters(DeadLetterQuery(kinds: [.parked])) == [old])
        let replayed = try await store.replay(
            id,
            by: "alice@ops1",
            isForced: false,
            sentBy: .caller,
            at: Timestamp(microseconds: 9)
        )
        guard case .done = replayed else {
            return #expect(Bool(false), "it is not replayed")
        }
        #expect(try await store.deadLetter(id)?.events.map(\.action) == [.arrived, .replayed])
    }
}
