/// Reads the state of the broker's queues. Looking only, so its broker user needs no rights.
public protocol BrokerStatusProvider: Sendable {
    /// Every queue as the broker has it now.
    /// - Throws: `BrokerStatusError` when the broker cannot be asked.
    func queues() async throws(BrokerStatusError) -> [QueueStatus]
}

/// Why something could not be looked at or done, for people.
public struct BrokerStatusError: Error, Equatable, Sendable {
    public var message: String
    public var advice: String?

    public init(_ message: String, advice: String? = nil) {
        self.message = message
        self.advice = advice
    }
}

/// One queue at one moment.
public struct QueueStatus: Codable, Equatable, Sendable {
    public enum Role: String, Codable, Sendable {
        /// Workers must consume it.
        case work
        /// Workers must consume it while something is in it: jobs of no host, where there are hosts.
        case spare
        /// Messages wait in it until their time has come.
        case retry
        /// Workers write down what comes into it, and only people decide about that.
        case human
        /// It holds bodies too large for the store, which dead letters name, until a human removes them.
        case kept
    }

    public var name: String
    public var purpose: String
    public var role: Role
    /// Absent when the queue does not exist.
    public var ready: Int?
    public var consumers: Int?

    /// Whether workers must consume it now.
    public var needsConsumer: Bool {
        switch role {
        case .work, .human: true
        case .spare: (ready ?? 0) > 0
        case .retry, .kept: false
        }
    }

    public init(name: String, purpose: String, role: Role, ready: Int?, consumers: Int?) {
        self.name = name
        self.purpose = purpose
        self.role = role
        self.ready = ready
        self.consumers = consumers
    }
}

extension [QueueStatus] {
    /// What people look at first stands first.
    public var forPeople: [QueueStatus] {
        let order: [QueueStatus.Role] = [.work, .spare, .human, .kept, .retry]
        return order.flatMap { role in filter { $0.role == role } }
    }
}
