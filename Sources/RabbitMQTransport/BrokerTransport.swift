public import AMQPClient
public import ImageCore
public import ImageWorker
public import Logging

/// A broker's delivery in the handlers' words.
struct BrokerDelivery: IncomingDelivery {
    private let delivery: AMQPDelivery
    let message: IncomingMessage

    /// - Parameters:
    ///   - ownUser: the user of the workers' own connections.
    ///   - jobs: the exchange of jobs. A message that no queue of it is bound for still names it.
    init(delivery: AMQPDelivery, ownUser: String, jobs: String) {
        self.delivery = delivery
        var message = IncomingMessage(
            delivery.message,
            routingKey: delivery.routingKey,
            isRedelivered: delivery.redelivered,
            isWhole: delivery.isWhole,
            ownUser: ownUser
        )
        message.isJob = delivery.exchange == jobs
        self.message = message
    }

    func ack() { delivery.ack() }
    func requeue() { delivery.nack(requeue: true) }
    func refuse() { delivery.nack(requeue: false) }
}

extension IncomingMessage {
    /// Reads the headers, once for each delivery.
    /// - Parameter ownUser: the user of the workers' own connections.
    init(
        _ message: AMQPMessage,
        routingKey: String,
        isRedelivered: Bool = false,
        isWhole: Bool = true,
        ownUser: String
    ) {
        let headers = message.headers
        let isWorkers = message.userID == ownUser
        self.init(
            routingKey: routingKey,
            contentType: message.contentType,
            messageID: message.messageID,
            correlationID: message.correlationID,
            replyTo: message.replyTo,
            userID: message.userID,
            body: message.body,
            isRedelivered: isRedelivered,
            isWhole: isWhole,
            reason: headers.text(BrokerPublisher.reasonHeader),
            death: Death(headers: headers)
        )
        // A request that a worker has deferred names its publisher and how long it has waited; the broker vouches that a
        // worker sent it.
        if isWorkers, let asker = headers.text(BrokerPublisher.askerHeader) { userID = asker.isEmpty ? nil : asker }
        if isWorkers, case .int(let seconds)? = headers[BrokerPublisher.waitedHeader], (0..<1 << 40) ~= seconds {
            waited = .seconds(seconds)
        }
        if let parent = headers.text(TraceContext.parentHeader) {
            trace = TraceContext(parent: parent, state: headers.text(TraceContext.stateHeader))
        }
    }
}

extension AMQPTable {
    fileprivate func text(_ header: String) -> String? {
        if case .string(let text)? = self[header] { text } else { nil }
    }
}

extension Death {
    /// The newest death in a broker's headers. `nil` without one.
    init?(headers: AMQPTable) {
        func told(_ reason: String, _ queue: String, of table: AMQPTable) -> Death? {
            guard case .string(let word)? = table[reason], case .string(let name)? = table[queue] else { return nil }
            return Death(Reason(word), in: name)
        }
        var entries: [Death] = []
        if case .array(let values)? = headers["x-death"] {
            entries = values.compactMap { value in
                guard case .table(let table) = value else { return nil }
                return told("reason", "queue", of: table)
            }
        }
        let newest = Death.newest(
            of: entries,
            last: told("x-last-death-reason", "x-last-death-queue", of: headers),
            first: told("x-first-death-reason", "x-first-death-queue", of: headers)
        )
        guard let newest else { return nil }
        self = newest
    }
}

/// Publishes with confirms. A message that the broker does not take stays with its sender.
public struct BrokerPublisher: MessagePublisher {
    let publisher: AMQPPublisher
    let topology: Topology
    /// The broker's user of the connection, who vouches for requests.
    let user: String
    let time: any Timekeeper
    let logger: Logger

    static let reasonHeader = "goldsmith-reason"
    /// On what was parked: the id of its dead letter.
    static let deadLetterHeader = "goldsmith-dead-letter"
    /// On a request that waits: the sum of its delays, in seconds, and the user who sent it, empty for none.
    static let waitedHeader = "goldsmith-waited"
    static let askerHeader = "goldsmith-user"

    public init(
        publisher: AMQPPublisher,
        topology: Topology,
        user: String,
        time: any Timekeeper,
        logger: Logger
    ) {
        self.publisher = publisher
        self.topology = topology
        self.user = user
        self.time = time
        self.logger = logger
    }

    public func publish(_ messages: [OutgoingMessage]) async -> PublishReport {
        let seconds = time.now().microseconds / 1_000_000
        let results = await publisher.publish(messages.map { publication($0, timestamp: seconds) })
        var report = PublishReport()
        for (message, result) in zip(messages, results) {
            switch result {
            case .success: report.confirmed.append(message)
            case .failure(let error) where error.isAboutMessage:
                report.refused.append(.init(message, reason: Self.reason(error)))
            case .failure(let error):
                logger.warning(
                    "message not confirmed",
                    metadata: [
                        "message.id": "\(message.id)",
                        "exchange": "\(topology.exchange(for: message.destination))",
                        "routing.key": "\(message.routingKey)", "error": "\(error)",
                    ]
                )
            }
        }
        return report
    }

    /// In the form of a dead letter's reason.
    private static func reason(_ error: AMQPError) -> String {
        let word = error.kind == .endsConnection ? DeadLetter.Cause.endsConnection : ErrorCode.outOfRange.rawValue
        return "\(word): \(error.text)"
    }

    public func park(_ message: IncomingMessage, reason: String) async -> ParkResult {
        await pass(
            message,
            to: topology.exchange(for: .parking),
            message.routingKey,
            Self.headers(attempt: nil, reason: reason, message.trace)
        )
    }

    public func deferMessage(_ message: IncomingMessage, after delay: RetryDelay, waited: Duration, reason: String)
        async
        -> ParkResult
    {
        var headers = Self.headers(attempt: nil, reason: reason, message.trace)
        headers[Self.waitedHeader] = .int(waited.components.seconds)
        headers[Self.askerHeader] = .string(message.userID ?? "")
        return await pass(message, to: topology.exchange(for: .retry(delay)), message.routingKey, headers, as: user)
    }

    public func parkOversized(_ message: IncomingMessage, of deadLetter: DeadLetterID) async -> String? {
        var headers = Self.headers(attempt: nil, reason: message.reason, message.trace)
        headers[Self.deadLetterHeader] = .string(deadLetter.text)
        // Through the default exchange, to the queue of that name.
        return await pass(message, to: "", topology.oversized, headers) == .parked ? topology.oversized : nil
    }

    /// Publishes a message again, byte for byte.
    /// - Parameter user: the user who vouches for the headers; `nil` when that is not needed.
    private func pass(
        _ message: IncomingMessage,
        to exchange: String,
        _ routingKey: String,
        _ headers: AMQPTable,
        as user: String? = nil
    ) async -> ParkResult {
        let copy = AMQPMessage(
            body: message.body,
            contentType: message.contentType,
            messageID: message.messageID,
            correlationID: message.correlationID,
            replyTo: message.replyTo,
            userID: user,
            headers: headers
        )
        let publication = AMQPPublication(exchange: exchange, routingKey: routingKey, message: copy)
        do {
            try await publisher.publish(publication)
            return .parked
        } catch {
            logger.warning(
                "message not parked",
                metadata: ["exchange": "\(exchange)", "routing.key": "\(routingKey)", "error": "\(error)"]
            )
            return error.isAboutMessage ? .never : .notNow
        }
    }

    private static func headers(attempt: Int?, reason: String?, _ trace: TraceContext?) -> AMQPTable {
        var headers: AMQPTable = [:]
        if let attempt { headers["goldsmith-attempt"] = .int(Int64(attempt)) }
        // Headers must fit one frame of the protocol.
        if let reason { headers[reasonHeader] = .string(String(reason.prefix(4096))) }
        if let trace {
            headers[TraceContext.parentHeader] = .string(trace.parent)
            if let state = trace.state { headers[TraceContext.stateHeader] = .string(state) }
        }
        return headers
    }

    /// A fresh message, never a copy of one that came in: a broker's own `x-` headers must not travel on, because some
    /// versions believe them.
    func publication(_ message: OutgoingMessage, timestamp: Int64) -> AMQPPublication {
        AMQPPublication(
            exchange: topology.exchange(for: message.destination),
            routingKey: message.routingKey,
            message: AMQPMessage(
                body: Array(message.body.utf8),
                contentType: message.contentType.isEmpty ? nil : message.contentType,
                messageID: message.id,
                correlationID: message.correlationID,
                replyTo: message.replyTo,
                appID: "goldsmith",
                userID: message.isVouchedFor == true ? user : nil,
                timestamp: timestamp,
                headers: Self.headers(attempt: message.attempt, reason: message.reason, message.trace)
            ),
            isMandatory: message.isMandatory
        )
    }
}

/// Asks the broker how full a queue is.
struct BrokerInspector: QueueInspector, LaneInspector {
    let connection: AMQPConnection
    let topology: Topology

    func backlog(of lane: Lane) async -> Int? {
        // A queue that cannot be looked at counts as unknown, and then nothing is sent again.
        guard let info = try? await connection.inspectQueue(topology.queue(of: lane)) else { return nil }
        return info.messageCount
    }

    func status(of lane: Lane) async -> LaneStatus? {
        guard let info = try? await connection.inspectQueue(topology.queue(of: lane)) else { return nil }
        return LaneStatus(ready: info.messageCount, consumers: info.consumerCount)
    }
}
