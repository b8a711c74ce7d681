/// The messages that a transaction wrote and the broker has not yet confirmed, in the outbox or with a line of the
/// journal, and the requests of a process that may not write to the broker itself. Every function is one transaction.
public protocol OutboxStore: Sendable {
    /// Messages that were written before `moment`, or by a clock that was wrong after `future`, and are still here;
    /// oldest first.
    /// - Parameter limit: of rows; all messages of a row come together.
    func unsent(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) async throws(StoreError) -> [OutgoingMessage]
    /// Notes that the broker has these messages. They are all messages of their rows.
    func markSent(_ messages: [OutgoingMessage]) async throws(StoreError)
    /// Moves messages that were not confirmed behind the others, so that a message that no queue takes delays nothing
    /// else. A reply is dropped after `OutgoingMessage.replyTries` tries: a client that still wants it asks again.
    func markUnsent(_ messages: [OutgoingMessage], at now: Timestamp) async throws(StoreError)

    // MARK: Requests

    /// Puts a request into the outbox. The next sweep of a worker sends it, within `sweepEvery`. A request whose id is
    /// already there is the same request and is not added twice.
    func put(_ request: OutgoingMessage, at now: Timestamp) async throws(StoreError)
    /// The message in the outbox with this one's id; `nil` once it was sent.
    func waiting(as request: OutgoingMessage) async throws(StoreError) -> OutgoingMessage?
}

extension OutboxStore {
    /// Messages that were written before `moment` and are still here, oldest first.
    public func unsent(before moment: Timestamp, limit: Int) async throws(StoreError) -> [OutgoingMessage] {
        try await unsent(before: moment, after: Timestamp(microseconds: .max), limit: limit)
    }
}
