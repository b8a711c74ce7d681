import GRDB

extension SQLError {
    init(_ error: any Error, _ context: String) {
        if let known = error as? SQLError {
            self = known
            return
        }
        guard let failure = error as? DatabaseError else {
            self = SQLError(.unknown, "\(context): \(error)")
            return
        }
        // The message, never `description`: that one repeats the statement with its values.
        self.init(sqlite: failure.resultCode, "\(context): \(failure.message ?? "error")")
    }

    /// SQLite's result codes, one by one: only two of them say that the file is damaged.
    init(sqlite code: ResultCode, _ text: String) {
        let (kind, advice) = Self.meaning(of: code)
        self.init(kind, "\(text) (\(code.rawValue))", advice: advice)
    }

    private static func meaning(of code: ResultCode) -> (Kind, String?) {
        switch code {
        case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL:
            (.unavailable, "which program holds a transaction open (`lsof` on the file)?")
        case .SQLITE_FULL: (.unavailable, "make room on the disk that the database is on")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_CANTOPEN:
            (.unavailable, "is the folder there, and may this user write in it?")
        case .SQLITE_IOERR: (.unavailable, "look at the disk that the database is on")
        case .SQLITE_NOMEM: (.unavailable, "the machine has no memory left")
        case .SQLITE_NOLFS: (.unavailable, "the file system takes no file of this size")
        case .SQLITE_ABORT, .SQLITE_INTERRUPT, .SQLITE_SCHEMA: (.unavailable, nil)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            (.damaged, "stop all workers, keep a copy, and look at the disk before a back-up is brought back")
        case .SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_TOOBIG, .SQLITE_RANGE, .SQLITE_MISUSE:
            (.refused, "this is a fault of the program or of tables that were changed by hand: report it")
        default: (.unknown, "look the code up in SQLite's manual")
        }
    }
}
