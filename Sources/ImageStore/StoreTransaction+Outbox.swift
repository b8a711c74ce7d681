import ImageCore
import SQLAccess

/// The outbox: messages that are in no line of the journal, each in a row of its own until the broker has it.
extension StoreTransaction {
    /// A message that already waits here is the same message: it will be sent once for both.
    func post(
        _ messages: [OutgoingMessage],
        sentBy sender: OutboxSender = .caller,
        at now: Timestamp
    ) throws(SQLError) {
        let writtenAt =
            switch sender {
            case .caller: now.microseconds
            // As old as one that its caller has left behind, so that the next sweep takes it.
            case .sweeper: now.microseconds - OutgoingMessage.leftBehindAfter.microseconds
            }
        let rows = messages.enumerated().map { position, message -> [SQLValue] in
            [
                .text(message.outboxKey), .integer(writtenAt), SQLValue(position),
                .text(CanonicalJSON.text(message.envelope)), .text(message.body),
            ]
        }
        try insert(rows, by: Self.newMessages)
    }

    private static let newMessages = RowInsertion(
        "INSERT INTO outbox (id, written_at, position, message, body) VALUES",
        columns: 5,
        "ON CONFLICT (id) DO NOTHING"
    )

    /// Messages that were written before `moment` or after `future`, the oldest first.
    func unsentMessages(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) throws(SQLError) -> [UnsentRow] {
        let rows = try connection.query(
            """
            SELECT id, written_at, message, body FROM outbox WHERE written_at < $1 OR written_at > $2
            ORDER BY written_at, position, id LIMIT $3
            """,
            [.integer(moment.microseconds), .integer(future.microseconds), SQLValue(limit)]
        )
        var found: [UnsentRow] = []
        for row in rows {
            let key = UnreadableRow.Key.outbox(try row.text("id"))
            found.append(
                try UnsentRow(writtenAt: row.integer("written_at"), key) { () throws(SQLError) in [try unsent(row)] }
            )
        }
        return found
    }

    /// A message of the outbox, of a row with `message` and `body`.
    func unsent(_ row: SQLRow) throws(SQLError) -> OutgoingMessage {
        var message = try decode(OutgoingMessage.self, try row.text("message"), "outbox row")
        // A row from before this column has the body in its message.
        if let body = try row.optionalText("body") { message.body = body }
        return message
    }

    private static let deletions = RowChange("DELETE FROM outbox", key: ["id"])

    func deleteFromOutbox(_ keys: Set<String>) throws(SQLError) {
        // In one order, so that two who delete the same messages do not each wait for the other.
        try change(keys.sorted().map { [.text($0)] }, by: Self.deletions)
    }

    /// - Parameter now: it counts as written then.
    func keepInOutbox(_ message: OutgoingMessage, at now: Timestamp) throws(SQLError) {
        try connection.execute(
            "UPDATE outbox SET tries = tries + 1, written_at = $2 WHERE id = $1",
            [.text(message.outboxKey), .integer(now.microseconds)]
        )
        guard message.destination == .reply else { return }
        try connection.execute(
            "DELETE FROM outbox WHERE id = $1 AND tries >= $2",
            [.text(message.outboxKey), SQLValue(OutgoingMessage.replyTries)]
        )
    }
}

/// What is kept in one row until all of it is sent.
struct UnsentRow {
    enum Content {
        case messages([OutgoingMessage])
        case unreadable(UnreadableRow)

        var messages: [OutgoingMessage] { if case .messages(let messages) = self { messages } else { [] } }
        var unreadable: UnreadableRow? { if case .unreadable(let row) = self { row } else { nil } }
    }

    /// In microseconds since 1970.
    var writtenAt: Int64
    var content: Content

    /// One that cannot be read must not keep all others from being sent.
    init(
        writtenAt: Int64,
        _ key: UnreadableRow.Key,
        _ read: () throws(SQLError) -> [OutgoingMessage]
    ) throws(SQLError) {
        self.writtenAt = writtenAt
        do throws(SQLError) {
            content = .messages(try read())
        } catch {
            guard error.kind == .unreadable else { throw error }
            content = .unreadable(UnreadableRow(key, problem: error.message))
        }
    }
}

extension StoreTransaction {
    /// - Parameter now: it counts as written then.
    func moveBehind(_ row: UnreadableRow.Key, at now: Timestamp) throws(SQLError) {
        switch row {
        case .outbox(let id):
            try connection.execute(
                "UPDATE outbox SET written_at = $2 WHERE id = $1",
                [.text(id), .integer(now.microseconds)]
            )
        case .journal(let image, let sequence):
            try markLineUnsent([.text(image), .integer(sequence)], at: now)
        }
    }
}
