import Synchronization

/// Ended spans on their way out. Ending a span never waits: when the buffer is full, new spans are dropped and counted.
///
/// The numbers are those of OpenTelemetry's batch span processor.
public final class SpanBuffer: Sendable {
    /// How many spans wait at most.
    public static let capacity = 2048
    /// How many go into one message.
    static let batch = 512

    private let spans = Mutex<[SpanRecord]>([])
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let dropped: @Sendable () -> Void

    /// - Parameter dropped: called for each span for which there is no room.
    public init(dropped: @escaping @Sendable () -> Void = {}) {
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        self.dropped = dropped
    }

    func add(_ span: SpanRecord) {
        let count = spans.withLock { spans in
            guard spans.count < Self.capacity else { return 0 }
            spans.append(span)
            return spans.count
        }
        if count == 0 { dropped() }
        if count >= Self.batch { wake() }
    }

    /// The oldest of them, at most a batch.
    func take() -> [SpanRecord] {
        spans.withLock { spans in
            let first = Array(spans.prefix(Self.batch))
            spans.removeFirst(first.count)
            return first
        }
    }

    /// Throws away what is left.
    /// - Returns: how many there were.
    func empty() -> Int {
        spans.withLock { spans in
            defer { spans = [] }
            return spans.count
        }
    }

    /// Lets the exporter look now.
    func wake() { signal.yield() }
    /// Lets the exporter look for the last time.
    func finish() { signal.finish() }
    /// An element when it is worth looking; for one exporter.
    var calls: AsyncStream<Void> { signals }
}
