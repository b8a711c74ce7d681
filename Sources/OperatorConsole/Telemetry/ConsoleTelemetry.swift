public import ImageCore
public import Observability
import PrometheusMetrics
import ServiceLifecycle
import Synchronization

/// Watches one console: what it has answered, and whether it still sees what it shows. Nothing that a person has named.
public final class ConsoleTelemetry: Sendable {
    /// Live values that the telemetry reads while the console runs.
    struct Counts: Sendable {
        var streams: @Sendable () -> Int
        var sessions: @Sendable () -> Int
    }

    private struct State {
        var seen: [ConsoleMetrics.Sight: Timestamp] = [:]
        var counts: Counts?
    }

    /// How old the last look at the store may be before a console counts as blind.
    static let timeout = Duration.seconds(60)

    private let registry = MetricsRegistry(ConsoleMetrics.all)
    private let state = Mutex(State())

    /// - Parameter now: when the process began.
    public init(version: String, at now: Timestamp) {
        ProcessMetrics.began(version: version, at: Double(now.microseconds) / 1e6, on: registry)
    }

    func lend(_ counts: Counts) { state.withLock { $0.counts = counts } }

    func saw(_ sight: ConsoleMetrics.Sight, at now: Timestamp) { state.withLock { $0.seen[sight] = now } }

    func answered(_ kind: ConsoleMetrics.Kind, _ status: Int, after duration: Duration) {
        registry.add(to: ConsoleMetrics.requests, kind.rawValue, String(status))
        registry.observe(duration / .seconds(1), in: ConsoleMetrics.requestSeconds, kind.rawValue)
    }

    func loggedIn(_ result: ConsoleMetrics.Login) { registry.add(to: ConsoleMetrics.logins, result.rawValue) }

    // MARK: Asked from outside

    /// The text format of Prometheus.
    public func metrics(at now: Timestamp) -> String {
        let state = state.withLock { $0 }
        for sight in ConsoleMetrics.Sight.allCases {
            let age = state.seen[sight].map { Double(max(0, (now - $0).microseconds)) / 1e6 }
            registry.set(ConsoleMetrics.lookAge, sight.rawValue, to: age ?? .nan)
        }
        registry.set(ConsoleMetrics.streams, to: Double(state.counts?.streams() ?? 0))
        registry.set(ConsoleMetrics.sessions, to: Double(state.counts?.sessions() ?? 0))
        registry.set(ConsoleMetrics.ready, to: ready(at: now).isGood ? 1 : 0)
        ProcessMetrics.note(.read(), on: registry)
        return registry.text
    }

    /// A console without its store can show nothing. Without the broker it shows all but the queues, and says so
    /// itself.
    public func ready(at now: Timestamp) -> HealthServer.Verdict {
        guard let seen = state.withLock({ $0.seen[.store] }) else {
            return HealthServer.Verdict(isGood: false, reasons: ["the store has not been seen yet"])
        }
        let age = now - seen
        guard age > Self.timeout else { return HealthServer.Verdict(isGood: true, reasons: []) }
        let seconds = age.microseconds / 1_000_000
        return HealthServer.Verdict(isGood: false, reasons: ["the store has not been seen for \(seconds) s"])
    }
}

/// Asks the store a cheap question at intervals, so that a console knows whether it can read the store also while no
/// page is open.
struct StoreLookout: Service {
    let store: any StoreReader
    let time: any Timekeeper
    let every: Duration
    let telemetry: ConsoleTelemetry

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await look()
                try await time.sleep(for: every)
            }
        }
    }

    func look() async {
        guard (try? await store.workers()) != nil else { return }
        telemetry.saw(.store, at: time.now())
    }
}
