import GRDB
import GRDBSQLite
import Synchronization

/// What the body of a transaction sees.
///
/// GRDB opens the file, begins and ends transactions and keeps the prepared statements. The statements themselves are run
/// by SQLite's own functions: GRDB looks at a statement's text each time, and puts each value and row into boxes.
struct SQLiteConnection: SQLConnection {
    let database: Database

    func execute(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) { _ = try rowsChanged(by: sql, arguments) }

    /// There is one writer at a time, and it sees the newest state.
    func queryForUpdate(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
        try query(sql, arguments)
    }

    func hasTable(_ name: String) throws(SQLError) -> Bool {
        try !query("SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1", [.text(name)]).isEmpty
    }

    func lockSchema() {}

    // To the millisecond; older versions of SQLite know nothing finer.
    var nowExpression: String { "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000" }

    func rowsChanged(by sql: String, _ arguments: [SQLValue]) throws(SQLError) -> Int {
        try run(sql, arguments) { _ in }
        return database.changesCount
    }

    func query(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow] {
        var names: [String] = []
        var rows: [SQLRow] = []
        try run(sql, arguments) { statement in
            let columns = 0..<sqlite3_column_count(statement)
            if rows.isEmpty { names = columns.map { String(cString: sqlite3_column_name(statement, $0)) } }
            rows.append(SQLRow(names: names, values: columns.map { Self.value(statement, $0) }))
        }
        return rows
    }

    private func run(
        _ sql: String,
        _ arguments: [SQLValue],
        _ row: (SQLiteStatement) -> Void
    ) throws(SQLError) {
        do {
            let statement = try database.cachedStatement(sql: SQLiteText.of(sql)).sqliteStatement
            guard sqlite3_bind_parameter_count(statement) == arguments.count else {
                throw SQLError(.refused, "SQLite: a statement has other parameters than values")
            }
            defer {
                sqlite3_reset(statement)
                sqlite3_clear_bindings(statement)
            }
            for (index, value) in arguments.enumerated() {
                try check(Self.bind(value, to: statement, at: CInt(index + 1)))
            }
            while true {
                let code = sqlite3_step(statement)
                if code == SQLITE_DONE { return }
                guard code == SQLITE_ROW else { return try check(code) }
                row(statement)
            }
        } catch {
            throw SQLError(error, "SQLite")
        }
    }

    private func check(_ code: CInt) throws {
        guard code != SQLITE_OK else { return }
        let message = database.sqliteConnection.map { String(cString: sqlite3_errmsg($0)) }
        throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message)
    }

    private static func bind(_ value: SQLValue, to statement: SQLiteStatement, at index: CInt) -> CInt {
        switch value {
        case .null: return sqlite3_bind_null(statement, index)
        case .integer(let number): return sqlite3_bind_int64(statement, index, number)
        case .text(var text):
            return text.withUTF8 { utf8 in
                utf8.withMemoryRebound(to: CChar.self) { characters in
                    sqlite3_bind_text(
                        statement,
                        index,
                        characters.baseAddress,
                        CInt(clamping: characters.count),
                        copied
                    )
                }
            }
        }
    }

    /// SQLITE_TRANSIENT, a macro that Swift does not see: the text is copied, since it may be gone after the call.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    private static func value(_ statement: SQLiteStatement, _ column: CInt) -> SQLValue {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_NULL: return .null
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: return .text(String(sqlite3_column_double(statement, column)))
        default:
            let bytes = sqlite3_column_blob(statement, column)
            let count = Int(sqlite3_column_bytes(statement, column))
            return .text(String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self))
        }
    }
}

/// Statements as SQLite takes them.
///
/// To SQLite `$2` is a *name*, numbered by where it first stands in the text; only `?2` is the second argument. Without
/// this, a statement that mentions `$2` before `$1` would bind the wrong values and say nothing.
private enum SQLiteText {
    private static let known = Mutex<[String: String]>([:])

    static func of(_ sql: String) -> String {
        known.withLock { known in
            if let text = known[sql] { return text }
            let text = String(
                decoding: sql.utf8.map { $0 == UInt8(ascii: "$") ? UInt8(ascii: "?") : $0 },
                as: UTF8.self
            )
            known[sql] = text
            return text
        }
    }
}
