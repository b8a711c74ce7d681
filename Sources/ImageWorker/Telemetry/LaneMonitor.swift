public import ImageCore
import Synchronization

/// What the broker says of a lane's queue.
public struct LaneStatus: Sendable, Equatable {
    /// Messages ready for delivery.
    public var ready: Int
    /// Those of all workers.
    public var consumers: Int

    public init(ready: Int, consumers: Int) {
        self.ready = ready
        self.consumers = consumers
    }
}

/// Asks the broker about the queues a worker serves.
public protocol LaneInspector: Sendable {
    /// `nil` when it is unknown.
    func status(of lane: Lane) async -> LaneStatus?
}

/// Finds a subscription that is dead and does not know it: its connection lives, and yet nothing comes.
final class LaneMonitor: Sendable {
    private struct State {
        var deliveries = 0
        var inHand = 0
        var seenDeliveries = 0
        /// Since when the signs of a dead subscription are there.
        var suspectSince: Duration?
        var sign = ""
    }
    private let lanes = Mutex<[Lane: State]>([:])

    /// How long a sign must last. A queue may be asked about in the moment between two deliveries.
    static let timeout = Duration.seconds(30)

    func came(in lane: Lane) {
        lanes.withLock {
            $0[lane, default: State()].deliveries += 1
            $0[lane, default: State()].inHand += 1
        }
    }

    func isHandled(in lane: Lane) { lanes.withLock { $0[lane, default: State()].inHand -= 1 } }

    /// - Parameters:
    ///   - prefetch: how many deliveries the broker hands out at once.
    ///   - now: by `Timekeeper.uptime`.
    func note(_ status: LaneStatus?, of lane: Lane, prefetch: Int, at now: Duration) {
        lanes.withLock { lanes in
            var state = lanes[lane] ?? State()
            defer { lanes[lane] = state }
            let isBusy = state.deliveries != state.seenDeliveries || state.inHand >= prefetch
            state.seenDeliveries = state.deliveries
            let sign: String? =
                switch status {
                case .none: nil
                case .some(let status) where status.consumers == 0: "the broker counts no consumer on its queue"
                case .some(let status) where status.ready > 0 && !isBusy:
                    "messages wait in its queue, this worker has room, and none comes"
                case .some: nil
                }
            guard let sign else {
                state.suspectSince = nil
                return
            }
            state.sign = sign
            state.suspectSince = state.suspectSince ?? now
        }
    }

    /// Lanes whose subscription is dead, each with the sign of it and since when.
    func dead(at now: Duration) -> [(lane: Lane, sign: String, since: Duration)] {
        lanes.withLock { lanes in
            lanes.sorted { $0.key.description < $1.key.description }.compactMap { lane, state in
                guard let since = state.suspectSince, now - since >= Self.timeout else { return nil }
                return (lane, state.sign, since)
            }
        }
    }
}
