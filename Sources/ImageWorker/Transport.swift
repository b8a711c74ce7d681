public import ImageCore

/// A message as it came in, free of the broker's types, so that handlers run the same under test.
public struct IncomingMessage: Sendable, Equatable {
    public var routingKey: String
    public var contentType: String?
    public var messageID: String?
    public var correlationID: String?
    public var replyTo: String?
    /// The broker's user that published it, where the sender said so: the broker refuses a false one.
    public var userID: String?
    public var body: [UInt8]
    /// Whether it was published to the exchange of jobs, to which only workers may write. Default: false.
    public var isJob = false
    /// Whether the broker has handed it out before.
    public var isRedelivered: Bool
    /// False when the body was too large to be kept; it is empty then.
    public var isWhole: Bool
    /// Why it was put away, from our own header.
    public var reason: String?
    /// How it became a dead letter, from the broker's headers. Absent: it was published here.
    public var death: Death?
    /// How long it has waited for a worker that can judge it: the sum of its delays. Default: zero.
    public var waited = Duration.zero
    /// Where in a trace it was sent, if its headers say so in order.
    public var trace: TraceContext?

    public init(
        routingKey: String,
        contentType: String? = "application/json",
        messageID: String? = nil,
        correlationID: String? = nil,
        replyTo: String? = nil,
        userID: String? = nil,
        body: [UInt8],
        isRedelivered: Bool = false,
        isWhole: Bool = true,
        reason: String? = nil,
        death: Death? = nil
    ) {
        self.routingKey = routingKey
        self.contentType = contentType
        self.messageID = messageID
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.userID = userID
        self.body = body
        self.isRedelivered = isRedelivered
        self.isWhole = isWhole
        self.reason = reason
        self.death = death
    }

    /// Whether what is written into the store with the answer holds U+0000, where a database's texts end.
    var holdsZero: Bool { [replyTo, correlationID].contains { $0?.utf8.contains(0) == true } }

    /// Where its answer goes; `nil` when none is asked for, or none can be sent there.
    func replyAddress(by rule: ReplyRule) -> ReplyAddress? {
        guard let replyTo, !replyTo.isEmpty, rule.refusal(of: replyTo) == nil else { return nil }
        return ReplyAddress(queue: replyTo, correlationID: correlationID)
    }
}

/// A message in our hands until it is settled. Settling is once: the first call counts.
public protocol IncomingDelivery: Sendable {
    var message: IncomingMessage { get }
    func ack()
    /// Requeues it. On older brokers that counts towards the delivery limit, so it is only for a worker
    /// that can do nothing else: its store is gone, or it stops before it has begun.
    func requeue()
    /// Rejects it, so that the broker dead-letters it: for what cannot even be published again.
    func refuse()
}

/// A delivery whose message names the span that handles it, and no longer the one that sent it.
struct TracedDelivery: IncomingDelivery {
    let message: IncomingMessage
    private let original: any IncomingDelivery

    init(_ original: any IncomingDelivery, under trace: TraceContext?) {
        self.original = original
        var message = original.message
        message.trace = trace
        self.message = message
    }

    func ack() { original.ack() }
    func requeue() { original.requeue() }
    func refuse() { original.refuse() }
}

/// The outcome of messages that were offered to the broker. What is in neither list may be offered again.
public struct PublishReport: Sendable, Equatable {
    /// A message that the broker never takes, however often it is offered.
    public struct Refused: Sendable, Equatable {
        public var message: OutgoingMessage
        /// `CODE: sentence`, the form of a dead letter's reason.
        public var reason: String

        public init(_ message: OutgoingMessage, reason: String) {
            self.message = message
            self.reason = reason
        }
    }

    public var confirmed: [OutgoingMessage] = []
    public var refused: [Refused] = []

    public init(confirmed: [OutgoingMessage] = [], refused: [Refused] = []) {
        self.confirmed = confirmed
        self.refused = refused
    }
}

/// The outcome of putting a message away for a human.
public enum ParkResult: Sendable, Equatable {
    /// The broker has it.
    case parked
    /// It may have it another time.
    case notNow
    /// The broker never takes this message.
    case never
}

/// Sends messages and waits until the broker has them.
public protocol MessagePublisher: Sendable {
    func publish(_ messages: [OutgoingMessage]) async -> PublishReport

    /// Puts a message away for a human, as it came, byte for byte.
    func park(_ message: IncomingMessage, reason: String) async -> ParkResult

    /// Puts a request into a retry queue, as it came: byte for byte, and for the same user. It comes back to intake.
    /// - Parameters:
    ///   - delay: how long it stays there.
    ///   - waited: the sum of all its delays, with this one.
    ///   - reason: goes with it, for people who look into the queue.
    func deferMessage(_ message: IncomingMessage, after delay: RetryDelay, waited: Duration, reason: String) async
        -> ParkResult

    /// Moves a message to the queue for what is too large for the store, as it came, marked with its dead letter.
    /// - Returns: the queue's name once the broker has it, else `nil`.
    func parkOversized(_ message: IncomingMessage, of deadLetter: DeadLetterID) async -> String?
}

/// Tells whether a queue holds messages, so that a job that merely waits its turn is not taken for lost.
public protocol QueueInspector: Sendable {
    /// Messages ready in the queue of a lane, or `nil` when that is unknown.
    func backlog(of lane: Lane) async -> Int?
}
