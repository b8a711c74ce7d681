import CPostgres

/// Why a transaction on PostgreSQL did not succeed, precisely enough to decide whether it may be tried again.
struct PostgreSQLFailure {
    enum Cause: Equatable {
        /// The server, or a pooler before it, said so.
        case state(SQLState)
        /// The connection ended. What was not committed is gone; whether a commit on its way happened is unknown.
        case lost
        /// No byte for too long.
        case silent
        /// Nothing was sent.
        case unusable
    }

    var cause: Cause
    var message: String

    init(_ cause: Cause, _ message: String) {
        self.cause = cause
        self.message = message
    }

    /// - Parameter text: the main sentence. The details repeat the values of the statement, and are not taken.
    init(code: String, _ text: String) {
        // Even the main sentence of a "data exception" repeats a value. A class is enough to keep quiet.
        let text = code.hasPrefix("22") ? "a value is not what its column takes" : text
        self.init(.state(SQLState(code: code)), "\(text) (\(code))")
    }

    /// - Parameter result: an error.
    init(_ result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            code.asciiValue.flatMap { PQresultErrorField(result, CInt($0)) }.map { String(cString: $0) }
        }
        guard let code = field("C") else {
            // libpq's own words: the server said nothing.
            let text = String(cString: PQresultErrorMessage(result)).split(separator: "\n").first
            self.init(.lost, text.map { String($0) } ?? "the connection is lost")
            return
        }
        self.init(code: code, field("M") ?? "error")
    }

    private var meaning: SQLState.Meaning {
        switch cause {
        case .state(let state): state.meaning
        case .lost, .silent: .init(kind: .unavailable, endsConnection: true)
        case .unusable: .init(kind: .refused)
        }
    }

    /// A repetition of the same transaction meets what stopped it already done: a deadlock's victim, a serialization
    /// failure, a row that another transaction has just inserted.
    var isRace: Bool { meaning.isRace }

    /// Whether the connection must not be used any more.
    var endsConnection: Bool { meaning.endsConnection }

    /// Whether a new connection may simply do better.
    var deservesAnotherConnection: Bool { endsConnection && cause != .silent }

    /// Whether a pooler shares connections among clients without their knowledge.
    var showsPooler: Bool { meaning.showsPooler }

    var error: SQLError { SQLError(meaning.kind, "PostgreSQL: \(message)", advice: meaning.advice) }
}
