import ImageCore
import Synchronization

/// Messages that the broker has confirmed and the store still keeps, gathered so that one transaction marks many.
final class ConfirmedMessages: Sendable {
    private let messages = Mutex<[OutgoingMessage]>([])
    private let arrivals: AsyncStream<Void>
    private let arrival: AsyncStream<Void>.Continuation

    init() { (arrivals, arrival) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func add(_ confirmed: [OutgoingMessage]) {
        guard !confirmed.isEmpty else { return }
        // What marks a message is not in its body.
        messages.withLock { $0 += confirmed.map(\.envelope) }
        arrival.yield()
    }

    func takeAll() -> [OutgoingMessage] {
        messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }

    /// Marks them until the task is cancelled. A worker without work wakes for nothing.
    func run(every interval: Duration, _ context: WorkerContext) async {
        for await _ in arrivals {
            try? await context.time.sleep(for: interval)
            await context.markConfirmed()
        }
    }
}
