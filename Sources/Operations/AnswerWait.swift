public import ImageCore

/// Waits for the answers that workers record in the store. Asking the store costs little, and needs no queue of one's own.
public struct AnswerWait: Sendable {
    private let store: any RequestStore
    private let time: any Timekeeper
    private let every: Duration
    private let timeout: Duration

    /// - Parameters:
    ///   - every: how often the store is asked.
    ///   - timeout: how long at most. Zero asks once.
    public init(store: any RequestStore, time: any Timekeeper, every: Duration, timeout: Duration) {
        self.store = store
        self.time = time
        self.every = every
        self.timeout = timeout
    }

    /// - Returns: what is recorded for each request that is answered in time. Also ends when the task is cancelled.
    public func answers(
        to requests: [RequestIdentity]
    ) async throws(StoreError) -> [RequestIdentity: RecordedAnswer] {
        let deadline = time.uptime() + timeout
        var answers: [RequestIdentity: RecordedAnswer] = [:]
        while true {
            for request in requests where answers[request] == nil {
                answers[request] = try await store.answer(to: request)
            }
            guard !requests.allSatisfy({ answers[$0] != nil }), time.uptime() < deadline,
                (try? await time.sleep(for: every)) != nil
            else { return answers }
        }
    }

    /// - Returns: `nil` when there is none in time.
    public func answer(to request: RequestIdentity) async throws(StoreError) -> RecordedAnswer? {
        try await answers(to: [request])[request]
    }
}
