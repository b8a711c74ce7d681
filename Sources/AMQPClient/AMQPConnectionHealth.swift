import Glibc
import Synchronization

/// What a connection's thread last noted of itself. Reading it does not involve that thread, so it works while the
/// thread hangs.
public struct AMQPConnectionHealth: Sendable, Hashable {
    /// Whether there was a connection at the end of the last turn.
    public var isConnected = false
    /// The present or last connection, counted from 1; 0 before the first.
    public var generation: UInt64 = 0
    /// When the thread looks at its connection again at the latest, even if nothing happens; nil when it has no reason
    /// to. Long past this time it hangs.
    public var nextTurn: ContinuousClock.Instant?
    /// When anything last came from the broker, heartbeats included, to within a second; nil before the first
    /// connection.
    public var lastHeard: ContinuousClock.Instant?
    /// Queues to be subscribed again as soon as it is possible.
    public var missingQueues: [String] = []

    /// As before the first connection.
    public init() {}
}

/// The health of a connection, as its thread writes it down.
final class ConnectionHealthRecord: Sendable {
    private struct State {
        var connectionHealth = AMQPConnectionHealth()
        var nextLook = ContinuousClock.now
    }
    private let state = Mutex(State())

    var connectionHealth: AMQPConnectionHealth { state.withLock { $0.connectionHealth } }

    /// At the end of each turn.
    func note(_ link: BrokerLink?, generation: UInt64, missing: [String] = [], next: ContinuousClock.Instant?) {
        let now = ContinuousClock.now
        state.withLock { state in
            // The kernel knows when bytes came; asking it each turn would be a system call more for each delivery.
            if let link, state.nextLook <= now || state.connectionHealth.generation != generation {
                state.connectionHealth.lastHeard = link.silence.map { now - $0 } ?? state.connectionHealth.lastHeard
                state.nextLook = now + .seconds(1)
            }
            state.connectionHealth.isConnected = link != nil
            state.connectionHealth.generation = generation
            state.connectionHealth.nextTurn = next
            state.connectionHealth.missingQueues = missing
        }
    }
}

extension BrokerLink {
    /// How long ago the last bytes came; nil when the kernel does not tell.
    var silence: Duration? {
        var info = tcp_info()
        var size = socklen_t(MemoryLayout<tcp_info>.size)
        guard getsockopt(descriptor, CInt(IPPROTO_TCP), TCP_INFO, &info, &size) == 0 else { return nil }
        return .milliseconds(Int64(info.tcpi_last_data_recv))
    }
}
