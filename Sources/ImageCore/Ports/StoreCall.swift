/// The functions of the store's ports, as metrics name them.
///
/// The raw values are label values of `goldsmith_store_seconds`, which dashboards and alerts use: renaming a function
/// must not change its case here.
public enum StoreOperation: String, CaseIterable, Sendable {
    case begin, renew, apply, imageCounts, quotas, keep, deadLetters, deadLetterGroups, deadLetter, replay,
        discard, denied, report, signOff, workers, leases, openImages, unsent, markSent, markUnsent, moveBehind,
        overdue,
        image, images, forget, journal, locks, quota, setQuota, put, waiting, answer, accept, grant, convert,
        record, reject, statistics, time
}

/// One call of a store that has ended, for telemetry.
public struct StoreCall: Equatable, Sendable {
    public var operation: StoreOperation
    /// From the call to its end, with what it waited for a connection or another transaction.
    public var duration: Duration
    /// How often its transaction was repeated, because it lost a race or its connection.
    public var repeats: Int
    /// `nil`: it went well.
    public var failure: StoreError.Kind?

    public init(operation: StoreOperation, duration: Duration, repeats: Int, failure: StoreError.Kind?) {
        self.operation = operation
        self.duration = duration
        self.repeats = repeats
        self.failure = failure
    }
}
