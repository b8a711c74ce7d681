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

    /// - Parameter owners: whose events the producer may read. Empty: everybody's.
    public func rights(of role: BrokerRole, owners: [Owner] = []) -> BrokerRights {
        let exchange = { (destination: OutgoingMessage.Destination) in self.exchange(for: destination) }
        switch role {
        case .producer:
            // To bind a queue is to write to it and to read the exchange.
            return BrokerRights(
                write: Self.pattern([requests, subscription]),
                read: Self.pattern([answers, subscription, exchange(.events)]),
                topics: [
                    .init(
                        exchange: events,
                        write: BrokerRights.nothing,
                        // The owner is the last word of an event's routing key.
                        read: owners.isEmpty ? ".*" : "(^|\\.)(\(owners.map(\.text).sorted().joined(separator: "|")))$"
                    )
                ]
            )
        case .worker:
            // Answers go by way of the default exchange, to whatever queue the request names.
            let written = [exchange(.jobs)] + Rung.allCases.map { exchange(.retry($0)) }
            return BrokerRights(
                write: Self.pattern(written + [exchange(.dead), exchange(.parking), exchange(.events), "amq.default"]),
                read: Self.pattern(consumedQueues),
                // Exchange and queue of dead letters, and of each rung, share a name: without this a worker could bind
                // a rung's queue to the dead letters.
                topics: [.init(exchange: exchange(.dead), write: ".*", read: BrokerRights.nothing)]
            )
        case .operator:
            // Sends requests, looks at what only people can judge, and puts jobs back.
            return BrokerRights(write: Self.pattern([requests, exchange(.jobs)]), read: Self.pattern(queuesForHumans))
        case .console: return BrokerRights()
        }
    }

    /// Matches these names and no others.
    private static func pattern(_ names: [String]) -> String {
        "^(\(names.map { $0.replacing(".", with: "\\.") }.joined(separator: "|")))$"
    }
}
