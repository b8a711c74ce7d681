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
