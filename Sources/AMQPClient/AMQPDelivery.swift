import Synchronization

/// A message the broker has handed to us and waits to hear about.
///
/// Settle it once; the first call wins and later ones are ignored. The calls return at once: the answer is sent by
/// the connection's thread. After the connection broke they do nothing, because the broker hands the message out again.
public struct AMQPDelivery: Sendable {
    /// Body and properties, as they were published.
    public let message: AMQPMessage
    /// The exchange it was published to last; empty for the default exchange.
    public let exchange: String
    /// The key it was published with.
    public let routingKey: String
    /// Whether it has been handed out before, to anyone.
    public let redelivered: Bool
    /// False when the body was larger than ``AMQPOptions/maximumBodyBytes``. It was not kept, and is empty here.
    public let isWhole: Bool
    private let settler: Settler

    init(_ received: ReceivedMessage, isRedelivered: Bool, settler: Settler) {
        message = received.message
        exchange = received.exchange
        routingKey = received.routingKey
        redelivered = isRedelivered
        isWhole = received.isWhole
        self.settler = settler
    }

    /// How often a quorum queue has handed it out before (`x-delivery-count`); nil when the broker did not say.
    public var deliveryCount: Int? {
        if case .int(let count) = message.headers["x-delivery-count"] { Int(count) } else { nil }
    }

    /// Done: the broker forgets the message.
    public func ack() { settler.settle(.ack) }

    /// Not done.
    /// - Parameter requeue: true puts it back into its queue, at once; false has the broker dead-letter it where the queue
    ///   has a dead-letter exchange, and drop it otherwise.
    public func nack(requeue: Bool) { settler.settle(.nack(requeue: requeue)) }

    /// Like ``nack(requeue:)``; RabbitMQ 4.3 counts only this one towards the delivery limit when requeued.
    /// - Parameter requeue: as for ``nack(requeue:)``.
    public func reject(requeue: Bool) { settler.settle(.reject(requeue: requeue)) }
}

/// What to tell the broker of one delivery.
struct Settlement: Sendable, Equatable {
    enum Verdict: Sendable, Equatable {
        case ack
        case nack(requeue: Bool)
        case reject(requeue: Bool)
    }
    let verdict: Verdict
    let deliveryTag: UInt64
    /// The connection the tag belongs to. Tags start from 1 on each, so an old one would hit a stranger.
    let generation: UInt64
}

/// Lets a delivery be settled once.
final class Settler: Sendable {
    private let isSettled = Atomic(false)
    private let deliveryTag: UInt64
    private let generation: UInt64
    private let outbox: Mailbox<Settlement>

    init(deliveryTag: UInt64, generation: UInt64, outbox: Mailbox<Settlement>) {
        self.deliveryTag = deliveryTag
        self.generation = generation
        self.outbox = outbox
    }

    func settle(_ verdict: Settlement.Verdict) {
        guard !isSettled.exchange(true, ordering: .relaxed) else { return }
        outbox.post(Settlement(verdict: verdict, deliveryTag: deliveryTag, generation: generation))
    }
}
