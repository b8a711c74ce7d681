public import ImageCore
import SQLAccess

extension SQLImageStore {
    public func statistics(at now: Timestamp) async throws(StoreError) -> StoreStatistics {
        try await read(for: .statistics) { (transaction) throws(SQLError) in
            let connection = transaction.connection
            var statistics = StoreStatistics()
            for row in try connection.query("SELECT status, COUNT(*) AS images FROM images GROUP BY status") {
                guard let status = ImageStatus(rawValue: try row.text("status")) else {
                    throw SQLError(.unreadable, "an image has a status that is none")
                }
                statistics.images[status] = Int(try row.integer("images"))
            }
            for row in try connection.query(
                """
                SELECT COUNT(*) AS messages, MIN(written_at) AS oldest FROM (
                    SELECT written_at FROM outbox
                    UNION ALL SELECT unsent_at FROM journal WHERE unsent_at IS NOT NULL) AS unsent
                """
            ) {
                statistics.outbox = Int(try row.integer("messages"))
                statistics.outboxSince = try row.optionalInteger("oldest").map(Timestamp.init(microseconds:))
            }
            let present = SQLValue(now.microseconds)
            // As `Lease.isAlive(at:)` has it.
            for row in try connection.query(
                """
                SELECT COUNT(*) AS leases FROM leases
                WHERE expires_at > $1 AND expires_at <= $2 + COALESCE(length, $3)
                """,
                [
                    present, .integer((now + StoredTime.tolerance).microseconds),
                    .integer(Lease.longest.microseconds),
                ]
            ) {
                statistics.liveLeases = Int(try row.integer("leases"))
            }
            for row in try connection.query("SELECT COUNT(*) AS leases FROM leases") {
                statistics.expiredLeases = Int(try row.integer("leases")) - statistics.liveLeases
            }
            for row in try connection.query(
                "SELECT COUNT(*) AS images FROM images WHERE wake_at <= $1 OR wake_at > $2",
                [present, .integer((now + StoredTime.longestExpectation).microseconds)]
            ) {
                statistics.overdueImages = Int(try row.integer("images"))
            }
            let deadLetters = try connection.query(
                """
                SELECT kind, COUNT(*) AS dead_letters FROM (\(StoreTransaction.currentStates)) AS current_states
                WHERE current_state = $1 GROUP BY kind
                """,
                [.text(DeadLetter.State.open.rawValue)]
            )
            for row in deadLetters {
                guard let kind = DeadLetter.Kind(rawValue: try row.text("kind")) else {
                    throw SQLError(.unreadable, "a dead letter is of no kind")
                }
                statistics.openDeadLetters[kind] = Int(try row.integer("dead_letters"))
            }
            return statistics
        }
    }
}
