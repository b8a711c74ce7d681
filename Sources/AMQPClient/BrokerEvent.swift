/// Something the broker said, copied out of librabbitmq's memory.
enum BrokerEvent {
    case delivered(consumerTag: String, deliveryTag: UInt64, isRedelivered: Bool, ReceivedMessage)
    /// A mandatory message no queue took; its confirm follows.
    case returned(code: Int, text: String, ReceivedMessage)
    case got(deliveryTag: UInt64, isRedelivered: Bool, ReceivedMessage)
    case confirmed(deliveryTag: UInt64, isMultiple: Bool, isAccepted: Bool)
    /// The broker ended a subscription: its queue was deleted or moved away.
    case consumerCancelled(consumerTag: String)
    case blocked(reason: String)
    case unblocked
    case channelClosed(AMQPError)
    case connectionClosed(AMQPError)
    /// An answer to a request, by its method number.
    case reply(method: UInt32, Reply)
    case ignored

    enum Reply {
        case plain
        case queue(AMQPQueueInfo)
        case count(Int)
    }
}

struct ReceivedMessage {
    let exchange: String
    let routingKey: String
    var message: AMQPMessage
    /// False when the body was too large to be kept; it is empty then.
    var isWhole = true
}
