/// Times and limits of a connection. The defaults suit a broker on the same network.
public struct AMQPOptions: Sendable {
    /// Heartbeat interval asked for, whole seconds, 1–600; the smaller of ours and the broker's is used.
    /// A peer silent for twice this time is given up. Default 15 s.
    public var heartbeat: Duration = .seconds(15)
    /// For one attempt: TCP, TLS and the AMQP handshake, each. Looking up the host's name comes on top. Default 5 s.
    public var connectTimeout: Duration = .seconds(5)
    /// For a request the broker answers, and for writing settlements. Default 10 s.
    public var callTimeout: Duration = .seconds(10)
    /// From the call of `publish` to the broker's confirm, reconnects included. Also how long the kernel keeps trying to
    /// deliver bytes that the broker's host does not acknowledge (`TCP_USER_TIMEOUT`). Default 30 s.
    public var publishTimeout: Duration = .seconds(30)
    /// First wait before reconnecting; doubled each time up to ``backoffLimit``, and jittered. Default 0.2 s.
    public var backoffStart: Duration = .milliseconds(200)
    /// Longest wait before reconnecting. Default 10 s.
    public var backoffLimit: Duration = .seconds(10)
    /// Most messages sent and not yet confirmed; more wait their turn. At least 1.
    /// Default 1024.
    public var publishWindow: Int = 1024
    /// Largest body `publish` accepts, and largest that is kept of what comes. Default 16 MiB, which is what RabbitMQ 4
    /// takes; older brokers let 128 MiB through.
    public var maximumBodyBytes: Int = 16 << 20

    /// The defaults.
    public init() {}
}

/// Capped exponential backoff with jitter: each wait is between half and the whole of its nominal value, so that
/// the clients of a restarted broker do not come back all at once.
struct Backoff {
    private let start: Duration
    private let limit: Duration
    private var nominal: Duration

    init(start: Duration, limit: Duration) {
        self.start = start
        self.limit = limit
        nominal = start
    }

    init(_ options: AMQPOptions) {
        self.init(start: options.backoffStart, limit: options.backoffLimit)
    }

    mutating func reset() { nominal = start }

    mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        defer { nominal = min(nominal * 2, limit) }
        return min(nominal, limit) * Double.random(in: 0.5...1, using: &generator)
    }
}
