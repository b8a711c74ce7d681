import CRabbitMQ

/// Puts frames together to events.
///
/// librabbitmq's own reader (amqp_read_message) drops frames queued ahead of the one it looks for, and waits forever
/// for the rest of a message. Here every frame goes through one place, in order, and none waits for another.
struct FrameAssembler {
    /// A method that still lacks its header or body frames.
    private struct Partial {
        enum Origin {
            case deliver(consumerTag: String, deliveryTag: UInt64, isRedelivered: Bool)
            case get(deliveryTag: UInt64, isRedelivered: Bool)
            case returned(code: Int, text: String)
        }
        let origin: Origin
        var received: ReceivedMessage
        /// Nil until the header has come.
        var bodySize: Int?
        /// Bytes of the body that have come, kept or not.
        var bytesCome = 0

        var event: BrokerEvent {
            switch origin {
            case .deliver(let consumerTag, let deliveryTag, let isRedelivered):
                .delivered(consumerTag: consumerTag, deliveryTag: deliveryTag, isRedelivered: isRedelivered, received)
            case .get(let deliveryTag, let isRedelivered):
                .got(deliveryTag: deliveryTag, isRedelivered: isRedelivered, received)
            case .returned(let code, let text):
                .returned(code: code, text: text, received)
            }
        }
    }

    /// Far above what any broker is set to allow; a bigger announcement is taken for a broken stream.
    private static let maximumBodySize: UInt64 = 1 << 30

    private let keptBodySize: Int
    private var partial: Partial?

    /// - Parameter keptBodySize: of a larger body nothing is kept, however large the broker lets one be.
    init(keepingBodiesTo keptBodySize: Int = AMQPOptions().maximumBodyBytes) { self.keptBodySize = keptBodySize }

    /// The event completed by `frame`, if any. `frame` points into librabbitmq's pools, which must not be released
    /// before this returns; nothing returned points there.
    mutating func event(from frame: amqp_frame_t) throws(AMQPError) -> BrokerEvent? {
        switch Int32(frame.frame_type) {
        case AMQP_FRAME_METHOD:
            guard partial == nil || frame.channel == 0 else { throw Self.broken("a method inside a message") }
            return try method(frame.payload.method)
        case AMQP_FRAME_HEADER:
            guard partial != nil, partial?.bodySize == nil else { throw Self.broken("a header without a method") }
            // Of another class librabbitmq decodes another struct, which must not be read as this one.
            guard frame.payload.properties.class_id == UInt16(AMQP_BASIC_CLASS) else {
                throw Self.broken("a header of class \(frame.payload.properties.class_id)")
            }
            return try header(frame.payload.properties.decoded, bodySize: frame.payload.properties.body_size)
        case AMQP_FRAME_BODY:
            guard let size = partial?.bodySize else { throw Self.broken("a body without a header") }
            let fragment = UnsafeRawBufferPointer(frame.payload.body_fragment)
            if size <= keptBodySize { partial?.received.message.body.append(contentsOf: fragment) }
            partial?.bytesCome += fragment.count
            guard let count = partial?.bytesCome, count <= size else {
                throw Self.broken("a body longer than announced")
            }
            return completed()
        default:
            return .ignored
        }
    }

    private static func broken(_ what: String) -> AMQPError {
        AMQPError(.connectionLost, code: 501, "the broker's frames are out of order: \(what)")
    }

    private mutating func completed() -> BrokerEvent? {
        guard let done = partial, done.bytesCome == done.bodySize else { return nil }
        partial = nil
        return done.event
    }

    private mutating func header(_ decoded: UnsafeMutableRawPointer?, bodySize: UInt64) throws(AMQPError)
        -> BrokerEvent?
    {
        guard let decoded, bodySize <= Self.maximumBodySize else { throw Self.broken("a body of \(bodySize) bytes") }
        var message = AMQPMessage(properties: decoded.load(as: amqp_basic_properties_t.self))
        // An announcement is not to be believed with more than this before the bytes have come.
        if bodySize <= keptBodySize { message.body.reserveCapacity(min(Int(bodySize), 1 << 20)) }
        partial?.received.message = message
        partial?.received.isWhole = bodySize <= keptBodySize
        partial?.bodySize = Int(bodySize)
        return completed()
    }

    private mutating func begin(_ origin: Partial.Origin, _ exchange: amqp_bytes_t, _ routingKey: amqp_bytes_t) {
        let received = ReceivedMessage(
            exchange: String(short: exchange),
            routingKey: String(short: routingKey),
            message: AMQPMessage(body: [])
        )
        partial = Partial(origin: origin, received: received)
    }

    private mutating func method(_ method: amqp_method_t) throws(AMQPError) -> BrokerEvent? {
        guard let decoded = method.decoded else { return .ignored }
        switch method.id {
        case AMQP_BASIC_DELIVER_METHOD:
            let fields = decoded.load(as: amqp_basic_deliver_t.self)
            let origin = Partial.Origin.deliver(
                consumerTag: String(fields.consumer_tag),
                deliveryTag: fields.delivery_tag,
                isRedelivered: fields.redelivered != 0
            )
            begin(origin, fields.exchange, fields.routing_key)
            return nil
        case AMQP_BASIC_RETURN_METHOD:
            let fields = decoded.load(as: amqp_basic_return_t.self)
            begin(
                .returned(code: Int(fields.reply_code), text: String(fields.reply_text)),
                fields.exchange,
                fields.routing_key
            )
            return nil
        case AMQP_BASIC_GET_OK_METHOD:
            let fields = decoded.load(as: amqp_basic_get_ok_t.self)
            begin(
                .get(deliveryTag: fields.delivery_tag, isRedelivered: fields.redelivered != 0),
                fields.exchange,
                fields.routing_key
            )
            return nil
        case AMQP_BASIC_ACK_METHOD:
            let fields = decoded.load(as: amqp_basic_ack_t.self)
            return .confirmed(deliveryTag: fields.delivery_tag, isMultiple: fields.multiple != 0, isAccepted: true)
        case AMQP_BASIC_NACK_METHOD:
            let fields = decoded.load(as: amqp_basic_nack_t.self)
            return .confirmed(deliveryTag: fields.delivery_tag, isMultiple: fields.multiple != 0, isAccepted: false)
        case AMQP_BASIC_CANCEL_METHOD:
            return .consumerCancelled(consumerTag: String(decoded.load(as: amqp_basic_cancel_t.self).consumer_tag))
        case AMQP_CONNECTION_BLOCKED_METHOD:
            return .blocked(reason: String(decoded.load(as: amqp_connection_blocked_t.self).reason))
        case AMQP_CONNECTION_UNBLOCKED_METHOD:
            return .unblocked
        case AMQP_CHANNEL_CLOSE_METHOD:
            let fields = decoded.load(as: amqp_channel_close_t.self)
            return .channelClosed(AMQPError(.channelClosed, code: Int(fields.reply_code), String(fields.reply_text)))
        case AMQP_CONNECTION_CLOSE_METHOD:
            let fields = decoded.load(as: amqp_connection_close_t.self)
            return .connectionClosed(
                AMQPError(.connectionLost, code: Int(fields.reply_code), String(fields.reply_text))
            )
        case AMQP_QUEUE_DECLARE_OK_METHOD:
            let fields = decoded.load(as: amqp_queue_declare_ok_t.self)
            let info = AMQPQueueInfo(
                name: String(fields.queue),
                messageCount: Int(fields.message_count),
                consumerCount: Int(fields.consumer_count)
            )
            return .reply(method: method.id, .queue(info))
        case AMQP_QUEUE_PURGE_OK_METHOD:
            let fields = decoded.load(as: amqp_queue_purge_ok_t.self)
            return .reply(method: method.id, .count(Int(fields.message_count)))
        case AMQP_QUEUE_DELETE_OK_METHOD:
            let fields = decoded.load(as: amqp_queue_delete_ok_t.self)
            return .reply(method: method.id, .count(Int(fields.message_count)))
        default:
            return .reply(method: method.id, .plain)
        }
    }
}
