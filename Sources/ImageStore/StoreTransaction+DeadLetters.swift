import ImageCore
import SQLAccess

extension StoreTransaction {
    // MARK: Dead letters

    /// A dead letter that comes for the first time is new; one that is known is open again.
    func arrive(_ deadLetter: DeadLetter, _ message: KeptMessage?, at now: Timestamp) throws(SQLError) {
        if var known = try deadLetterToChange(deadLetter.id) {
            known.comesAgain(as: deadLetter)
            try update(known, request: nil)
            return try record(known, by: Self.ourselves, .arrived, known.reason, at: now)
        }
        var deadLetter = deadLetter
        if deadLetter.owner == nil, let image = deadLetter.image { deadLetter.owner = try self.image(image)?.owner }
        // A row that another transaction inserts meanwhile must fail here: then this one is repeated, and meets it.
        try connection.execute(
            """
            INSERT INTO dead_letters (id, kind, state, cause, step, owner, last_at, dead_letter, message)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            [
                .text(deadLetter.id.text), .text(deadLetter.kind.rawValue), .text(deadLetter.state.rawValue),
                .text(deadLetter.cause),
                .text(deadLetter.step?.rawValue ?? ""), .text(deadLetter.owner?.text ?? ""),
                .integer(deadLetter.lastAt.microseconds), .text(CanonicalJSON.text(deadLetter)),
                SQLValue(message.map { CanonicalJSON.text($0) }),
            ]
        )
        try record(deadLetter, by: Self.ourselves, .arrived, deadLetter.reason, at: now)
    }

    func deadLetterToChange(_ id: DeadLetterID) throws(SQLError) -> DeadLetter? {
        let rows = try connection.queryForUpdate("SELECT dead_letter FROM dead_letters WHERE id = $1", [.text(id.text)])
        guard let row = rows.first else { return nil }
        return try decode(DeadLetter.self, try row.text("dead_letter"), "dead letter \(id)")
    }

    /// A dead letter that no other transaction changes meanwhile, in the state that follows from its image.
    func deadLetterToDecide(_ id: DeadLetterID) throws(SQLError) -> DeadLetter? {
        try deadLetterToChange(id) == nil ? nil : try deadLetter(id)
    }

    /// - Parameter request: the request whose answer the dead letter waits for.
    func update(_ deadLetter: DeadLetter, request: RequestID?) throws(SQLError) {
        try connection.execute(
            """
            UPDATE dead_letters SET state = $2, cause = $3, step = $4, last_at = $5, request_id = $6, dead_letter = $7
            WHERE id = $1
            """,
            [
                .text(deadLetter.id.text), .text(deadLetter.state.rawValue), .text(deadLetter.cause),
                .text(deadLetter.step?.rawValue ?? ""), .integer(deadLetter.lastAt.microseconds),
                SQLValue(request?.text),
                .text(CanonicalJSON.text(deadLetter)),
            ]
        )
    }

    func forgetDeadLetter(_ id: String) throws(SQLError) {
        try connection.execute("DELETE FROM dead_letters WHERE id = $1", [.text(id)])
        try connection.execute("DELETE FROM dead_letter_events WHERE dead_letter_id = $1", [.text(id)])
    }

    func message(of deadLetter: DeadLetterID) throws(SQLError) -> KeptMessage? {
        let rows = try connection.query("SELECT message FROM dead_letters WHERE id = $1", [.text(deadLetter.text)])
        guard let text = try rows.first?.optionalText("message") else { return nil }
        return try decode(KeptMessage.self, text, "message of dead letter \(deadLetter)")
    }

    /// The dead letter whose replay made this request is open again: it was refused.
    func replayWasRefused(
        _ identity: RequestIdentity,
        _ rejection: Rejection,
        at now: Timestamp
    ) throws(SQLError) {
        let rows = try connection.query(
            "SELECT id FROM dead_letters WHERE owner = $1 AND request_id = $2",
            [.text(identity.owner.text), .text(identity.requestID.text)]
        )
        guard let row = rows.first, let id = DeadLetterID(try row.text("id")),
            var deadLetter = try deadLetterToChange(id),
            deadLetter.state == .replayed
        else { return }
        deadLetter.state = .open
        try update(deadLetter, request: nil)
        try record(
            deadLetter,
            by: Self.ourselves,
            .refused,
            "\(rejection.code.rawValue): \(rejection.message)",
            at: now
        )
    }

    // MARK: Events

    private static let ourselves = "goldsmith"

    /// Comes after the dead letter's own row was written, which keeps two from taking the same number.
    func record(
        _ deadLetter: DeadLetter,
        by who: String,
        _ action: DeadLetterEvent.Action,
        _ note: String?,
        at now: Timestamp
    ) throws(SQLError) {
        try connection.execute(
            """
            INSERT INTO dead_letter_events (dead_letter_id, number, event)
            SELECT $1, COALESCE(MAX(number), 0) + 1, $2 FROM dead_letter_events WHERE dead_letter_id = $1
            """,
            [
                .text(deadLetter.id.text),
                .text(CanonicalJSON.text(DeadLetterEvent(at: now, who: who, action: action, note: note))),
            ]
        )
    }

    func events(of deadLetter: DeadLetterID) throws(SQLError) -> [DeadLetterEvent] {
        var events: [DeadLetterEvent] = []
        let rows = try connection.query(
            "SELECT event FROM dead_letter_events WHERE dead_letter_id = $1 ORDER BY number",
            [.text(deadLetter.text)]
        )
        for row in rows {
            events.append(try decode(DeadLetterEvent.self, try row.text("event"), "events of \(deadLetter)"))
        }
        return events
    }

    // MARK: Looking

    /// Every dead letter in its current state.
    static let currentStates = """
        SELECT id, kind, cause, step, owner, last_at, dead_letter, \(currentState) AS current_state FROM dead_letters
        """

    /// `DeadLetter.State.current` as SQL: a branch wherever it is not the stored state.
    private static let currentState: String = {
        let images: [ImageStatus?] = ImageStatus.allCases.map(Optional.some) + [nil]
        var branches: [String] = []
        for kind in DeadLetter.Kind.allCases {
            for state in DeadLetter.State.allCases {
                for current in DeadLetter.State.allCases where current != state {
                    let statuses = images.filter { state.current(kind, image: $0) == current }
                    guard !statuses.isEmpty else { continue }
                    branches.append(
                        """
                        WHEN kind = '\(kind.rawValue)' AND state = '\(state.rawValue)'
                            AND COALESCE((SELECT status FROM images WHERE images.id = dead_letters.id), '')
                                IN (\(statuses.map { "'\($0?.rawValue ?? "")'" }.joined(separator: ", ")))
                            THEN '\(current.rawValue)'
                        """
                    )
                }
            }
        }
        return branches.isEmpty ? "state" : "CASE \(branches.joined(separator: " ")) ELSE state END"
    }()

    /// The condition of a query, and its arguments.
    private func condition(_ query: DeadLetterQuery) -> (sql: String, arguments: [SQLValue]) {
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
        if !query.states.isEmpty { parts.append("current_state IN (\(list(query.states.map(\.rawValue))))") }
        if !query.ids.isEmpty { parts.append("id IN (\(list(query.ids.map(\.text))))") }
        if let step = query.step { parts.append("step = \(next(.text(step.rawValue)))") }
        if let cause = query.cause { parts.append("cause = \(next(.text(cause)))") }
        if let owner = query.owner { parts.append("owner = \(next(.text(owner.text)))") }
        if let before = query.before { parts.append("last_at < \(next(.integer(before.microseconds)))") }
        if let after = query.after { parts.append("last_at >= \(next(.integer(after.microseconds)))") }
        return (parts.joined(separator: " AND "), arguments)
    }

    func deadLetters(_ query: DeadLetterQuery) throws(SQLError) -> [DeadLetter] {
        guard !query.kinds.isEmpty else { return [] }
        let (condition, arguments) = condition(query)
        let rows = try connection.query(
            """
            SELECT dead_letter, current_state FROM (\(Self.currentStates)) AS current_states WHERE \(condition)
            ORDER BY last_at, id LIMIT $\(arguments.count + 1)
            """,
            arguments + [SQLValue(max(0, query.limit))]
        )
        var deadLetters: [DeadLetter] = []
        for row in rows { deadLetters.append(try deadLetter(in: row)) }
        return deadLetters
    }

    func deadLetterGroups(_ query: DeadLetterQuery) throws(SQLError) -> [DeadLetterGroup] {
        guard !query.kinds.isEmpty else { return [] }
        let (condition, arguments) = condition(query)
        let rows = try connection.query(
            """
            SELECT kind, step, cause, COUNT(*) AS number, MIN(last_at) AS oldest, MAX(last_at) AS newest,
                MIN(id) AS example
            FROM (\(Self.currentStates)) AS current_states WHERE \(condition)
            GROUP BY kind, step, cause ORDER BY COUNT(*) DESC, kind, step, cause
            """,
            arguments
        )
        var groups: [DeadLetterGroup] = []
        for row in rows {
            guard let kind = DeadLetter.Kind(rawValue: try row.text("kind")),
                let id = DeadLetterID(try row.text("example")),
                let example = try deadLetter(id)
            else { throw SQLError(.unreadable, "a dead letter is unreadable") }
            groups.append(
                DeadLetterGroup(
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

    func deadLetter(_ id: DeadLetterID) throws(SQLError) -> DeadLetter? {
        let rows = try connection.query(
            "SELECT dead_letter, current_state FROM (\(Self.currentStates)) AS current_states WHERE id = $1",
            [.text(id.text)]
        )
        guard let row = rows.first else { return nil }
        return try deadLetter(in: row)
    }

    private func deadLetter(in row: SQLRow) throws(SQLError) -> DeadLetter {
        var deadLetter = try decode(DeadLetter.self, try row.text("dead_letter"), "dead.letter")
        guard let state = DeadLetter.State(rawValue: try row.text("current_state")) else {
            throw SQLError(.unreadable, "dead letter \(deadLetter.id) has no known state")
        }
        deadLetter.state = state
        return deadLetter
    }
}
