public import ImageCore
import SQLAccess

extension SQLImageStore {
    // MARK: Letters

    public func keep(_ letter: Letter, _ message: KeptMessage, at now: Timestamp) async throws(StoreError) {
        try await write { (transaction) throws(SQLError) in try transaction.arrive(letter, message, at: now) }
    }

    public func letters(_ query: LetterQuery) async throws(StoreError) -> [Letter] {
        try await read { (transaction) throws(SQLError) in try transaction.letters(query) }
    }

    public func letterGroups(_ query: LetterQuery) async throws(StoreError) -> [LetterGroup] {
        try await read { (transaction) throws(SQLError) in try transaction.letterGroups(query) }
    }

    public func letter(_ id: LetterID) async throws(StoreError) -> LetterFile? {
        try await read { (transaction) throws(SQLError) in
            guard let letter = try transaction.letter(id) else { return nil }
            return LetterFile(
                letter: letter,
                message: try transaction.message(of: id),
                marks: try transaction.marks(of: id)
            )
        }
    }

    public func replay(
        _ id: LetterID,
        by who: String,
        limit: Int,
        at now: Timestamp
    ) async throws(StoreError) -> LetterVerdict {
        try await judge(id, evenReplayed: limit == .max) { (letter, transaction) throws(SQLError) in
            guard letter.replays < limit else {
                return .refused("it was replayed \(letter.replays) times and came back each time; --force tries again")
            }
            var letter = letter
            letter.replays += 1
            letter.state = .replayed
            let message =
                letter.kind == .dead
                ? letter.retryMessage : try transaction.message(of: id)?.replay(letter.replays, of: id)
            guard let message else {
                return .refused(KeptMessage.isNoWork)
            }
            try transaction.update(letter, request: letter.retryRequest?.requestID)
            try transaction.mark(letter, by: who, .replayed, nil, at: now)
            return .done(letter, outgoing: try transaction.post([message], at: now))
        }
    }

    public func discard(
        _ id: LetterID,
        by who: String,
        note: String?,
        at now: Timestamp
    ) async throws(StoreError) -> LetterVerdict {
        try await judge(id, evenReplayed: true) { (letter, transaction) throws(SQLError) in
            var letter = letter
            letter.state = .discarded
            try transaction.update(letter, request: nil)
            try transaction.mark(letter, by: who, .discarded, note, at: now)
            return .done(letter, outgoing: [])
        }
    }

    public func denied(_ identity: RequestIdentity, _ rejection: Rejection, at now: Timestamp) async throws(StoreError)
    {
        try await write { (transaction) throws(SQLError) in
            try transaction.replayWasRefused(identity, rejection, at: now)
        }
    }

    /// Lets somebody decide on a letter that is open.
    /// - Parameter evenReplayed: or that was given back to work, and may never come back.
    private func judge(
        _ id: LetterID,
        evenReplayed: Bool,
        for operation: String = #function,
        _ decide: @escaping @Sendable (Letter, StoreTransaction) throws(SQLError) -> LetterVerdict
    ) async throws(StoreError) -> LetterVerdict {
        try await write(for: operation) { (transaction) throws(SQLError) in
            guard try transaction.letterToChange(id) != nil, let letter = try transaction.letter(id) else {
                return .unknown
            }
            switch letter.state {
            case .open: return try decide(letter, transaction)
            case .replayed where evenReplayed: return try decide(letter, transaction)
            case .replayed:
                return .refused("it was given back to work, and has not come back; --force gives it back once more")
            case .discarded: return .refused("it was discarded")
            case .settled: return .refused("its image is no longer in Error")
            }
        }
    }

    // MARK: Workers

    public func report(_ report: WorkerReport) async throws(StoreError) {
        try await write { (transaction) throws(SQLError) in
            let now = try transaction.time()
            try transaction.connection.execute(
                """
                INSERT INTO workers (id, stored_at, report) VALUES ($1, $2, $3)
                ON CONFLICT (id) DO UPDATE SET stored_at = excluded.stored_at, report = excluded.report
                """,
                [.text(report.worker.text), .integer(now.microseconds), .text(CanonicalJSON.text(report))]
            )
            try transaction.connection.execute(
                "DELETE FROM workers WHERE stored_at < $1 OR stored_at > $2",
                [
                    .integer(now.microseconds - WorkerStanding.forgottenAfter.microseconds),
                    .integer((now + WorkerStanding.forgottenAfter).microseconds),
                ]
            )
        }
    }

    public func signOff(_ worker: WorkerID) async throws(StoreError) {
        try await write { (transaction) throws(SQLError) in
            try transaction.connection.execute("DELETE FROM workers WHERE id = $1", [.text(worker.text)])
        }
    }

    public func workers() async throws(StoreError) -> [WorkerStanding] {
        try await read { (transaction) throws(SQLError) in
            let now = try transaction.time()
            let rows = try transaction.connection.query("SELECT stored_at, report FROM workers ORDER BY id")
            var standings: [WorkerStanding] = []
            for row in rows {
                standings.append(
                    WorkerStanding(
                        report: try transaction.decode(WorkerReport.self, try row.text("report"), "a worker's report"),
                        storedAt: Timestamp(microseconds: try row.integer("stored_at")),
                        readAt: now
                    )
                )
            }
            return standings
        }
    }

    public func leases() async throws(StoreError) -> [Lease] {
        try await read { (transaction) throws(SQLError) in try transaction.leases() }
    }

    // MARK: Open work

    public func openImages(limit: Int) async throws(StoreError) -> [Image] {
        try await read { (transaction) throws(SQLError) in
            try transaction.images(
                "SELECT state FROM images WHERE wake_at IS NOT NULL ORDER BY created_at, id LIMIT $1",
                [SQLValue(max(0, limit))]
            )
        }
    }
}
