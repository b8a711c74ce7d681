public import ImageCore
import SQLAccess

extension SQLImageStore: StoreGauge {
    public func census(at now: Timestamp) async throws(StoreError) -> StoreCensus {
        try await read { (transaction) throws(SQLError) in
            let connection = transaction.connection
            var census = StoreCensus()
            for row in try connection.query("SELECT status, COUNT(*) AS images FROM images GROUP BY status") {
                guard let status = ImageStatus(rawValue: try row.text("status")) else {
                    throw SQLError(.unreadable, "an image has a status that is none")
                }
                census.images[status] = Int(try row.integer("images"))
            }
            for row in try connection.query("SELECT COUNT(*) AS messages, MIN(written_at) AS oldest FROM outbox") {
                census.outbox = Int(try row.integer("messages"))
                census.outboxSince = try row.optionalInteger("oldest").map(Timestamp.init(microseconds:))
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
                census.liveLeases = Int(try row.integer("leases"))
            }
            for row in try connection.query("SELECT COUNT(*) AS leases FROM leases") {
                census.expiredLeases = Int(try row.integer("leases")) - census.liveLeases
            }
            for row in try connection.query(
                "SELECT COUNT(*) AS images FROM images WHERE wake_at <= $1 OR wake_at > $2",
                [present, .integer((now + StoredTime.longestExpectation).microseconds)]
            ) {
                census.overdueImages = Int(try row.integer("images"))
            }
            let deadLetters = try connection.query(
                "SELECT kind, COUNT(*) AS dead_letters FROM dead_letters WHERE state = $1 GROUP BY kind",
                [.text(DeadLetter.State.open.rawValue)]
            )
            for row in deadLetters {
                guard let kind = DeadLetter.Kind(rawValue: try row.text("kind")) else {
                    throw SQLError(.unreadable, "a dead letter is of no kind")
                }
                census.openDeadLetters[kind] = Int(try row.integer("dead_letters"))
            }
            return census
        }
    }
}
