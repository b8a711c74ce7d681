public import ImageCore
import SQLAccess

extension SQLImageStore {
    // MARK: Dead letters

    public func keep(_ deadLetter: DeadLetter, _ message: KeptMessage, at now: Timestamp) async throws(StoreError) {
        try await write(for: .keep) { (transaction) throws(SQLError) in
            try transaction.arrive(deadLetter, message, at: now)
        }
    }

    public func deadLetters(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetter] {
        try await read(for: .deadLetters) { (transaction) throws(SQLError) in try transaction.deadLetters(query) }
    }

    public func deadLetterGroups(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetterGroup] {
        try await read(for: .deadLetterGroups) { (transaction) throws(SQLError) in
            try transaction.deadLetterGroups(query)
        }
    }

    public func deadLetter(_ id: DeadLetterID) async throws(StoreError) -> DeadLetterFile? {
        try await read(for: .deadLetter) { (transaction) throws(SQLError) in
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
        isForced: Bool,
        sentBy sender: OutboxSender,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult {
        try await write(for: .replay) { (transaction) throws(SQLError) in
            guard let deadLetter = try transaction.deadLetterToDecide(id) else { return .unknown }
            let message = deadLetter.kind == .dead ? nil : try transaction.message(of: id)
            switch deadLetter.replayed(message, isForced: isForced) {
            case .failure(let refusal): return .refused(refusal)
            case .success(let replayed):
                try transaction.update(replayed.deadLetter, request: replayed.deadLetter.retryRequest?.requestID)
                try transaction.record(replayed.deadLetter, by: who, .replayed, nil, at: now)
                try transaction.post([replayed.message], sentBy: sender, at: now)
                return .done(replayed.deadLetter, outgoing: [replayed.message])
            }
        }
    }

    public func discard(
        _ id: DeadLetterID,
        by who: String,
        note: String?,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult {
        try await write(for: .discard) { (transaction) throws(SQLError) in
            guard let deadLetter = try transaction.deadLetterToDecide(id) else { return .unknown }
            switch deadLetter.discarded() {
            case .failure(let refusal): return .refused(refusal)
            case .success(let discarded):
                try transaction.update(discarded, request: nil)
                try transaction.record(discarded, by: who, .discarded, note, at: now)
                return .done(discarded, outgoing: [])
            }
        }
    }

    public func denied(_ identity: RequestIdentity, _ rejection: Rejection, at now: Timestamp) async throws(StoreError)
    {
        try await write(for: .denied) { (transaction) throws(SQLError) in
            try transaction.replayWasRefused(identity, rejection, at: now)
        }
    }

    // MARK: Workers

    public func report(_ report: WorkerReport) async throws(StoreError) {
        try await write(for: .report) { (transaction) throws(SQLError) in
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
        try await write(for: .signOff) { (transaction) throws(SQLError) in
            try transaction.connection.execute("DELETE FROM workers WHERE id = $1", [.text(worker.text)])
        }
    }

    public func workers() async throws(StoreError) -> [WorkerStatus] {
        try await read(for: .workers) { (transaction) throws(SQLError) in
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
        try await read(for: .leases) { (transaction) throws(SQLError) in try transaction.leases() }
    }

    // MARK: Open work

    public func openImages(limit: Int) async throws(StoreError) -> [Image] {
        try await read(for: .openImages) { (transaction) throws(SQLError) in
            try transaction.images(
                "SELECT state FROM images WHERE wake_at IS NOT NULL ORDER BY created_at, id LIMIT $1",
                [SQLValue(max(0, limit))]
            )
        }
    }
}
