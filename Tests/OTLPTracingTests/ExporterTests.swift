import Logging
import ServiceLifecycle
import ServiceLifecycleTestKit
import Synchronization
import Testing
import Tracing

@testable import OTLPTracing

/// Counts the reported outcomes, from any thread.
final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }
    func add(_ number: Int) { count.withLock { $0 += number } }
}

/// A receiver that answers as the test says, and repeats the last answer.
private final class Script: SpanReceiver {
    private let state: Mutex<(answers: [ReceiverAnswer?], messages: [String])>

    /// - Parameter answers: `nil` is no answer.
    init(_ answers: [ReceiverAnswer?]) { state = Mutex((answers, [])) }

    var messages: [String] { state.withLock { $0.messages } }

    func send(_ message: String) async throws -> ReceiverAnswer {
        let answer = state.withLock { state in
            state.messages.append(message)
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
        }
        guard let answer else { throw NoAnswer() }
        return answer
    }

    private struct NoAnswer: Error {}
}

/// A receiver that never answers.
private struct Hung: SpanReceiver {
    func send(_ message: String) async throws -> ReceiverAnswer {
        try await untilCancelled()
        return ReceiverAnswer(status: 200)
    }
}

/// Ends only by cancellation.
private func untilCancelled() async throws {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    for await _ in stream {}
    withExtendedLifetime(continuation) {}
    try Task.checkCancellation()
}

@Suite("The exporter", .timeLimit(.minutes(30)))
struct ExporterTests {
    private let exported = Counter()
    private let failed = Counter()

    /// Ends as many spans, then stops the exporter. Every pause ends at once, except those of five seconds.
    /// - Parameter isLate: ends those too, as if the time for the last spans were up.
    /// - Returns: the pauses between tries.
    @discardableResult
    private func run(_ count: Int, to receiver: any SpanReceiver, isLate: Bool = false) async throws -> [Duration] {
        let buffer = SpanBuffer()
        let tracer = OTLPTracer(into: buffer)
        for _ in 0..<count { tracer.startSpan("work", context: .topLevel).end() }
        let pauses = Pauses()
        let exporter = SpanExporter(
            from: buffer,
            of: [:],
            to: receiver,
            sleep: { duration in
                pauses.add(duration)
                if duration == SpanExporter.interval && !isLate { try await untilCancelled() }
                await Task.yield()
                try Task.checkCancellation()
            },
            told: { [exported, failed] outcome, count in
                switch outcome {
                case .exported: exported.add(count)
                case .failed: failed.add(count)
                case .dropped: break
                }
            },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        try await testGracefulShutdown { trigger in
            trigger.triggerGracefulShutdown()
            try await exporter.run()
        }
        return pauses.all.filter { $0 != SpanExporter.interval }
    }

    private final class Pauses: Sendable {
        private let list = Mutex<[Duration]>([])
        var all: [Duration] { list.withLock { $0 } }
        func add(_ duration: Duration) { list.withLock { $0.append(duration) } }
    }

    @Test("what is left at a shutdown is sent, in messages of 512 spans at most")
    func batches() async throws {
        let receiver = Script([ReceiverAnswer(status: 200)])
        try await run(1100, to: receiver)
        #expect(receiver.messages.count == 3)
        #expect(receiver.messages.map { $0.split(separator: #""spanId""#).count - 1 } == [512, 512, 76])
        #expect(exported.value == 1100)
        #expect(failed.value == 0)
    }

    @Test("a receiver that is busy or away is asked again, not before the time it names, and gets the same message")
    func again() async throws {
        let receiver = Script([
            ReceiverAnswer(status: 503, retryAfter: .seconds(30)), nil, ReceiverAnswer(status: 429),
            ReceiverAnswer(status: 200),
        ])
        let pauses = try await run(2, to: receiver)
        #expect(receiver.messages.count == 4)
        #expect(Set(receiver.messages).count == 1)
        #expect(exported.value == 2)
        #expect(pauses.count == 3)
        #expect(pauses[0] == .seconds(30))
        #expect((.seconds(1.6)...(.seconds(2.4))).contains(pauses[1]))
        #expect((.seconds(3.2)...(.seconds(4.8))).contains(pauses[2]))
    }

    @Test("one that stays away loses the spans, after six tries, and that is told")
    func away() async throws {
        let receiver = Script([nil])
        try await run(2, to: receiver)
        #expect(receiver.messages.count == 6)
        #expect(failed.value == 2)
        #expect(exported.value == 0)
    }

    @Test("a refusal is final", arguments: [400, 401, 404, 500, 302])
    func refused(status: Int) async throws {
        let receiver = Script([ReceiverAnswer(status: status)])
        try await run(2, to: receiver)
        #expect(receiver.messages.count == 1)
        #expect(failed.value == 2)
    }

    @Test(
        "spans that a receiver refuses though it takes the rest are told as failed",
        arguments: [
            (#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#, 2),
            (#"{"partialSuccess":{"rejectedSpans":2}}"#, 2), (#"{"partialSuccess":{}}"#, 0), ("{}", 0), ("", 0),
            ("<html>", 0), (#"{"partialSuccess":{"rejectedSpans":"99"}}"#, 5),
        ]
    )
    func partial(body: String, refused: Int) async throws {
        try await run(5, to: Script([ReceiverAnswer(status: 200, body: body)]))
        #expect(failed.value == refused)
        #expect(exported.value == 5 - refused)
    }

    @Test("a receiver that never answers holds up a shutdown for its last five seconds only")
    func hung() async throws {
        try await run(600, to: Hung(), isLate: true)
        #expect(exported.value == 0)
        #expect(failed.value == 600)
    }
}
