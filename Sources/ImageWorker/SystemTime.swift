public import ImageCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The machine's own clocks.
public struct SystemTime: Timekeeper {
    public init() {}

    public func now() -> Timestamp { Timestamp(microseconds: Self.microseconds(CLOCK_REALTIME)) }

    /// Since the machine was started, with the time for which it was suspended.
    public func uptime() -> Duration { .microseconds(Self.microseconds(CLOCK_BOOTTIME)) }

    public func sleep(for duration: Duration) async throws { try await AlarmClock.shared.sleep(for: duration) }

    private static func microseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}

/// The store's clock, as a process knows it: the store's last answer, plus the time since by a monotonic clock.
/// The machine's own time of day until the store has been asked.
public final class StoreTime: Timekeeper {
    private struct Reading {
        var time: Timestamp
        var uptime: Duration
    }

    /// The machine's own clock, which may be wrong.
    let machine: any Timekeeper
    private let reading = Mutex<Reading?>(nil)

    public init(_ machine: any Timekeeper) { self.machine = machine }

    public func now() -> Timestamp {
        guard let reading = reading.withLock({ $0 }) else { return machine.now() }
        return reading.time + (machine.uptime() - reading.uptime)
    }

    public func uptime() -> Duration { machine.uptime() }

    public func sleep(for duration: Duration) async throws { try await machine.sleep(for: duration) }

    /// Asks the store what time it is.
    public func follow(_ store: any StoreReader) async throws(StoreError) {
        let asked = machine.uptime()
        let time = try await store.time()
        // The store looked at its clock somewhere between question and answer.
        let uptime = asked + (machine.uptime() - asked) / 2
        reading.withLock { $0 = Reading(time: time, uptime: uptime) }
    }
}
