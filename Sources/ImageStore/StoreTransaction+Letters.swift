import ImageCore
import SQLAccess

extension StoreTransaction {
    // MARK: Letters

    /// A letter that comes for the first time is new; one that is known is open again.
    func arrive(_ letter: Letter, _ message: KeptMessage?, at now: Timestamp) throws(SQLError) {
        if var known = try letterToChange(letter.id) {
            known.comesAgain(as: letter)
            try update(known, request: nil)
            return try mark(known, by: Self.ourselves, .arrived, known.reason, at: now)
        }
        var letter = letter
        if letter.owner == nil, let image = letter.image { letter.owner = try self.image(image)?.owner }
        // One that somebody else writes meanwhile must fail here: then this transaction is repeated, and meets it.
        try connection.execute(
            """
            INSERT INTO letters (id, kind, state, cause, step, owner, last_at, letter, message)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            [
                .text(letter.id.text), .text(letter.kind.rawValue), .text(letter.state.rawValue), .text(letter.cause),
                .text(letter.step?.rawValue ?? ""), .text(letter.owner?.text ?? ""),
                .integer(letter.lastAt.microseconds), .text(CanonicalJSON.text(letter)),
                SQLValue(message.map { CanonicalJSON.text($0) }),
            ]
        )
        try mark(letter, by: Self.ourselves, .arrived, letter.reason, at: now)
    }

    func letterToChange(_ id: LetterID) throws(SQLError) -> Letter? {
        let rows = try connection.queryForUpdate("SELECT letter FROM letters WHERE id = $1", [.text(id.text)])
        guard let row = rows.first else { return nil }
        return try decode(Letter.self, try row.text("letter"), "letter \(id)")
    }

    /// - Parameter request: the request whose answer the letter waits for.
    func update(_ letter: Letter, request: RequestID?) throws(SQLError) {
        try connection.execute(
            """
            UPDATE letters SET state = $2, cause = $3, step = $4, last_at = $5, request_id = $6, letter = $7
            WHERE id = $1
            """,
            [
                .text(letter.id.text), .text(letter.state.rawValue), .text(letter.cause),
                .text(letter.step?.rawValue ?? ""), .integer(letter.lastAt.microseconds), SQLValue(request?.text),
                .text(CanonicalJSON.text(letter)),
            ]
        )
    }

    func forgetLetter(_ id: String) throws(SQLError) {
        try connection.execute("DELETE FROM letters WHERE id = $1", [.text(id)])
        try connection.execute("DELETE FROM letter_marks WHERE letter_id = $1", [.text(id)])
    }

    func message(of letter: LetterID) throws(SQLError) -> KeptMessage? {
        let rows = try connection.query("SELECT message FROM letters WHERE id = $1", [.text(letter.text)])
        guard let text = try rows.first?.optionalText("message") else { return nil }
        return try decode(KeptMessage.self, text, "message of letter \(letter)")
    }

    /// The letter whose replay asked for this is open again: nothing came of it.
    func replayWasRefused(
        _ identity: RequestIdentity,
        _ rejection: Rejection,
        at now: Timestamp
    ) throws(SQLError) {
        let rows = try connection.query(
            "SELECT id FROM letters WHERE owner = $1 AND request_id = $2",
            [.text(identity.owner.text), .text(identity.requestID.text)]
        )
        guard let row = rows.first, let id = LetterID(try row.text("id")), var letter = try letterToChange(id),
            letter.state == .replayed
        else { return }
        letter.state = .open
        try update(letter, request: nil)
        try mark(letter, by: Self.ourselves, .refused, "\(rejection.code.rawValue): \(rejection.message)", at: now)
    }

    // MARK: Marks

    private static let ourselves = "goldsmith"

    /// Comes after the letter's own row was written, which keeps two from taking the same number.
    func mark(
        _ letter: Letter,
        by who: String,
        _ action: LetterMark.Action,
        _ note: String?,
        at now: Timestamp
    ) throws(SQLError) {
        try connection.execute(
            """
            INSERT INTO letter_marks (letter_id, number, mark)
            SELECT $1, COALESCE(MAX(number), 0) + 1, $2 FROM letter_marks WHERE letter_id = $1
            """,
            [
                .text(letter.id.text),
                .text(CanonicalJSON.text(LetterMark(at: now, who: who, action: action, note: note))),
            ]
        )
    }

    func marks(of letter: LetterID) throws(SQLError) -> [LetterMark] {
        var marks: [LetterMark] = []
        let rows = try connection.query(
            "SELECT mark FROM letter_marks WHERE letter_id = $1 ORDER BY number",
            [.text(letter.text)]
        )
        for row in rows { marks.append(try decode(LetterMark.self, try row.text("mark"), "marks of \(letter)")) }
        return marks
    }

    // MARK: Looking

    /// A letter as it stands now: a dead one whose image has left Error is settled, whoever saw to that.
    private static let standing = """
        SELECT id, kind, cause, step, owner, last_at, letter,
            CASE WHEN kind = 'dead' AND state = 'open' AND NOT EXISTS (
                SELECT 1 FROM images WHERE images.id = letters.id AND images.status = 'Error')
            THEN 'settled' ELSE state END AS standing
        FROM letters
        """

    /// The condition of a query, and its arguments.
    private func condition(_ query: LetterQuery) -> (sql: String, arguments: [SQLValue]) {
        var arguments: [SQLValue] = []
        func list(_ values: [String]) -> String {
            let first = arguments.count + 1
            arguments += values.sorted().map { .text($0) }
            return values.indices.map { "$\(first + $0)" }.joined(separator: ", ")
        }
        func next(_ value: SQLValue) -> String {
            arguments.append(value)
            return "$\(arguments.count)"
        }
        var parts = ["kind IN (\(list(query.kinds.map(\.rawValue))))"]
        if !query.states.isEmpty { parts.append("standing IN (\(list(query.states.map(\.rawValue))))") }
        if !query.ids.isEmpty { parts.append("id IN (\(list(query.ids.map(\.text))))") }
        if let step = query.step { parts.append("step = \(next(.text(step.rawValue)))") }
        if let cause = query.cause { parts.append("cause = \(next(.text(cause)))") }
        if let owner = query.owner { parts.append("owner = \(next(.text(owner.text)))") }
        if let before = query.before { parts.append("last_at < \(next(.integer(before.microseconds)))") }
        if let after = query.after { parts.append("last_at >= \(next(.integer(after.microseconds)))") }
        return (parts.joined(separator: " AND "), arguments)
    }

    func letters(_ query: LetterQuery) throws(SQLError) -> [Letter] {
        guard !query.kinds.isEmpty else { return [] }
        let (condition, arguments) = condition(query)
        let rows = try connection.query(
            """
            SELECT letter, standing FROM (\(Self.standing)) AS standings WHERE \(condition)
            ORDER BY last_at, id LIMIT $\(arguments.count + 1)
            """,
            arguments + [SQLValue(max(0, query.limit))]
        )
        var letters: [Letter] = []
        for row in rows { letters.append(try letter(in: row)) }
        return letters
    }

    func letterGroups(_ query: LetterQuery) throws(SQLError) -> [LetterGroup] {
        guard !query.kinds.isEmpty else { return [] }
        let (condition, arguments) = condition(query)
        let rows = try connection.query(
            """
            SELECT kind, step, cause, COUNT(*) AS number, MIN(last_at) AS oldest, MAX(last_at) AS newest,
                MIN(id) AS example
            FROM (\(Self.standing)) AS standings WHERE \(condition)
            GROUP BY kind, step, cause ORDER BY COUNT(*) DESC, kind, step, cause
            """,
            arguments
        )
        var groups: [LetterGroup] = []
        for row in rows {
            guard let kind = Letter.Kind(rawValue: try row.text("kind")), let id = LetterID(try row.text("example")),
                let example = try letter(id)
            else { throw SQLError(.unreadable, "a letter is unreadable") }
            groups.append(
                LetterGroup(
                    kind: kind,
                    step: Step(rawValue: try row.text("step")),
                    cause: try row.text("cause"),
                    count: Int(try row.integer("number")),
                    oldestAt: Timestamp(microseconds: try row.integer("oldest")),
                    newestAt: Timestamp(microseconds: try row.integer("newest")),
                    example: example
                )
            )
        }
        return groups
    }

    func letter(_ id: LetterID) throws(SQLError) -> Letter? {
        let rows = try connection.query(
            "SELECT letter, standing FROM (\(Self.standing)) AS standings WHERE id = $1",
            [.text(id.text)]
        )
        guard let row = rows.first else { return nil }
        return try letter(in: row)
    }

    private func letter(in row: SQLRow) throws(SQLError) -> Letter {
        var letter = try decode(Letter.self, try row.text("letter"), "letter")
        guard let state = Letter.State(rawValue: try row.text("standing")) else {
            throw SQLError(.unreadable, "letter \(letter.id) has no known state")
        }
        letter.state = state
        return letter
    }
}
