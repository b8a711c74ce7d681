public import Logging
public import ServiceLifecycle

/// Where spans are sent: one message of OTLP as JSON, to the path of traces.
public protocol SpanReceiver: Sendable {
    /// - Throws: when there is no answer; the reason is its description.
    func send(_ message: String) async throws -> ReceiverAnswer
}

/// What a receiver says to one message.
public struct ReceiverAnswer: Equatable, Sendable {
    public var status: Int
    /// How long it asks to be left alone.
    public var retryAfter: Duration?
    public var body: String

    public init(status: Int, retryAfter: Duration? = nil, body: String = "") {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}

/// Sends ended spans in batches, every five seconds or when a batch is full; at a shutdown what is left, for five
/// seconds at most. Nothing of the work waits for it: while a receiver is away the buffer fills, and what comes then is
/// dropped.
///
/// Answers are taken as OTLP/HTTP says: 429, 502, 503 and 504, and no answer at all, are tried again with growing
/// pauses; any other refusal drops the batch.
public struct SpanExporter: Service {
    /// The outcome of spans that were to be exported.
    public enum Outcome: String, CaseIterable, Sendable {
        case exported
        /// The receiver would not have them, or was away for too long.
        case failed
        /// There was no room in the buffer.
        case dropped
    }

    /// What is between two looks at the buffer.
    public static let interval = Duration.seconds(5)
    /// How long the last spans of a process may take.
    public static let farewell = Duration.seconds(5)
    private static let tries = 6
    private static let longestPause = Duration.seconds(60)

    private let buffer: SpanBuffer
    private let resource: [String: String]
    private let receiver: any SpanReceiver
    private let sleep: @Sendable (Duration) async throws -> Void
    private let told: @Sendable (Outcome, Int) -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - resource: who has made the spans, by the names of OpenTelemetry's semantic conventions: `service.name` …
    ///   - told: gets an outcome and its number of spans.
    public init(
        from buffer: SpanBuffer,
        of resource: [String: String],
        to receiver: any SpanReceiver,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        told: @escaping @Sendable (Outcome, Int) -> Void,
        logger: Logger
    ) {
        self.buffer = buffer
        self.resource = resource
        self.receiver = receiver
        self.sleep = sleep
        self.told = told
        self.logger = logger
    }

    public func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while (try? await sleep(Self.interval)) != nil { buffer.wake() }
            }
            group.addTask { await export() }
            group.addTask {
                try? await gracefulShutdown()
                buffer.finish()
                try? await sleep(Self.farewell)
            }
            // Until everything is sent, or the time is up.
            await group.next()
            group.cancelAll()
        }
        let rest = buffer.empty()
        guard rest > 0 else { return }
        told(.failed, rest)
        logger.warning("spans not exported before the end", metadata: ["count": "\(rest)"])
    }

    private func export() async {
        var isAway = false
        for await _ in buffer.calls { await empty(&isAway) }
        await empty(&isAway)
    }

    private func empty(_ isAway: inout Bool) async {
        while !Task.isCancelled {
            let spans = buffer.take()
            guard !spans.isEmpty else { return }
            do {
                let message = OTLPMessage(of: spans, from: resource).text
                let refused = min(try await deliver(message), spans.count)
                told(.exported, spans.count - refused)
                if refused > 0 {
                    told(.failed, refused)
                    logger.warning("the receiver refuses some spans", metadata: ["count": "\(refused)"])
                }
                if isAway { logger.info("spans are exported again") }
                isAway = false
            } catch {
                told(.failed, spans.count)
                // Once an outage: a receiver that is away must not fill the log.
                if !isAway {
                    logger.warning("spans not exported", metadata: ["error": "\(error)", "count": "\(spans.count)"])
                }
                isAway = true
            }
        }
    }

    private struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// - Returns: how many of the spans the receiver would not have.
    private func deliver(_ message: String) async throws -> Int {
        var pause = Duration.seconds(1)
        for attempt in 1... {
            var asked: Duration?
            var reason: any Error
            do {
                let answer = try await receiver.send(message)
                if (200..<300).contains(answer.status) { return OTLPAnswer.refused(answer.body) }
                reason = Refusal(description: "the receiver answers \(answer.status)")
                guard [429, 502, 503, 504].contains(answer.status) else { throw reason }
                asked = answer.retryAfter
            } catch let refusal as Refusal {
                throw refusal
            } catch {
                reason = error
            }
            guard attempt < Self.tries else { throw reason }
            // Not all workers at once.
            let spread = pause * Double.random(in: 0.8...1.2)
            try await sleep(min(Self.longestPause, max(spread, asked ?? .zero)))
            pause = pause * 2
        }
        return 0
    }
}
