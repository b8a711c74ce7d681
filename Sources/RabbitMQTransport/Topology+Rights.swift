import AMQPClient
public import ImageCore

/// The broker's users. Each has the least rights its work needs; none may make, change or delete a queue or an
/// exchange.
public enum BrokerRole: String, CaseIterable, Sendable {
    /// An upstream system: sends requests, and reads its own answers and the events of its owners.
    case producer
    case worker
    /// A person at the command line.
    case `operator`
    /// Looks at how full queues are, which needs no right at all.
    case console
}

/// What a user may do, as the broker takes it: regular expressions over names of exchanges and queues.
public struct BrokerRights: Sendable, Equatable {
    public var configure = BrokerRights.nothing
    public var write = BrokerRights.nothing
    public var read = BrokerRights.nothing

    /// Matches the empty name only, which nothing has.
    public static let nothing = "^$"
}

extension Topology {
    /// A producer's own queues: for the answers to its requests (its `reply_to`), and for the events it asks for.
    public var producerQueues: [Queue] {
        // A system that has stopped reading keeps what is newest; an answer can be asked for again.
        let arguments: AMQPTable = [
            "x-queue-type": "quorum", "x-delivery-limit": 1_000_000, "x-overflow": "drop-head",
            "x-max-length": .int(Int64(Self.standardIntakeLimit)),
        ]
        return [
            Queue(name: answers, arguments: arguments, purpose: "the producer's answers"),
            Queue(name: subscription, arguments: arguments, purpose: "the producer's events"),
        ]
    }

    private var answers: String { "\(prefix).producer.answers" }
    private var subscription: String { "\(prefix).producer.events" }

    /// The name of a role's user.
    public func user(of role: BrokerRole) -> String { "\(prefix)-\(role.rawValue)" }

    /// The role whose user has this name; `nil` when none has.
    public func role(of user: String) -> BrokerRole? { BrokerRole.allCases.first { self.user(of: $0) == user } }

    /// The exchanges a role publishes to. The empty name is the default exchange.
    public func written(by role: BrokerRole) -> [String] {
        switch role {
        case .producer: [requests]
        // Answers go through the default exchange, to the queue the request names. Requests are those that a person
        // has put back: a worker sends what is left in the outbox.
        case .worker:
            [exchange(for: .requests), exchange(for: .jobs)] + RetryDelay.allCases.map { exchange(for: .retry($0)) }
                + [exchange(for: .dead), exchange(for: .parking), exchange(for: .events), exchange(for: .reply)]
        // Sends requests, and puts requests and jobs back.
        case .operator: [requests, exchange(for: .jobs)]
        case .console: []
        }
    }

    /// The queues a role takes messages from.
    public func read(by role: BrokerRole) -> [String] {
        switch role {
        case .producer: producerQueues.map(\.name)
        case .worker: consumedQueues
        case .operator, .console: []
        }
    }

    /// The bindings that bring a producer the events of these owners. Without owners it binds its queue itself, to
    /// what it wants.
    public func producerBindings(for owners: [Owner]) -> [Binding] {
        // The owner is the last word of an event's routing key.
        owners.sorted().map { Binding(queue: subscription, exchange: events, routingKey: "#.\($0)") }
    }

    /// - Parameter owners: whose events the producer may read. Empty: all. Else its queue is bound for it, and it may
    ///   bind nothing: some brokers cannot import a right that depends on routing keys.
    public func rights(of role: BrokerRole, owners: [Owner] = []) -> BrokerRights {
        var (written, read) = (written(by: role), read(by: role))
        if role == .producer, owners.isEmpty {
            // To bind a queue is to write to it and to read the exchange.
            written.append(subscription)
            read.append(events)
        }
        return BrokerRights(write: Self.pattern(written), read: Self.pattern(read))
    }

    /// Matches these names and no others.
    private static func pattern(_ names: [String]) -> String {
        let known = names.map { $0.isEmpty ? "amq\\.default" : $0.replacing(".", with: "\\.") }
        return known.isEmpty ? BrokerRights.nothing : "^(\(known.joined(separator: "|")))$"
    }
}
