import CPostgres
import Glibc

/// One connection in libpq's pipeline mode: statements are sent without waiting, and answers are taken only when
/// one is needed. So `BEGIN` travels with the first query, and everything written with `COMMIT`.
///
/// Blocks the calling thread, but never for longer than the options allow. Not for two threads at once.
final class PostgreSQLLink {
    /// What the server still has to answer, in the order it was asked.
    private enum Due {
        /// The statement with this text is prepared.
        case preparation(String)
        case outcome
        case synchronization
    }

    /// The answer to a statement.
    struct Outcome {
        var rows: [SQLRow] = []
        var changed = 0
        /// The server's word for what it did, such as "COMMIT".
        var tag = ""
    }

    private let connection: OpaquePointer
    private let options: PostgreSQLOptions
    /// The names of prepared statements, by their text.
    private var statements: [String: String] = [:]
    private var namesGiven = 0
    private var due: [Due] = []
    /// The first failure since `failure` was last cleared; later ones only follow from it.
    private(set) var failure: PostgreSQLFailure?
    /// Whether a statement may take ten minutes, as a change of the schema may.
    var isPatient = false
    /// Between a `BEGIN` that was sent and the end that was.
    var isInTransaction = false
    /// Whether each transaction may run on another connection of the server: nothing is prepared beyond one, and each
    /// is given its settings. See ``PostgreSQLPooler``.
    private(set) var isPooled = false
    /// What a transaction behind a pooler is given when it begins.
    let transactionSettings: [(name: String, value: String)]

    init(_ endpoint: PostgreSQLEndpoint, behind pooler: PostgreSQLPooler) throws(SQLError) {
        options = endpoint.options
        let settings = endpoint.transactionSettings
        transactionSettings = settings ?? []
        let keywords = endpoint.keywords(withOptions: pooler.takesOptions)
        let names = keywords.map { strdup($0.0) }
        let values = keywords.map { strdup($0.1) }
        defer { for text in names + values { free(text) } }
        let connected = (names + [nil]).map { UnsafePointer($0) }.withUnsafeBufferPointer { names in
            (values + [nil]).map { UnsafePointer($0) }.withUnsafeBufferPointer { values in
                PQconnectdbParams(names.baseAddress, values.baseAddress, 0)
            }
        }
        guard let connected else { throw SQLError(.unavailable, "PostgreSQL: there is no memory for a connection") }
        connection = connected
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        guard PQstatus(connection) == CONNECTION_OK, PQsetnonblocking(connection, 1) == 0,
            PQenterPipelineMode(connection) == 1
        else {
            let complaint = Self.complaint(of: connection)
            pooler.noteRefusal(complaint)
            throw SQLError(.unavailable, "PostgreSQL: \(complaint)")
        }
        guard let encoding = PQparameterStatus(connection, "server_encoding"), String(cString: encoding) == "UTF8"
        else {
            throw SQLError(
                .unavailable,
                "PostgreSQL: the database's encoding is not UTF8; make it with ENCODING 'UTF8' TEMPLATE template0"
            )
        }
        // A pooler gives its clients process numbers of its own making.
        isPooled = true
        try send("SELECT pg_backend_pid() AS number")
        try synchronize()
        let number = try takeAll().last?.rows.first?.integer("number")
        if number.map({ $0 != Int64(PQbackendPID(connection)) }) ?? true { pooler.isThere = true }
        isPooled = pooler.isThere
        guard !isPooled || settings != nil else {
            throw SQLError(
                .unavailable,
                "PostgreSQL: behind a pooler, the options of storeUrl can only be settings (-c name=value)",
                advice: "leave the others out, or name the server itself in storeUrl"
            )
        }
    }

    deinit { PQfinish(connection) }

    // MARK: Asking

    /// Forgets the last transaction's failure, and takes what is still to be answered of it.
    /// - Throws: also when the server has hung up meanwhile. Seen here, nothing of the next transaction can have
    ///   happened.
    func renew() throws(SQLError) {
        isPatient = false
        failure = nil
        try takeAll()
        let hungUp = Int16(0x2000)  // POLLRDHUP, hidden by glibc's feature macros.
        var state = pollfd(fd: PQsocket(connection), events: hungUp, revents: 0)
        if poll(&state, 1, 0) != 0 { throw note(.init(.lost, "the server has closed the connection")).error }
    }

    private var timeout: Duration { isPatient ? .seconds(600) : options.answerTimeout }

    /// Sends without waiting. A failure shows in a later answer.
    func send(_ sql: String, _ arguments: [SQLValue] = []) throws(SQLError) {
        let texts = try arguments.map { (value) throws(SQLError) in try text(of: value) }
        let name = try isPooled ? nil : prepare(sql)
        let copies = texts.map { $0.flatMap { strdup($0) } }
        defer { for copy in copies { free(copy) } }
        let values = copies.map { UnsafePointer($0) }
        try check(
            values.withUnsafeBufferPointer { values in
                let count = CInt(values.count)
                guard let name else {
                    return PQsendQueryParams(connection, sql, count, nil, values.baseAddress, nil, nil, 0)
                }
                return PQsendQueryPrepared(connection, name, count, values.baseAddress, nil, nil, 0)
            }
        )
        due.append(.outcome)
    }

    /// - Returns: the name under which a statement is prepared.
    private func prepare(_ sql: String) throws(SQLError) -> String {
        if let known = statements[sql] { return known }
        namesGiven += 1
        let name = "s\(namesGiven)"
        try check(PQsendPrepare(connection, name, sql, 0, nil))
        statements[sql] = name
        due.append(.preparation(sql))
        return name
    }

    /// Sends, and waits for the answer.
    func ask(_ sql: String, _ arguments: [SQLValue] = []) throws(SQLError) -> Outcome {
        try send(sql, arguments)
        return try takeAnswers().last ?? Outcome()
    }

    /// Waits for what was sent.
    /// - Returns: the answers to all statements since the last that were taken.
    func takeAnswers() throws(SQLError) -> [Outcome] {
        try check(PQsendFlushRequest(connection))
        return try takeAll()
    }

    /// Ends what is sent together: after a failure the server skips everything up to here.
    func synchronize() throws(SQLError) {
        try check(PQpipelineSync(connection))
        due.append(.synchronization)
    }

    /// Hands to the kernel what it takes; the rest follows with the next answer.
    func flush() throws(SQLError) { try check(PQflush(connection) >= 0 ? 1 : 0) }

    /// - Returns: the answers to all statements.
    /// - Throws: the first failure.
    @discardableResult
    func takeAll() throws(SQLError) -> [Outcome] {
        var outcomes: [Outcome] = []
        for item in due {
            switch item {
            case .synchronization: PQclear(try nextResult())
            case .preparation(let sql): if try takeOutcome() == nil { statements[sql] = nil }
            case .outcome: outcomes.append(try takeOutcome() ?? Outcome())
            }
        }
        due = []
        if let failure { throw failure.error }
        return outcomes
    }

    // MARK: Answers

    /// Nil when the statement failed, or was skipped after one that did.
    private func takeOutcome() throws(SQLError) -> Outcome? {
        var outcome: Outcome?
        while let result = try nextResult() {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK: outcome = Self.outcome(result)
            case PGRES_PIPELINE_ABORTED: break
            default: note(PostgreSQLFailure(result))
            }
        }
        return outcome
    }

    private func nextResult() throws(SQLError) -> OpaquePointer? {
        let clock = ContinuousClock()
        var deadline = clock.now + timeout
        while true {
            let unsent = PQflush(connection)
            guard unsent >= 0 else { throw lose() }
            guard PQisBusy(connection) == 1 else { break }
            var state = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
            if unsent == 1 { state.events |= Int16(POLLOUT) }
            let left = (deadline - clock.now).wholeMilliseconds
            guard left > 0 else {
                throw note(.init(.silent, "no answer within \(timeout.wholeMilliseconds) ms")).error
            }
            let ready = poll(&state, 1, CInt(clamping: left + 1))
            guard ready > 0 else { continue }
            if state.revents & ~Int16(POLLOUT) != 0 {
                guard PQconsumeInput(connection) == 1 else { throw lose() }
                deadline = clock.now + timeout
            }
        }
        let result = PQgetResult(connection)
        if PQstatus(connection) != CONNECTION_OK {
            // The server's last word, such as "terminating connection due to administrator command", says more.
            if let result, PQresultStatus(result) == PGRES_FATAL_ERROR { note(PostgreSQLFailure(result)) }
            PQclear(result)
            throw lose()
        }
        return result
    }

    private static func outcome(_ result: OpaquePointer) -> Outcome {
        let columns = 0..<PQnfields(result)
        let names = columns.map { String(cString: PQfname(result, $0)) }
        let areIntegers = columns.map { [20, 21, 23].contains(PQftype(result, $0)) }
        var outcome = Outcome()
        outcome.tag = String(cString: PQcmdStatus(result))
        outcome.changed = Int(String(cString: PQcmdTuples(result))) ?? 0
        for row in 0..<PQntuples(result) {
            let values = columns.map { column -> SQLValue in
                guard PQgetisnull(result, row, column) == 0 else { return .null }
                let text = String(cString: PQgetvalue(result, row, column))
                guard areIntegers[Int(column)], let number = Int64(text) else { return .text(text) }
                return .integer(number)
            }
            outcome.rows.append(SQLRow(names: names, values: values))
        }
        return outcome
    }

    // MARK: Failures

    /// Whether nothing is left of what was asked.
    var isClean: Bool { due.isEmpty && PQtransactionStatus(connection) == PQTRANS_IDLE }

    @discardableResult
    private func note(_ failure: PostgreSQLFailure) -> PostgreSQLFailure {
        if self.failure == nil { self.failure = failure }
        return self.failure ?? failure
    }

    private func lose() -> SQLError { note(.init(.lost, Self.complaint(of: connection))).error }

    private func check(_ result: CInt) throws(SQLError) { if result != 1 { throw lose() } }

    /// A C string ends at its first zero byte: what came behind would be lost without a word.
    private func text(of value: SQLValue) throws(SQLError) -> String? {
        switch value {
        case .null: return nil
        case .integer(let number): return String(number)
        case .text(let text):
            guard !text.utf8.contains(0) else {
                throw note(.init(.unusable, "a text contains a zero byte, which no column takes")).error
            }
            return text
        }
    }

    /// libpq's last message in one line. It names hosts and users, never a password.
    private static func complaint(of connection: OpaquePointer) -> String {
        let lines = String(cString: PQerrorMessage(connection)).split(separator: "\n")
        let text = lines.map { $0.drop { $0 == " " || $0 == "\t" } }.joined(separator: "; ")
        return text.isEmpty ? "the connection is lost" : text
    }
}
