/// The only way code outside the core learns the time or waits, so that tests can hold time in their hands.
public protocol Timekeeper: Sendable {
    /// Wall-clock time.
    func now() -> Timestamp
    /// - Throws: `CancellationError` when the task is cancelled meanwhile.
    func sleep(for duration: Duration) async throws
}
