/// Takes requests from programs that read the store and may not publish. Every function is one transaction.
public protocol RequestOutbox: Sendable {
    /// Puts a request into the outbox, from which the next worker that sweeps sends it: within `sweepEvery`. One of the
    /// same id that still waits there is the same request, and is not put there twice.
    func put(_ request: OutgoingMessage, at now: Timestamp) async throws(StoreError)
    /// What waits in the outbox under the id of this one, however long the outbox is; `nil` when it was sent.
    func waiting(as request: OutgoingMessage) async throws(StoreError) -> OutgoingMessage?
}
