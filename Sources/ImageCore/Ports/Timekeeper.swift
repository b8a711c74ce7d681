/// The only way code outside the core learns the time or waits, so that tests can hold time in their hands.
public protocol Timekeeper: Sendable {
    /// The time of day. It may be set meanwhile, forward or back: no period is measured by it.
    func now() -> Timestamp
    /// How much time has passed since some moment of its own. Never set and never less than before: for periods, within one
    /// process.
    func uptime() -> Duration
    /// - Throws: `CancellationError` when the task is cancelled meanwhile.
    func sleep(for duration: Duration) async throws
}
