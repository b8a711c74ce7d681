/// A body and its properties. Each string property is at most 255 bytes of UTF-8.
public struct AMQPMessage: Sendable, Hashable {
    public var body: [UInt8]
    public var contentType: String?
    public var messageID: String?
    public var correlationID: String?
    public var replyTo: String?
    public var type: String?
    public var appID: String?
    /// When set, the broker refuses the message unless it is the user of the connection.
    public var userID: String?
    /// Seconds since 1970.
    public var timestamp: Int64?
    /// Must fit in one frame (128 KiB) together with the other properties.
    public var headers: AMQPTable
    /// Written to disk by the broker before it confirms. Default true.
    public var isPersistent: Bool
    public var priority: UInt8?
    /// Milliseconds, in decimal, after which the message leaves its queue.
    public var expiration: String?

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
    public var routingKey: String
    public var message: AMQPMessage
    /// Whether a message no queue takes is an error (``AMQPError/Kind/unroutable``). Default true.
    public var isMandatory: Bool

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

/// What the broker tells of a queue.
public struct AMQPQueueInfo: Sendable, Hashable {
    public let name: String
    /// Messages ready for delivery; those delivered and unacknowledged do not count.
    public let messageCount: Int
    public let consumerCount: Int

    public init(name: String, messageCount: Int, consumerCount: Int) {
        self.name = name
        self.messageCount = messageCount
        self.consumerCount = consumerCount
    }
}
