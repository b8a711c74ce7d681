public import ImageCore

/// What a person decides about dead letters, by the store's clock wherever they decide it.
public struct DeadLetterActions: Sendable {
    private let store: any DeadLetterStore & RequestStore & StoreReader

    public init(store: any DeadLetterStore & RequestStore & StoreReader) { self.store = store }

    /// - Parameters:
    ///   - who: for the history.
    ///   - isForced: also what was replayed and has not come back, or came back from every replay.
    ///   - sender: the sender of the message, as this process may or may not write to the broker.
    public func replay(
        _ id: DeadLetterID,
        by who: String,
        isForced: Bool,
        sentBy sender: OutboxSender
    ) async throws(StoreError) -> DeadLetterResult {
        try await store.replay(id, by: who, isForced: isForced, sentBy: sender, at: try await store.time())
    }

    /// - Parameter note: why, for the history. One that says nothing is left out.
    public func discard(_ id: DeadLetterID, by who: String, note: String?) async throws(StoreError) -> DeadLetterResult
    {
        let note = note.map { PlainText.sentence($0) }.flatMap { $0.isEmpty ? nil : $0 }
        return try await store.discard(id, by: who, note: note, at: try await store.time())
    }

    /// What workers said to replays. The replay of a failed job is a request like any other.
    public struct Answers: Sendable {
        public var refusals: [DeadLetterID: Rejection] = [:]
        /// How many have no answer yet.
        public var unanswered = 0
    }

    /// Waits for the answers to replays that ask for one.
    public func answers(
        to deadLetters: [DeadLetter],
        by time: any Timekeeper,
        timeout: Duration
    ) async throws(StoreError) -> Answers {
        let wait = AnswerWait(store: store, time: time, every: .milliseconds(100), timeout: timeout)
        let recorded = try await wait.answers(to: deadLetters.compactMap(\.retryRequest))
        var answers = Answers()
        for deadLetter in deadLetters {
            guard let request = deadLetter.retryRequest else { continue }
            guard let answer = recorded[request] else {
                answers.unanswered += 1
                continue
            }
            answers.refusals[deadLetter.id] = answer.answer.rejection
        }
        return answers
    }
}
