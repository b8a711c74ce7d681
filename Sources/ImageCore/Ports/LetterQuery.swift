/// Which letters. Every part that is given must hold.
public struct LetterQuery: Equatable, Sendable {
    public var kinds: Set<Letter.Kind>
    /// Empty: every state.
    public var states: Set<Letter.State>
    /// Empty: all.
    public var ids: [LetterID] = []
    public var step: Step?
    public var cause: String?
    public var owner: Owner?
    /// Only those that came last before this moment.
    public var before: Timestamp?
    /// Only those that came last at this moment or after.
    public var after: Timestamp?
    public var limit: Int

    public init(kinds: Set<Letter.Kind>, states: Set<Letter.State> = [.open], limit: Int = 100) {
        (self.kinds, self.states, self.limit) = (kinds, states, limit)
    }
}

/// Letters that are alike.
public struct LetterGroup: Codable, Equatable, Sendable {
    public var kind: Letter.Kind
    public var step: Step?
    public var cause: String
    public var count: Int
    /// When the first and the last of them came last.
    public var oldestAt: Timestamp
    public var newestAt: Timestamp
    /// One of them, as an example.
    public var example: Letter

    public init(
        kind: Letter.Kind,
        step: Step?,
        cause: String,
        count: Int,
        oldestAt: Timestamp,
        newestAt: Timestamp,
        example: Letter
    ) {
        (self.kind, self.step, self.cause, self.count) = (kind, step, cause, count)
        (self.oldestAt, self.newestAt, self.example) = (oldestAt, newestAt, example)
    }
}

/// All that is known of a letter.
public struct LetterFile: Codable, Equatable, Sendable {
    public var letter: Letter
    /// The message it is about; absent for a dead letter, whose job is in the store.
    public var message: KeptMessage?
    /// What has been done with it, in order.
    public var marks: [LetterMark]

    public init(letter: Letter, message: KeptMessage?, marks: [LetterMark]) {
        (self.letter, self.message, self.marks) = (letter, message, marks)
    }
}

/// What came of a human's decision on a letter.
public enum LetterVerdict: Equatable, Sendable {
    /// Written down. The messages wait in the outbox.
    case done(Letter, outgoing: [OutgoingMessage])
    /// Nothing was changed, in a sentence.
    case refused(String)
    case unknown
}
