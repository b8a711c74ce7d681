public import ImageCore
import SQLAccess

extension SQLImageStore {
    // MARK: Outbox and sweeping

    public func unsent(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) async throws(StoreError) -> UnsentMessages {
        try await read(for: .unsent) { (transaction) throws(SQLError) in
            let lines = try transaction.unsentLines(before: moment, after: future, limit: limit)
            let messages = try transaction.unsentMessages(before: moment, after: future, limit: limit)
            // Rows of one time stay in their order.
            let rows = (lines + messages).sorted { $0.writtenAt < $1.writtenAt }.prefix(max(0, limit))
            return UnsentMessages(
                messages: rows.flatMap { $0.content.messages },
                rows: rows.count,
                unreadable: rows.compactMap { $0.content.unreadable }
            )
        }
    }

    public func markSent(_ messages: [OutgoingMessage]) async throws(StoreError) {
        guard !messages.isEmpty else { return }
        try await write(for: .markSent) { (transaction) throws(SQLError) in
            try transaction.markLinesSent(Set(messages.compactMap { JournalLine($0.row) }))
            try transaction.deleteFromOutbox(Set(messages.filter { $0.row == .outbox }.map(\.outboxKey)))
        }
    }

    public func markUnsent(_ messages: [OutgoingMessage], at now: Timestamp) async throws(StoreError) {
        guard !messages.isEmpty else { return }
        try await write(for: .markUnsent) { (transaction) throws(SQLError) in
            try transaction.markLinesUnsent(Set(messages.compactMap { JournalLine($0.row) }), at: now)
            let kept = messages.filter { $0.row == .outbox }.sorted { $0.outboxKey < $1.outboxKey }
            for message in kept { try transaction.keepInOutbox(message, at: now) }
        }
    }

    public func moveBehind(_ rows: [UnreadableRow], at now: Timestamp) async throws(StoreError) {
        guard !rows.isEmpty else { return }
        try await write(for: .moveBehind) { (transaction) throws(SQLError) in
            for row in rows.sorted(by: { $0.key < $1.key }) { try transaction.moveBehind(row.key, at: now) }
        }
    }

    public func overdue(at now: Timestamp, limit: Int) async throws(StoreError) -> [Image] {
        try await read(for: .overdue) { (transaction) throws(SQLError) in
            try transaction.images(
                "SELECT state FROM images WHERE wake_at <= $1 OR wake_at > $2 ORDER BY wake_at LIMIT $3",
                [
                    .integer(now.microseconds), .integer((now + StoredTime.longestExpectation).microseconds),
                    SQLValue(limit),
                ]
            )
        }
    }

    public func leases(of image: ImageID) async throws(StoreError) -> [Lease] {
        try await read(for: .leases) { (transaction) throws(SQLError) in try transaction.leases(of: image) }
    }

    // MARK: Looking

    public func image(_ id: ImageID) async throws(StoreError) -> Image? {
        try await read(for: .image) { (transaction) throws(SQLError) in try transaction.image(id) }
    }

    public func images(_ query: ImageQuery) async throws(StoreError) -> [Image] {
        guard query.limit > 0 else { return [] }
        return try await read(for: .images) { (transaction) throws(SQLError) in
            var found: [Image] = []
            var page = query.page
            // What is not indexed is sorted out here, batch by batch.
            while found.count < query.limit {
                let batch = try transaction.images(query, after: page)
                found += batch.filter { query.matches($0) }
                guard batch.count == StoreTransaction.batch, let last = batch.last else { break }
                page = ImagePage(after: last)
            }
            return Array(found.prefix(query.limit))
        }
    }

    public func forget(before moment: Timestamp, limit: Int) async throws(StoreError) -> Int {
        try await write(for: .forget) { (transaction) throws(SQLError) in
            let arguments: [SQLValue] = [.integer(moment.microseconds), SQLValue(limit)]
            let answers = try transaction.connection.rowsChanged(
                by: """
                    DELETE FROM requests WHERE (owner, request_id) IN (
                        SELECT owner, request_id FROM requests WHERE answered_at < $1 LIMIT $2)
                    """,
                arguments
            )
            let images = try transaction.connection.query(
                """
                SELECT id FROM images WHERE ended_at < $1 AND NOT EXISTS (
                    SELECT 1 FROM journal WHERE image_id = images.id AND unsent_at IS NOT NULL)
                ORDER BY id LIMIT $2
                """,
                arguments
            )
            for row in images { try transaction.forget(try row.text("id")) }
            let deadLetters = try transaction.connection.query(
                """
                SELECT id FROM dead_letters WHERE state IN ('replayed', 'discarded') AND last_at < $1
                ORDER BY last_at, id LIMIT $2
                """,
                arguments
            )
            for row in deadLetters { try transaction.forgetDeadLetter(try row.text("id")) }
            return answers + images.count + deadLetters.count
        }
    }

    public func journal(
        of image: ImageID,
        after sequence: Int64,
        limit: Int
    ) async throws(StoreError) -> [Announcement] {
        try await read(for: .journal) { (transaction) throws(SQLError) in
            let rows = try transaction.connection.query(
                "SELECT line FROM journal WHERE image_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
                [.text(image.text), .integer(sequence), SQLValue(limit)]
            )
            var lines: [Announcement] = []
            for row in rows {
                lines.append(try transaction.decode(Announcement.self, try row.text("line"), "journal of \(image)"))
            }
            return lines
        }
    }

    public func locks() async throws(StoreError) -> [Lock] {
        try await read(for: .locks) { (transaction) throws(SQLError) in
            var locks: [Lock] = []
            for row in try transaction.connection.query("SELECT key, image_id FROM locks ORDER BY key") {
                guard let image = ImageID(try row.text("image_id")) else {
                    throw SQLError(.unreadable, "a lock names no image")
                }
                locks.append(Lock(key: try row.text("key"), image: image))
            }
            return locks
        }
    }

    public func quota(of owner: Owner) async throws(StoreError) -> QuotaUsage {
        try await read(for: .quota) { (transaction) throws(SQLError) in try transaction.quota(of: owner) }
    }

    public func setQuota(of owner: Owner, to limits: QuotaLimits) async throws(StoreError) {
        try await write(for: .setQuota) { (transaction) throws(SQLError) in
            var usage = try transaction.quotaToChange(of: owner)
            usage.limits = limits
            try transaction.keep(usage)
        }
    }
}

extension StoreTransaction {
    fileprivate static let batch = 200

    /// Only the filters that are set stand in the statement, so that the database can use their indices.
    fileprivate func images(_ query: ImageQuery, after page: ImagePage?) throws(SQLError) -> [Image] {
        var arguments: [SQLValue] = []
        func next(_ value: SQLValue) -> String {
            arguments.append(value)
            return "$\(arguments.count)"
        }
        var conditions: [String] = []
        if let owner = query.owner { conditions.append("owner = " + next(.text(owner.text))) }
        if let status = query.status {
            conditions.append("status = " + next(.text(status.rawValue)))
        } else {
            conditions.append("status <> " + next(.text(ImageStatus.deleted.rawValue)))
        }
        if let owner = query.sharedWith {
            conditions.append("id IN (SELECT image_id FROM shares WHERE shares.owner = \(next(.text(owner.text))))")
        }
        if let page {
            let moment = next(.integer(page.createdAt.microseconds))
            let id = next(.text(page.id.text))
            conditions.append("(created_at < \(moment) OR (created_at = \(moment) AND id > \(id)))")
        }
        return try images(
            """
            SELECT state FROM images WHERE \(conditions.joined(separator: " AND "))
            ORDER BY created_at DESC, id LIMIT \(next(SQLValue(Self.batch)))
            """,
            arguments
        )
    }

    func images(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [Image] {
        var images: [Image] = []
        for row in try connection.query(sql, arguments) {
            images.append(try decode(Image.self, try row.text("state"), "image"))
        }
        return images
    }
}
