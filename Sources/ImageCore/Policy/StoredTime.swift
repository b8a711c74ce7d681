/// What a time in the store is worth. It was written by a worker's idea of the store's clock; one that lies further
/// ahead than anything is ever put off comes from a clock that was wrong, and nothing waits for it.
public enum StoredTime {
    /// By how much two workers' ideas of the store's time may differ. 10 s.
    public static let tolerance = Duration.seconds(10)

    /// How far ahead the message of a job is expected at most: the longest delay, and the time until it counts as lost.
    public static let longestExpectation = RetryDelay.hour1.duration + RetryPolicy().overdueAfter + tolerance

    /// Whether something that is due at `moment` is overdue, or was written by a clock that was wrong.
    public static func isOverdue(_ moment: Timestamp, at now: Timestamp) -> Bool {
        moment <= now || moment > now + longestExpectation
    }
}

extension Lease {
    /// The longest that the setting `lease` allows: that of a lease which an older version wrote without its length.
    public static let longest = Duration.seconds(3600)

    /// Whether its worker counts as at work, by the store's clock. A lease that ends later than it is long was written
    /// by a clock that was wrong, and is not believed.
    public func isAlive(at now: Timestamp) -> Bool { expiresAt > now && isBelievable(at: now) }

    /// Whether a worker whose clock was right can have written its end.
    public func isBelievable(at now: Timestamp) -> Bool {
        expiresAt <= now + (length ?? Self.longest) + StoredTime.tolerance
    }
}
