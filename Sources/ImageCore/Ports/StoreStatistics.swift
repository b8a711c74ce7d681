/// Counts what the store holds, for monitoring. Beside `ImageStore`, since nothing that moves an image needs it.
public protocol StoreStatisticsReader: Sendable {
    /// One transaction that reads counts only; it never grows with what one image holds.
    /// - Parameter now: the time that leases and ages are relative to.
    func statistics(at now: Timestamp) async throws(StoreError) -> StoreStatistics
}

/// How much of everything there is.
public struct StoreStatistics: Equatable, Sendable {
    /// A status that no image has is absent.
    public var images: [ImageStatus: Int] = [:]
    /// Messages that wait for the broker's confirm.
    public var outbox = 0
    /// When the oldest of them was written, or was last tried.
    public var outboxSince: Timestamp?
    public var liveLeases = 0
    /// Of workers that have died and whose jobs are not taken over yet.
    public var expiredLeases = 0
    /// Dead letters that wait for a human. A kind without one is absent.
    public var openDeadLetters: [DeadLetter.Kind: Int] = [:]
    /// Images that something was to be heard of by now. Lasting, it means that sweepers do not get on.
    public var overdueImages = 0

    public init() {}
}
