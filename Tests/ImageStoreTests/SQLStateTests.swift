import GRDB
import Testing

@testable import SQLAccess

@Suite("What a database's error codes mean")
struct SQLStateTests {
    private func failure(_ code: String) -> PostgreSQLFailure { PostgreSQLFailure(code: code, "it failed") }

    @Test("only what the server calls corrupted is damage", arguments: ["XX001", "XX002"])
    func damaged(_ code: String) {
        #expect(failure(code).error.kind == .damaged)
    }

    @Test(
        "what passes, or what an operator of the server can change, is waited for",
        arguments: [
            "08000", "08001", "08003", "08004", "08006", "08P01", "0A000", "25001", "25006", "25P01", "25P02", "25P03",
            "26000", "28000", "28P01", "3D000", "3F000", "40001", "40P01", "42501", "42703", "42P01", "42P05", "53000",
            "53100", "53200", "53300", "53400", "55P03", "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000",
            "58030", "58P01",
        ]
    )
    func waits(_ code: String) {
        #expect(failure(code).error.kind == .unavailable)
    }

    @Test(
        "what the program should not have said is refused, and damages nothing",
        arguments: ["21000", "22001", "22021", "22P02", "22P05", "23502", "23505", "23514", "42601", "42804", "42883"]
    )
    func refused(_ code: String) {
        #expect(failure(code).error.kind == .refused)
        #expect(!failure(code).endsConnection)
    }

    @Test(
        "what is not in the table is unknown, whatever it begins with, and shows its code",
        arguments: ["XX000", "XX003", "42ZZZ", "23ZZZ", "22ZZZ", "08ZZZ", "57PZZ", "P0001", "HV000", ""]
    )
    func unknown(_ code: String) {
        let error = failure(code).error
        #expect(error.kind == .unknown)
        #expect(error.message.contains("(\(code))"))
        #expect(!failure(code).isRace && !failure(code).endsConnection)
    }

    @Test("a pooler is named, with what to do", arguments: ["26000", "42P05", "08P01", "25P01"])
    func pooler(_ code: String) {
        #expect(failure(code).error.advice?.contains("pool_mode") == true)
        #expect(failure(code).endsConnection && failure(code).showsPooler)
    }

    @Test("an operator is told what to do", arguments: ["53100", "53300", "25006", "42501", "42P01", "28P01", "57014"])
    func advice(_ code: String) {
        #expect(failure(code).error.advice != nil)
    }

    @Test("lost races are begun anew on the same connection", arguments: ["40001", "40P01", "23505"])
    func races(_ code: String) {
        #expect(failure(code).isRace && !failure(code).endsConnection)
    }

    @Test("no value of a data exception is repeated")
    func discreet() {
        #expect(!PostgreSQLFailure(code: "22P02", "invalid input: \"hunter2\"").message.contains("hunter2"))
        #expect(!PostgreSQLFailure(code: "22ZZZ", "invalid input: \"hunter2\"").message.contains("hunter2"))
    }

    @Test("SQLite's codes are told apart too")
    func sqlite() {
        func kind(_ code: ResultCode) -> SQLError.Kind { SQLError(sqlite: code, "SQLite").kind }
        for code: ResultCode in [.SQLITE_CORRUPT, .SQLITE_NOTADB] { #expect(kind(code) == .damaged) }
        for code: ResultCode in [
            .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL, .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_CANTOPEN,
            .SQLITE_NOMEM,
        ] {
            #expect(kind(code) == .unavailable)
        }
        for code: ResultCode in [.SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_TOOBIG] {
            #expect(kind(code) == .refused)
        }
        #expect(kind(ResultCode(rawValue: 99)) == .unknown)
    }

    @Test("settings in a URL's options are read as the server reads them")
    func options() throws {
        func read(_ text: String) -> [String]? { PostgreSQLEndpoint.settings(in: text)?.map { "\($0)=\($1)" } }
        #expect(read("") == [])
        #expect(read("  -c a=1   -cb=2 --c-d=3 ") == ["a=1", "b=2", "c_d=3"])
        #expect(read(#"-c search_path=a\ b\\c"#) == [#"search_path=a b\c"#])
        #expect(read("-c a=b=c --e=") == ["a=b=c", "e="])
        for text in ["-c", "-c a", "-c =1", "-e", "words", "-B 5", "--"] { #expect(read(text) == nil) }
    }
}
