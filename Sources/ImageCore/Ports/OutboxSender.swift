/// The sender of a message that a transaction puts into the outbox.
public enum OutboxSender: Sendable {
    /// The caller, as soon as the transaction is committed. A sweep takes the message only after
    /// `OutgoingMessage.leftBehindAfter`, when the caller has died.
    case caller
    /// The next sweep of any worker, within `sweepEvery`, because the caller may not write to the broker.
    case sweeper
}
