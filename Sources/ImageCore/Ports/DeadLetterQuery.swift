/// Which dead letters. Every part that is given must hold.
public struct DeadLetterQuery: Equatable, Sendable {
    public var kinds: Set<DeadLetter.Kind>
    /// Empty: every state.
    public var states: Set<DeadLetter.State>
    /// Empty: all.
    public var ids: [DeadLetterID] = []
    public var step: Step?
    public var cause: String?
    public var owner: Owner?
    /// Only those that came last before this moment.
    public var before: Timestamp?
    /// Only those that came last at this moment or after.
    public var after: Timestamp?
    public var limit: Int

    public init(kinds: Set<DeadLetter.Kind>, states: Set<DeadLetter.State> = [.open], limit: Int = 100) {
        (self.kinds, self.states, self.limit) = (kinds, states, limit)
    }
}

/// Dead letters that are alike.
public struct DeadLetterGroup: Codable, Equatable, Sendable {
    public var kind: DeadLetter.Kind
    public var step: Step?
    public var cause: String
    public var count: Int
    /// When the first and the last of them came last.
    public var oldestAt: Timestamp
    public var newestAt: Timestamp
    /// One of them, as an example.
    public var example: DeadLetter

    public init(
        kind: DeadLetter.Kind,
        step: Step?,
        cause: String,
        count: Int,
        oldestAt: Timestamp,
        newestAt: Timestamp,
        example: DeadLetter
    ) {
        (self.kind, self.step, self.cause, self.count) = (kind, step, cause, count)
        (self.oldestAt, self.newestAt, self.example) = (oldestAt, newestAt, example)
    }
}

/// All that is known of a dead letter.
public struct DeadLetterFile: Codable, Equatable, Sendable {
    public var deadLetter: DeadLetter
    /// The message it is about; absent for a failed job, which is in the store.
    public var message: KeptMessage?
    /// What has been done with it, in order.
    public var events: [DeadLetterEvent]

    public init(deadLetter: DeadLetter, message: KeptMessage?, events: [DeadLetterEvent]) {
        (self.deadLetter, self.message, self.events) = (deadLetter, message, events)
    }
}

/// What came of a human's decision on a dead letter.
public enum DeadLetterResult: Equatable, Sendable {
    /// Written down. The messages wait in the outbox.
    case done(DeadLetter, outgoing: [OutgoingMessage])
    /// Nothing was changed.
    case refused(DeadLetterRefusal)
    case unknown
}
