import Synchronization

/// Deliveries of one subscription between the connection's thread and the iterating task.
///
/// It never holds more than the prefetch: the broker sends no more than that unsettled, and what an old connection
/// left here is dropped with it, because the broker hands it out again.
final class DeliveryBuffer: Sendable {
    private struct State {
        var deliveries = FIFO<AMQPDelivery>()
        var waiters: [(id: UInt64, continuation: CheckedContinuation<AMQPDelivery?, Never>)] = []
        var nextID: UInt64 = 0
        var isFinished = false
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.deliveries.count } }

    func append(_ batch: [AMQPDelivery]) {
        let ready = state.withLock { state in
            state.deliveries.append(contentsOf: batch)
            var ready: [(CheckedContinuation<AMQPDelivery?, Never>, AMQPDelivery)] = []
            while !state.waiters.isEmpty, let delivery = state.deliveries.popFirst() {
                ready.append((state.waiters.removeFirst().continuation, delivery))
            }
            return ready
        }
        for (continuation, delivery) in ready { continuation.resume(returning: delivery) }
    }

    /// Empties the buffer; returns the deliveries that were never iterated.
    @discardableResult
    func drop() -> [AMQPDelivery] {
        state.withLock { $0.deliveries.removeAll() }
    }

    /// Ends the sequence; returns the deliveries that were never iterated.
    func finish() -> [AMQPDelivery] {
        let (rest, waiters) = state.withLock { state in
            state.isFinished = true
            defer { state.waiters = [] }
            return (state.deliveries.removeAll(), state.waiters)
        }
        for waiter in waiters { waiter.continuation.resume(returning: nil) }
        return rest
    }

    /// Nil when the sequence has ended or the calling task is cancelled.
    func next() async -> AMQPDelivery? {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enum Answer {
                    case now(AMQPDelivery?)
                    case later
                }
                let answer = state.withLock { state -> Answer in
                    if let delivery = state.deliveries.popFirst() { return .now(delivery) }
                    if state.isFinished || Task.isCancelled { return .now(nil) }
                    state.waiters.append((id, continuation))
                    return .later
                }
                if case .now(let delivery) = answer { continuation.resume(returning: delivery) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: nil)
        }
    }
}

/// The messages of one queue, through reconnects, until ``AMQPConsumer/cancel()`` or ``AMQPConsumer/close()``.
///
/// Several tasks may iterate at once; each message goes to one of them. Keeps its consumer's connection alive.
public struct AMQPDeliveries: AsyncSequence, Sendable {
    /// One message, to be settled.
    public typealias Element = AMQPDelivery
    /// The sequence never fails: it waits while the broker is away.
    public typealias Failure = Never

    let buffer: DeliveryBuffer
    let consumer: AMQPConsumer

    /// One more reader of the same messages.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(buffer: buffer, consumer: consumer) }

    /// Takes the messages out, one at a time.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let buffer: DeliveryBuffer
        let consumer: AMQPConsumer

        /// Waits for a message; nil when the subscription has ended or the task is cancelled.
        public mutating func next() async -> AMQPDelivery? { await buffer.next() }

        /// The same, for a caller on any actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> AMQPDelivery? {
            await buffer.next()
        }
    }
}
