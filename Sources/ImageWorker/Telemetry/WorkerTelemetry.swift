import ImageCore
import PrometheusMetrics
import Synchronization

/// Watches one worker: what it has done, how it stands, and whether it can go on. Nothing of the work waits for it.
public final class WorkerTelemetry: Sendable {
    private struct Sample {
        /// By `Timekeeper.uptime`, like every moment here.
        var at: Duration
        var storeError: String?
    }
    private struct State {
        var sample: Sample?
        /// Live values that the telemetry reads while the worker runs.
        var connections: (@Sendable () -> TransportHealth)?
        var isServing = false
        var isStopping = false
    }

    let registry = MetricsRegistry(WorkerMetrics.all)
    let lanes = LaneMonitor()
    let tools = ToolMonitor()
    let running = RunningWork()
    private let state = Mutex(State())

    /// How long a thread may be late, and a sample old: connecting takes up to 15 s, a question to the store 10 s.
    static let timeout = Duration.seconds(60)

    public init() {}

    func lend(_ connections: @escaping @Sendable () -> TransportHealth) {
        state.withLock { $0.connections = connections }
    }
    func serves() { state.withLock { $0.isServing = true } }
    func stops() { state.withLock { $0.isStopping = true } }
    /// Whether nothing new is taken any more.
    var isStopping: Bool { state.withLock { $0.isStopping } }

    func begins(_ options: WorkerOptions, at now: Timestamp) {
        ProcessMetrics.began(version: options.identity.version, at: Double(now.microseconds) / 1e6, on: registry)
    }

    /// Notes what the store said, or that it said nothing.
    /// - Parameters:
    ///   - now: by the store's clock.
    ///   - uptime: by the monotonic clock.
    func note(_ statistics: Result<StoreStatistics, StoreError>, now: Timestamp, at uptime: Duration) {
        let storeError: String? = if case .failure(let error) = statistics { error.message } else { nil }
        state.withLock { $0.sample = Sample(at: uptime, storeError: storeError) }
        registry.set(WorkerMetrics.storeUp, to: storeError == nil ? 1 : 0)
        guard case .success(let statistics) = statistics else {
            let stale = [
                WorkerMetrics.images, WorkerMetrics.outbox, WorkerMetrics.outboxAge, WorkerMetrics.leases,
                WorkerMetrics.deadLetters, WorkerMetrics.overdue,
            ]
            for metric in stale { registry.clear(metric) }
            return
        }
        for status in ImageStatus.allCases {
            registry.set(WorkerMetrics.images, status.rawValue, to: Double(statistics.images[status] ?? 0))
        }
        for kind in DeadLetter.Kind.allCases {
            registry.set(WorkerMetrics.deadLetters, kind.rawValue, to: Double(statistics.openDeadLetters[kind] ?? 0))
        }
        registry.set(WorkerMetrics.outbox, to: Double(statistics.outbox))
        let age = statistics.outboxSince.map { Double(max(0, (now - $0).microseconds)) / 1e6 } ?? 0
        registry.set(WorkerMetrics.outboxAge, to: age)
        registry.set(WorkerMetrics.leases, "live", to: Double(statistics.liveLeases))
        registry.set(WorkerMetrics.leases, "expired", to: Double(statistics.expiredLeases))
        registry.set(WorkerMetrics.overdue, to: Double(statistics.overdueImages))
    }

    /// Notes what the broker said of a lane's queue.
    func note(_ status: LaneStatus?, of lane: Lane, prefetch: Int, at now: Duration) {
        registry.set(WorkerMetrics.queueMessages, lane.description, to: status.map { Double($0.ready) } ?? .nan)
        registry.set(WorkerMetrics.queueConsumers, lane.description, to: status.map { Double($0.consumers) } ?? .nan)
        // Only a subscription that this worker believes in can be dead without its knowledge.
        let isServed = isSubscribed && tools.hindrance(of: lane) == nil
        lanes.note(isServed ? status : nil, of: lane, prefetch: prefetch, at: now)
    }

    /// Notes how many workers serve each lane of the installation; `nil` when the store does not tell.
    func note(laneWorkers: [Lane: Int]?) {
        registry.clear(WorkerMetrics.laneWorkers)
        for (lane, count) in laneWorkers ?? [:] {
            registry.set(WorkerMetrics.laneWorkers, lane.description, to: Double(count))
        }
    }

    private var isSubscribed: Bool {
        let state = state.withLock { $0 }
        guard state.isServing, !state.isStopping, let consumer = state.connections?().consumer else { return false }
        return consumer.isConnected && consumer.missingQueues.isEmpty
    }

    // MARK: Asked from outside

    /// The text format of Prometheus.
    /// - Parameter now: by `Timekeeper.uptime`.
    public func metrics(at now: Duration) -> String {
        if let connections = state.withLock({ $0.connections })?() {
            note(connections.consumer, of: "consume")
            note(connections.publisher, of: "publish")
        }
        registry.set(WorkerMetrics.ready, to: health(at: now).isReady ? 1 : 0)
        if let faults = tools.faults {
            for kind in WorkerTool.Kind.allCases {
                registry.set(WorkerMetrics.toolUp, kind.rawValue, to: faults.contains { $0.tool.kind == kind } ? 0 : 1)
            }
        }
        ProcessMetrics.note(.read(), on: registry)
        return registry.text
    }

    private func note(_ connectionHealth: ConnectionHealth, of connection: String) {
        registry.set(WorkerMetrics.connected, connection, to: connectionHealth.isConnected ? 1 : 0)
        registry.set(WorkerMetrics.reconnects, connection, to: Double(max(1, connectionHealth.generation) - 1))
        guard let heard = connectionHealth.lastHeard else { return }
        registry.set(WorkerMetrics.silence, connection, to: (ContinuousClock.now - heard) / .seconds(1))
    }

    /// - Parameter now: by `Timekeeper.uptime`.
    public func health(at now: Duration) -> WorkerHealth {
        let state = state.withLock { $0 }
        var problems: [WorkerHealth.Problem] = []
        if state.isStopping { problems.append(.init("the worker stops")) }
        problems += tools.problems(at: now).map { .init($0) }
        guard state.isServing, let connections = state.connections?() else {
            return WorkerHealth(problems + [.init("the worker has not subscribed to its queues yet")])
        }
        problems += Self.problems(of: connections)
        if let sample = state.sample {
            if let error = sample.storeError { problems.append(.init("the store is out of reach: \(error)")) }
            if now - sample.at > Self.timeout {
                problems.append(
                    .init("store and broker have not answered for \((now - sample.at).microseconds / 1_000_000) s")
                )
            }
        } else {
            problems.append(.init("the store has not been looked at yet"))
        }
        for dead in lanes.dead(at: now) {
            let text = "the subscription of \(dead.lane) is dead: \(dead.sign)"
            problems.append(.init(text, isCuredByRestart: true))
        }
        return WorkerHealth(problems)
    }

    private static func problems(
        of transport: TransportHealth,
        at now: ContinuousClock.Instant = .now
    ) -> [WorkerHealth.Problem] {
        var problems: [WorkerHealth.Problem] = []
        let consumer = transport.consumer
        for (name, connectionHealth) in [("consuming", consumer), ("publishing", transport.publisher)] {
            if let next = connectionHealth.nextTurn, now - next > timeout {
                let late = (now - next).components.seconds
                problems.append(
                    .init("the thread of the \(name) connection has hung for \(late) s", isCuredByRestart: true)
                )
            }
        }
        if !consumer.isConnected {
            problems.append(.init("there is no connection to the broker to consume from"))
        } else if let heard = consumer.lastHeard, now - heard > timeout {
            problems.append(.init("the broker has said nothing for \((now - heard).components.seconds) s"))
        }
        for queue in consumer.missingQueues.sorted() {
            problems.append(.init("there is no subscription to \(queue)"))
        }
        if transport.isBlocked { problems.append(.init("the broker takes no messages (a memory or disk alarm)")) }
        return problems
    }
}
