/// A body and its properties. Each string property is at most 255 bytes of UTF-8.
public struct AMQPMessage: Sendable, Hashable {
    /// At most ``AMQPOptions/maximumBodyBytes`` when published.
    public var body: [UInt8]
    /// The body's media type, such as `application/json`.
    public var contentType: String?
    /// Identifies the message for receivers, who may get it twice. The broker does not look at it.
    public var messageID: String?
    /// Which request an answer belongs to.
    public var correlationID: String?
    /// The queue that answers go to.
    public var replyTo: String?
    /// What kind of message it is, in the application's words.
    public var type: String?
    /// Which application has sent it.
    public var appID: String?
    /// When set, the broker refuses the message unless it is the user of the connection.
    public var userID: String?
    /// Seconds since 1970.
    public var timestamp: Int64?
    /// Must fit in one frame (128 KiB, or less where the broker's limit is lower) together with the other properties.
    public var headers: AMQPTable
    /// Written to disk by the broker before it confirms. Default true.
    public var isPersistent: Bool
    /// Counts in queues that have priorities: 0 is the lowest. Default none, which counts as 0.
    public var priority: UInt8?
    /// Milliseconds, in decimal, after which the message leaves its queue.
    public var expiration: String?

    /// A message with the properties that are given; all others are left out.
    public init(
        body: [UInt8],
        contentType: String? = nil,
        messageID: String? = nil,
        correlationID: String? = nil,
        replyTo: String? = nil,
        type: String? = nil,
        appID: String? = nil,
        userID: String? = nil,
        timestamp: Int64? = nil,
        headers: AMQPTable = [:],
        isPersistent: Bool = true,
        priority: UInt8? = nil,
        expiration: String? = nil
    ) {
        self.body = body
        self.contentType = contentType
        self.messageID = messageID
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.type = type
        self.appID = appID
        self.userID = userID
        self.timestamp = timestamp
        self.headers = headers
        self.isPersistent = isPersistent
        self.priority = priority
        self.expiration = expiration
    }

    /// The string properties, for checking their lengths.
    var shortStrings: [String?] {
        [contentType, messageID, correlationID, replyTo, type, appID, userID, expiration]
    }
}

/// A message and where it goes.
public struct AMQPPublication: Sendable, Hashable {
    /// Empty for the default exchange, which routes to the queue named by the routing key.
    public var exchange: String
    /// At most 255 bytes of UTF-8.
    public var routingKey: String
    /// What is sent.
    public var message: AMQPMessage
    /// Whether a message no queue takes is an error (``AMQPError/Kind/unroutable``). Default true.
    public var isMandatory: Bool

    /// A message for an exchange; by default it must reach a queue.
    public init(exchange: String, routingKey: String, message: AMQPMessage, isMandatory: Bool = true) {
        self.exchange = exchange
        self.routingKey = routingKey
        self.message = message
        self.isMandatory = isMandatory
    }

    /// Refuses what the wire cannot carry, before any byte of it is sent: librabbitmq finds out only after the
    /// publish method has gone out, and the connection is lost then.
    func validate(frameMax: Int, maximumBodyBytes: Int) throws(AMQPError) {
        guard message.body.count <= maximumBodyBytes else {
            throw AMQPError(
                .messageTooBig,
                "the body has \(message.body.count) bytes; at most \(maximumBodyBytes) are sent"
            )
        }
        var size = 7 + 12 + 2 + 1 + 8 + 1 + 1
        for string in message.shortStrings + [exchange, routingKey] {
            guard let string else { continue }
            guard string.utf8.count <= 255 else {
                throw AMQPError(.tableTooBig, "a property, exchange or routing key is longer than 255 bytes")
            }
            size += 1 + string.utf8.count
        }
        guard let headers = message.headers.wireSize() else {
            throw AMQPError(.tableTooBig, "the headers nest too deep or have a key longer than 255 bytes")
        }
        size += headers
        guard size < frameMax else {
            throw AMQPError(.tableTooBig, "properties and headers take \(size) bytes; a frame has \(frameMax)")
        }
    }
}

/// The broker's figures for a queue.
public struct AMQPQueueInfo: Sendable, Hashable {
    /// The queue's name.
    public let name: String
    /// Messages ready for delivery; those delivered and unacknowledged do not count.
    public let messageCount: Int
    /// Subscriptions of all clients.
    public let consumerCount: Int

    /// For tests of what reads it.
    public init(name: String, messageCount: Int, consumerCount: Int) {
        self.name = name
        self.messageCount = messageCount
        self.consumerCount = consumerCount
    }
}
