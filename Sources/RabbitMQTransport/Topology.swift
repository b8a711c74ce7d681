public import AMQPClient
public import ImageCore
import ImageWorker

/// The exchanges, queues and bindings, as data. Every name begins with a prefix.
///
/// Works unchanged on RabbitMQ 3.10 to 4.x: `x-delivery-limit` is always set and positive, since its default and the
/// meaning of -1 differ between versions.
public struct Topology: Sendable, Equatable {
    public struct Exchange: Sendable, Equatable {
        public var name: String
        public var type: String
        public var arguments: AMQPTable = [:]
    }

    public struct Queue: Sendable, Equatable {
        public var name: String
        public var arguments: AMQPTable
        /// Says what the queue is for, in listings.
        public var purpose: String
    }

    public struct Binding: Sendable, Equatable {
        public var queue: String
        public var exchange: String
        public var routingKey: String
    }

    /// The default prefix of all names.
    public static let standardPrefix = WorkerOptions.standardPrefix
    /// Requests beyond this many are refused by the broker: back-pressure that an upstream sees as a negative confirm.
    public static let standardIntakeLimit = 100_000

    public let prefix: String
    /// The lanes of the installation: each is a queue.
    public let lanes: LaneList
    public let exchanges: [Exchange]
    public let queues: [Queue]
    public let bindings: [Binding]

    /// - Parameter hosts: those with files of their own. Each has a queue for each step.
    public init(prefix: String = standardPrefix, intakeLimit: Int = standardIntakeLimit, hosts: [HostName] = []) {
        let lanes = LaneList(hosts: hosts)
        let jobs = lanes.all.filter { $0.step != nil }
        let name = { (suffix: String) in "\(prefix).\(suffix)" }
        let unroutable: AMQPTable = ["alternate-exchange": .string(name("unroutable"))]
        // A message that no job queue takes would block its retry queue forever; the alternate exchange takes it.
        var exchanges = [
            Exchange(name: name("unroutable"), type: "fanout"),
            Exchange(name: name("parking"), type: "fanout"),
            Exchange(name: name("dead"), type: "topic"),
            Exchange(name: name("events"), type: "topic"),
            Exchange(name: name("requests"), type: "direct", arguments: unroutable),
            Exchange(name: name("jobs"), type: "direct", arguments: unroutable),
        ]
        exchanges += RetryDelay.allCases.map { Exchange(name: name("retry.\($0.rawValue)"), type: "fanout") }

        let forHumans: AMQPTable = ["x-queue-type": "quorum", "x-delivery-limit": 1_000_000]
        // Business retries never requeue, so this only catches messages that kill their worker.
        let work = { (deadLetters: String) -> AMQPTable in
            [
                "x-queue-type": "quorum", "x-delivery-limit": 20, "x-overflow": "reject-publish",
                "x-dead-letter-exchange": .string(name(deadLetters)), "x-dead-letter-strategy": "at-least-once",
            ]
        }
        var queues = [
            Queue(name: name("unrouted"), arguments: forHumans, purpose: "messages no queue was bound for"),
            Queue(name: name("parked"), arguments: forHumans, purpose: "messages only a human can judge"),
            Queue(
                name: name("oversized"),
                arguments: forHumans,
                purpose: "bodies too large for the store, whose dead letters are there"
            ),
            Queue(
                name: name("intake"),
                arguments: work("parking").merging(["x-max-length": .int(Int64(intakeLimit))]) { first, _ in first },
                purpose: "requests"
            ),
            Queue(name: name("dead"), arguments: work("parking"), purpose: "jobs that cannot be done"),
        ]
        queues += jobs.map { Queue(name: name("job.\($0)"), arguments: work("dead"), purpose: "jobs of \($0)") }
        queues += RetryDelay.allCases.map { delay in
            let waiting: AMQPTable = [
                "x-queue-type": "quorum", "x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once",
                "x-dead-letter-exchange": .string(name("jobs")), "x-delivery-limit": 1_000_000,
                "x-message-ttl": .int(delay.duration.microseconds / 1000),
            ]
            return Queue(
                name: name("retry.\(delay.rawValue)"),
                arguments: waiting,
                purpose: "jobs waiting for \(delay.rawValue)"
            )
        }

        var bindings = [
            Binding(queue: name("unrouted"), exchange: name("unroutable"), routingKey: ""),
            Binding(queue: name("parked"), exchange: name("parking"), routingKey: ""),
            Binding(queue: name("dead"), exchange: name("dead"), routingKey: "#"),
        ]
        bindings += Operation.allCases.map {
            Binding(queue: name("intake"), exchange: name("requests"), routingKey: $0.rawValue)
        }
        // A request that waits comes back from its retry queue by the exchange that all of them lead to.
        bindings += Operation.allCases.map {
            Binding(queue: name("intake"), exchange: name("jobs"), routingKey: $0.rawValue)
        }
        bindings += jobs.map { Binding(queue: name("job.\($0)"), exchange: name("jobs"), routingKey: "\($0)") }
        bindings += RetryDelay.allCases.map {
            Binding(queue: name("retry.\($0.rawValue)"), exchange: name("retry.\($0.rawValue)"), routingKey: "")
        }
        self.prefix = prefix
        self.lanes = lanes
        self.exchanges = exchanges
        self.queues = queues
        self.bindings = bindings
    }

    /// The exchange upstream systems publish requests to.
    public var requests: String { "\(prefix).requests" }
    /// The exchange that announces every transition.
    public var events: String { exchange(for: .events) }
    /// Holds messages whose body is too large for the store. It has no consumers.
    public var oversized: String { "\(prefix).oversized" }
    /// The queues workers must serve.
    public var consumedQueues: [String] { lanes.all.map { queue(of: $0) } }
    /// What no program can handle. Workers write it down as dead letters, for people.
    public var queuesForHumans: [String] { lanes.all.filter(\.isForHumans).map { queue(of: $0) } }

    func exchange(for destination: OutgoingMessage.Destination) -> String {
        switch destination {
        case .requests: requests
        case .jobs: "\(prefix).jobs"
        case .retry(let delay): "\(prefix).retry.\(delay.rawValue)"
        case .dead: "\(prefix).dead"
        case .parking: "\(prefix).parking"
        case .events: "\(prefix).events"
        case .reply: ""
        }
    }

    public func queue(of lane: Lane) -> String {
        switch lane {
        case .intake: "\(prefix).intake"
        case .job: "\(prefix).job.\(lane)"
        case .deadLetters: "\(prefix).dead"
        case .parked: "\(prefix).parked"
        case .unrouted: "\(prefix).unrouted"
        }
    }
}
