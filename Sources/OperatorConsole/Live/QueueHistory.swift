import ImageCore
import Operations
import ServiceLifecycle
import Synchronization

/// The queues as they were the last times they were looked at: what sparklines are drawn from. In memory only.
final class QueueHistory: Service {
    struct State: Sendable {
        /// As they were last time.
        var queues: [QueueStatus] = []
        /// What was ready in each, oldest first.
        var ready: [String: [Int]] = [:]
        /// Why they could not be looked at last time.
        var problem: BrokerStatusError?
        var lookedAt: Timestamp?
    }

    /// Samples kept of each queue: with one each 5 seconds, the last five minutes.
    static let length = 60

    private let broker: any BrokerStatusProvider
    private let time: any Timekeeper
    private let every: Duration
    private let telemetry: ConsoleTelemetry
    private let state = Mutex(State())

    init(broker: any BrokerStatusProvider, time: any Timekeeper, every: Duration, telemetry: ConsoleTelemetry) {
        self.broker = broker
        self.time = time
        self.every = every
        self.telemetry = telemetry
    }

    var now: State { state.withLock { $0 } }

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.sample()
                try await self.time.sleep(for: self.every)
            }
        }
    }

    func sample() async {
        do throws(BrokerStatusError) {
            let queues = try await broker.queues()
            let now = time.now()
            telemetry.saw(.broker, at: now)
            state.withLock { state in
                state.queues = queues
                state.problem = nil
                state.lookedAt = now
                for queue in queues {
                    let kept = state.ready[queue.name, default: []].suffix(Self.length - 1)
                    state.ready[queue.name] = kept + [queue.ready ?? 0]
                }
            }
        } catch {
            state.withLock { $0.problem = error }
        }
    }
}
