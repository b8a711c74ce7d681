public import ImageCore
import Synchronization

/// A machine whose time of day is wrong, by as much as one likes and from when one likes. Its periods are right.
public final class SkewedTime: Timekeeper {
    private let time: any Timekeeper
    private let offset: Mutex<Duration>

    /// - Parameter ahead: by how much it is ahead from the beginning.
    public init(_ time: any Timekeeper, ahead: Duration = .zero) {
        self.time = time
        offset = Mutex(ahead)
    }

    public var ahead: Duration { offset.withLock { $0 } }

    /// Sets the clock.
    public func set(ahead: Duration) { offset.withLock { $0 = ahead } }

    public func now() -> Timestamp { time.now() + ahead }
    public func uptime() -> Duration { time.uptime() }
    public func sleep(for duration: Duration) async throws { try await time.sleep(for: duration) }
}
