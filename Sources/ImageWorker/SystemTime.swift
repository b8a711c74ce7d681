public import ImageCore

#if canImport(Glibc)
    import Glibc
#endif

/// The machine's own clocks.
public struct SystemTime: Timekeeper {
    public init() {}

    public func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    public func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
