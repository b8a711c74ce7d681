import ImageCore
import SQLAccess

/// The journal: each image's history, and with the newest lines what is still to be sent for them.
extension StoreTransaction {
    private static let newLines = RowInsertion(
        "INSERT INTO journal (image_id, sequence, line, unsent_at, jobs, event) VALUES",
        columns: 6
    )

    func append(_ entries: [JournalEntry], to image: ImageID, at now: Timestamp) throws(SQLError) {
        let rows = entries.map { entry -> [SQLValue] in
            [
                .text(image.text), .integer(entry.line.sequence), .text(CanonicalJSON.text(entry.line)),
                .integer(now.microseconds), SQLValue(entry.jobs.isEmpty ? nil : CanonicalJSON.text(entry.jobs)),
                SQLValue(entry.event),
            ]
        }
        try insert(rows, by: Self.newLines)
    }

    /// Lines that were written before `moment` or after `future`, the oldest first.
    func unsentLines(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) throws(SQLError) -> [UnsentRow] {
        // Apart, so that each takes the first rows of the index; and `OR` would sort all that wait.
        let lines = try connection.query(
            """
            SELECT image_id, sequence, line, unsent_at, jobs, event FROM (
                SELECT * FROM (SELECT image_id, sequence, line, unsent_at, jobs, event FROM journal
                    WHERE unsent_at < $1 ORDER BY unsent_at, image_id, sequence LIMIT $3) AS early
                UNION ALL
                SELECT * FROM (SELECT image_id, sequence, line, unsent_at, jobs, event FROM journal
                    WHERE unsent_at > $2 ORDER BY unsent_at, image_id, sequence LIMIT $3) AS late
            ) AS unsent ORDER BY unsent_at, image_id, sequence LIMIT $3
            """,
            [.integer(moment.microseconds), .integer(future.microseconds), SQLValue(limit)]
        )
        var images: [String: Image] = [:]
        var found: [UnsentRow] = []
        for row in lines {
            let name = try row.text("image_id")
            let key = UnreadableRow.Key.journal(image: name, sequence: try row.integer("sequence"))
            found.append(
                try UnsentRow(writtenAt: row.integer("unsent_at"), key) { () throws(SQLError) in
                    if images[name] == nil { images[name] = try owner(of: name) }
                    guard let image = images[name] else { return [] }
                    return try entry(row, of: name).messages(of: image)
                }
            )
        }
        return found
    }

    /// The image of a row of the journal.
    private func owner(of name: String) throws(SQLError) -> Image {
        guard let id = ImageID(name), let image = try image(id) else {
            throw SQLError(.unreadable, "there is no image \(name)")
        }
        return image
    }

    private func entry(_ row: SQLRow, of name: String) throws(SQLError) -> JournalEntry {
        let line = try decode(Announcement.self, try row.text("line"), "journal of \(name)")
        var entry = JournalEntry(line, event: try row.optionalText("event"))
        if let jobs = try row.optionalText("jobs") {
            entry.jobs = try decode([QueuedJob].self, jobs, "queued jobs of \(name)")
        }
        return entry
    }

    private static let sentLines = RowChange(
        "UPDATE journal SET unsent_at = NULL, jobs = NULL, event = NULL",
        key: ["image_id", "sequence"]
    )

    func markLinesSent(_ lines: Set<JournalLine>) throws(SQLError) {
        try change(lines.sorted().map(\.key), by: Self.sentLines)
    }

    /// - Parameter now: they count as written then.
    func markLinesUnsent(_ lines: Set<JournalLine>, at now: Timestamp) throws(SQLError) {
        for line in lines.sorted() { try markLineUnsent(line.key, at: now) }
    }

    func markLineUnsent(_ key: [SQLValue], at now: Timestamp) throws(SQLError) {
        try connection.execute(
            "UPDATE journal SET unsent_at = $3 WHERE image_id = $1 AND sequence = $2 AND unsent_at IS NOT NULL",
            key + [.integer(now.microseconds)]
        )
    }
}

/// The key of a journal's row. Sorted, so that two transactions that change the same rows do not each wait for the other.
struct JournalLine: Hashable, Comparable {
    var image: ImageID
    var sequence: Int64

    /// `nil` for a message of the outbox.
    init?(_ row: OutgoingMessage.Row) {
        guard case .journal(let image, let sequence) = row else { return nil }
        (self.image, self.sequence) = (image, sequence)
    }

    var key: [SQLValue] { [.text(image.text), .integer(sequence)] }

    static func < (left: Self, right: Self) -> Bool {
        (left.image.text, left.sequence) < (right.image.text, right.sequence)
    }
}
