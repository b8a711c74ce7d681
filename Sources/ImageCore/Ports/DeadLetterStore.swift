/// What only a human can judge. Every function is one transaction.
public protocol DeadLetterStore: Sendable {
    /// Writes down a message that only a human can judge. One that is known has come again, and is open again.
    func keep(_ deadLetter: DeadLetter, _ message: KeptMessage, at now: Timestamp) async throws(StoreError)
    /// Those that match, the one that has waited longest first.
    func deadLetters(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetter]
    /// Those that match, counted by kind, step and cause; the largest first.
    func deadLetterGroups(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetterGroup]
    /// One dead letter with all that is known of it.
    func deadLetter(_ id: DeadLetterID) async throws(StoreError) -> DeadLetterFile?
    /// Replays a dead letter if `DeadLetter.replayed` allows it: marks it and puts its message into the outbox, both or
    /// neither, so that a command that dies half way has lost and doubled nothing.
    /// - Parameters:
    ///   - who: the person who requests it.
    ///   - isForced: also beyond `DeadLetter.replayLimit`, and also when it has not come back.
    func replay(
        _ id: DeadLetterID,
        by who: String,
        isForced: Bool,
        sentBy sender: OutboxSender,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult
    /// Closes an open dead letter, or one that was replayed and has not come back. It stays, marked.
    func discard(
        _ id: DeadLetterID,
        by who: String,
        note: String?,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult
}
