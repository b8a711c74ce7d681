public import ImageCore
import SQLAccess

extension SQLImageStore {
    // MARK: Dead letters

    public func keep(_ deadLetter: DeadLetter, _ message: KeptMessage, at now: Timestamp) async throws(StoreError) {
        try await write { (transaction) throws(SQLError) in try transaction.arrive(deadLetter, message, at: now) }
    }

    public func deadLetters(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetter] {
        try await read { (transaction) throws(SQLError) in try transaction.deadLetters(query) }
    }

    public func deadLetterGroups(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetterGroup] {
        try await read { (transaction) throws(SQLError) in try transaction.deadLetterGroups(query) }
    }

    public func deadLetter(_ id: DeadLetterID) async throws(StoreError) -> DeadLetterFile? {
        try await read { (transaction) throws(SQLError) in
            guard let deadLetter = try transaction.deadLetter(id) else { return nil }
            return DeadLetterFile(
                deadLetter: deadLetter,
                message: try transaction.message(of: id),
                events: try transaction.events(of: id)
            )
        }
    }

    public func replay(
        _ id: DeadLetterID,
        by who: String,
        limit: Int,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult {
        try await judge(id, evenReplayed: limit == .max) { (deadLetter, transaction) throws(SQLError) in
            guard deadLetter.replays < limit else {
                return .refused(
                    "it was replayed \(deadLetter.replays) times and came back each time; --force tries again"
                )
            }
            var deadLetter = deadLetter
            deadLetter.replays += 1
            deadLetter.state = .replayed
            let message =
                deadLetter.kind == .dead
                ? deadLetter.retryMessage : try transaction.message(of: id)?.replay(deadLetter.replays, of: id)
            guard let message else {
                return .refused(KeptMessage.notReplayableReason)
            }
            try transaction.update(deadLetter, request: deadLetter.retryRequest?.requestID)
            try transaction.record(deadLetter, by: who, .replayed, nil, at: now)
            return .done(deadLetter, outgoing: try transaction.post([message], at: now))
        }
    }

    public func discard(
        _ id: DeadLetterID,
        by who: String,
        note: String?,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult {
        try await judge(id, evenReplayed: true) { (deadLetter, transaction) throws(SQLError) in
            var deadLetter = deadLetter
            deadLetter.state = .discarded
            try transaction.update(deadLetter, request: nil)
            try transaction.record(deadLetter, by: who, .discarded, note, at: now)
            return .done(deadLetter, outgoing: [])
        }
    }

    public func denied(_ identity: RequestIdentity, _ rejection: Rejection, at now: Timestamp) async throws(StoreError)
    {
        try await write { (transaction) throws(SQLError) in
            try transaction.replayWasRefused(identity, rejection, at: now)
        }
    }

    /// Lets somebody decide on a dead letter that is open.
    /// - Parameter evenReplayed: or that was replayed, and may never come back.
    private func judge(
        _ id: DeadLetterID,
        evenReplayed: Bool,
        for operation: String = #function,
        _ decide: @escaping @Sendable (DeadLetter, StoreTransaction) throws(SQLError) -> DeadLetterResult
    ) async throws(StoreError) -> DeadLetterResult {
        try await write(for: operation) { (transaction) throws(SQLError) in
            guard try transaction.deadLetterToChange(id) != nil, let deadLetter = try transaction.deadLetter(id) else {
                return .unknown
            }
            switch deadLetter.state {
            case .open: return try decide(deadLetter, transaction)
            case .replayed where evenReplayed: return try decide(deadLetter, transaction)
            case .replayed:
                return .refused("it was replayed and has not come back; --force replays it once more")
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
                    .integer(now.microseconds - WorkerStatus.forgottenAfter.microseconds),
                    .integer((now + WorkerStatus.forgottenAfter).microseconds),
                ]
            )
        }
    }

    public func signOff(_ worker: WorkerID) async throws(StoreError) {
        try await write { (transaction) throws(SQLError) in
            try transaction.connection.execute("DELETE FROM workers WHERE id = $1", [.text(worker.text)])
        }
    }

    public func workers() async throws(StoreError) -> [WorkerStatus] {
        try await read { (transaction) throws(SQLError) in
            let now = try transaction.time()
            let rows = try transaction.connection.query("SELECT stored_at, report FROM workers ORDER BY id")
            var statuses: [WorkerStatus] = []
            for row in rows {
                statuses.append(
                    WorkerStatus(
                        report: try transaction.decode(WorkerReport.self, try row.text("report"), "a worker's report"),
                        storedAt: Timestamp(microseconds: try row.integer("stored_at")),
                        readAt: now
                    )
                )
            }
            return statuses
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
