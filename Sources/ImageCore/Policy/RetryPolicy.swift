/// How long a job waits before it is tried again. Each delay has a queue of its own with a fixed time to live, so that
/// a long one never blocks a short one behind it.
public enum RetryDelay: String, Codable, Sendable, CaseIterable {
    case second1 = "1s"
    case seconds5 = "5s"
    case seconds30 = "30s"
    case minutes2 = "2m"
    case minutes10 = "10m"
    case hour1 = "1h"

    public var duration: Duration {
        switch self {
        case .second1: .seconds(1)
        case .seconds5: .seconds(5)
        case .seconds30: .seconds(30)
        case .minutes2: .seconds(120)
        case .minutes10: .seconds(600)
        case .hour1: .seconds(3600)
        }
    }
}

/// How often a failing job is tried, and how long apart.
public struct RetryPolicy: Equatable, Sendable {
    /// Attempts of a step before its dead letter. At least 1; default 6, about 13 minutes of waiting.
    public var attempts = 6
    /// Attempts of a clean-up before a human is needed. Default 30, about a day: what is left behind costs money.
    public var cleanUpAttempts = 30
    /// How often a job may be begun by workers that die before it counts as what kills them. Default 20.
    public var lostAttempts = 20
    /// How long a job may wait without using an attempt, be it for an instance that another image's making holds or
    /// because it is throttled. Default 6 hours; past it, throttling uses attempts and a lock wait fails.
    public var waitDeadline: Duration = .seconds(6 * 3600)
    /// How long after its message should have arrived a job counts as lost. Default 2 minutes.
    public var overdueAfter: Duration = .seconds(120)

    public init() {}

    public func attempts(for step: Step) -> Int { max(1, step == .cleanUp ? cleanUpAttempts : attempts) }

    /// How long to wait after attempt number `attempt` (from 1) has failed.
    /// - Parameter jitter: 0 ..< 1. The outer quarters choose the neighbouring delay, so that jobs which failed
    ///   together do not come back together.
    public func delay(after attempt: Int, jitter: Double) -> RetryDelay {
        let delays = RetryDelay.allCases
        let shift = jitter < 0.25 ? -1 : jitter >= 0.75 ? 1 : 0
        let index = min(max(attempt - 1, 0), delays.count - 1) + shift
        return delays[min(max(index, 0), delays.count - 1)]
    }
}

/// What a transition may depend on besides state and event. Given, never asked for.
public struct TransitionContext: Sendable {
    public var now: Timestamp
    public var policy: RetryPolicy
    /// 0 ..< 1.
    public var jitter: Double
    /// The cause of the event, for the image's history: a worker or a requesting user.
    public var actor: String?
    /// The trace that a new image belongs to.
    public var trace: TraceContext?

    public init(now: Timestamp, policy: RetryPolicy = .init(), jitter: Double = 0.5, actor: String? = nil) {
        self.now = now
        self.policy = policy
        self.jitter = jitter
        self.actor = actor
    }
}
