import CRabbitMQ
import Glibc

/// An eventfd: any thread may wake the one thread which waits on it. A wake between two waits is never lost.
struct WakeSignal: ~Copyable, Sendable {
    private let descriptor: CInt

    init() {
        descriptor = goldsmith_eventfd()
        precondition(descriptor >= 0, "no file descriptor left for an eventfd")
    }

    deinit { close(descriptor) }

    func wake() {
        var one: UInt64 = 1
        // Can only fail when the counter is already full, and then the waiter is awake anyway.
        _ = write(descriptor, &one, 8)
    }

    /// Sleeps until a wake, until `interest`'s socket is ready, or until its deadline.
    func wait(for interest: PollInterest) {
        var descriptors = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            // A negative descriptor is skipped by poll.
            pollfd(
                fd: interest.descriptor,
                events: Int16(interest.wantsToWrite ? POLLIN | POLLOUT : POLLIN),
                revents: 0
            ),
        ]
        poll(&descriptors, 2, milliseconds(until: interest.deadline))
        if descriptors[0].revents != 0 {
            var count: UInt64 = 0
            _ = read(descriptor, &count, 8)
        }
    }
}

/// What a connection's thread sleeps for.
struct PollInterest {
    /// A socket, or −1.
    var descriptor: CInt = -1
    var wantsToWrite = false
    /// Nil forever.
    var deadline: ContinuousClock.Instant?

    mutating func wake(by instant: ContinuousClock.Instant?) {
        guard let instant else { return }
        deadline = deadline.map { min($0, instant) } ?? instant
    }
}

/// Whether `descriptor` becomes ready for `events` before `deadline` (at once when it is nil or past).
func waitReady(_ descriptor: CInt, _ events: Int32, until deadline: ContinuousClock.Instant?) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&entry, 1, deadline.map { milliseconds(until: $0) } ?? 0) > 0
}

/// Rounded up, so that a wait does not end just before its time and spin; −1 (forever) for nil.
func milliseconds(until deadline: ContinuousClock.Instant?) -> CInt {
    guard let deadline else { return -1 }
    let (seconds, attoseconds) = (deadline - .now).components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return CInt(min(seconds, 100_000)) * 1000 + CInt(attoseconds / 1_000_000_000_000_000) + 1
}
