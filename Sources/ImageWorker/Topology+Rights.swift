import AMQPClient
public import ImageCore

/// Who comes to the broker. Each has a user of its own, with the least rights its work needs; nobody among them may
/// make, change or delete a queue or an exchange.
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
    /// Without a line for it, a topic exchange that may be written or read may be so with any routing key.
    public var topics: [Topic] = []

    /// What may be done with a topic exchange, as patterns of routing keys: publishing, and binding a queue.
    public struct Topic: Sendable, Equatable {
        public var exchange: String
        public var write: String
        public var read: String
    }

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
        // Answers go by way of the default exchange, to whatever queue the request names. Requests are those that a
        // person has put back: a worker sends what is left in the outbox.
        case .worker:
            [exchange(for: .requests), exchange(for: .jobs)] + Rung.allCases.map { exchange(for: .retry($0)) }
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

    /// - Parameter owners: whose events the producer may read. Empty: everybody's.
    public func rights(of role: BrokerRole, owners: [Owner] = []) -> BrokerRights {
        var (written, read, topics) = (written(by: role), read(by: role), [BrokerRights.Topic]())
        switch role {
        case .producer:
            // To bind a queue is to write to it and to read the exchange.
            written.append(subscription)
            read.append(events)
            // The owner is the last word of an event's routing key.
            let keys = owners.isEmpty ? ".*" : "(^|\\.)(\(owners.map(\.text).sorted().joined(separator: "|")))$"
            topics = [.init(exchange: events, write: BrokerRights.nothing, read: keys)]
        case .worker:
            // Exchange and queue of dead letters, and of each rung, share a name: without this a worker could bind a
            // rung's queue to the dead letters.
            topics = [.init(exchange: exchange(for: .dead), write: ".*", read: BrokerRights.nothing)]
        case .operator, .console: break
        }
        return BrokerRights(write: Self.pattern(written), read: Self.pattern(read), topics: topics)
    }

    /// Matches these names and no others.
    private static func pattern(_ names: [String]) -> String {
        let known = names.map { $0.isEmpty ? "amq\\.default" : $0.replacing(".", with: "\\.") }
        return known.isEmpty ? BrokerRights.nothing : "^(\(known.joined(separator: "|")))$"
    }
}
