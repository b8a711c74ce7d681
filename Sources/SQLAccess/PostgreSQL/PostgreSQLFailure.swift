import CPostgres

/// Why a transaction on PostgreSQL did not succeed, precisely enough to decide whether it may be tried again.
struct PostgreSQLFailure {
    enum Cause: Equatable {
        /// The server said so; five letters.
        case state(String)
        /// The connection ended. What was not committed is gone; of a commit on its way nobody knows.
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

    /// - Parameter result: an error. Only its main sentence is kept: its details repeat the values of the statement.
    init(_ result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            code.asciiValue.flatMap { PQresultErrorField(result, CInt($0)) }.map { String(cString: $0) }
        }
        guard let state = field("C") else {
            // libpq's own words: the server said nothing.
            let text = String(cString: PQresultErrorMessage(result)).split(separator: "\n").first
            self.init(.lost, text.map { String($0) } ?? "the connection is lost")
            return
        }
        // Even the main sentence of a "data exception" does.
        let text = state.hasPrefix("22") ? "a value is not what its column takes" : field("M") ?? "error"
        self.init(.state(state), "\(text) (\(state))")
    }

    /// The same transaction, begun anew, meets what stopped it already done: a deadlock's victim, a serialization
    /// failure, a row that somebody else has just inserted.
    var isRace: Bool {
        switch cause {
        case .state("40001"), .state("40P01"), .state("23505"): true
        default: false
        }
    }

    /// Whether the connection must not be used any more: it is gone, shut down by an operator, leads to a server that
    /// cannot write, or has prepared what does not fit the schema any more.
    var endsConnection: Bool {
        switch cause {
        case .lost, .silent: true
        case .unusable: false
        case .state(let state):
            state.hasPrefix("08") || state.hasPrefix("57P") || ["25006", "25P03", "0A000", "26000"].contains(state)
        }
    }

    /// Whether a new connection may simply do better.
    var deservesAnotherConnection: Bool { endsConnection && cause != .silent }

    var error: SQLError {
        let kind: SQLError.Kind =
            switch cause {
            case .lost, .silent: .unavailable
            case .unusable: .corrupt
            case .state(let state): Self.isLasting(state) ? .corrupt : .unavailable
            }
        return SQLError(kind, "PostgreSQL: \(message)")
    }

    /// What no waiting and no operator's help to the *server* cures: wrong statements and wrong data. Missing rights
    /// are given, and a missing database is made, without touching either.
    private static func isLasting(_ state: String) -> Bool {
        if state == "42501" || state == "0A000" || state == "26000" { return false }
        return ["21", "22", "23", "42", "XX"].contains { state.hasPrefix($0) }
    }
}
