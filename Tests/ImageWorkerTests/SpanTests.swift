import GoldsmithTestSupport
import ImageCore
import Testing
import Tracing

@testable import ImageWorker
@testable import OTLPTracing

@Suite("Spans of a worker", .timeLimit(.minutes(30)))
struct SpanTests {
    private let buffer = SpanBuffer()
    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func spans(of rig: Rig, _ worker: TestWorker, trace: TraceContext?) async throws -> [SpanRecord] {
        rig.request(trace: trace)
        try await rig.run(worker)
        return buffer.take()
    }

    private func text(_ name: String, of span: SpanRecord) -> String? {
        switch span.attributes.get(name) {
        case .string(let text): text
        case .int64(let number): "\(number)"
        case .int32(let number): "\(number)"
        default: nil
        }
    }

    @Test("the request's span is a child of the upstream's, and the parent of each attempt at a job")
    func tree() async throws {
        let rig = try await Rig()
        let failure = StepFailure(.transient, .unavailable, "try later")
        let once = SharedCounter(1)
        let worker = rig.worker(
            driver: { call in
                guard call.name == "driver.capture /dev/vdb", call.moment == .before, once.take() else { return .pass }
                return .fail(failure)
            },
            tracer: OTLPTracer(into: buffer)
        )
        let spans = try await spans(of: rig, worker, trace: TraceContext(parent: Self.parent, state: "v=1"))
        try await rig.expectAvailable()
        let requests = spans.filter { $0.name == "image.create" }
        try #require(requests.count == 1)
        let request = requests[0]
        #expect(request.parent == 0x00f0_67aa_0ba9_02b7)
        #expect(spans.allSatisfy { $0.identity.traceID == "4bf92f3577b34da6a3ce929d0e0e4736" })
        #expect(spans.filter { $0.name != request.name }.allSatisfy { $0.parent == request.identity.span })
        let image = try await rig.image()
        #expect(spans.allSatisfy { text("goldsmith.image.id", of: $0) == image.id.text })
        let counts = Dictionary(grouping: spans) { $0.name }.mapValues { $0.count }
        let expected = ["image.create": 1, "stop-check": 1, "system-disk": 1, "data-disk": 3, "replicate": 2]
        #expect(counts == expected)
        let disk = spans.filter { text("goldsmith.job", of: $0) == "data-disk:/dev/vdb" }
        #expect(disk.map { text("goldsmith.outcome", of: $0) } == ["retried", "done"])
        #expect(disk.map { text("goldsmith.attempt", of: $0) } == ["1", "2"])
        #expect(disk.map { $0.status?.code == SpanStatus.Code.error } == [true, false])
        #expect(text("error.type", of: disk[0]) == "UNAVAILABLE")
        // What goes out names the request's span, and so does the reply.
        let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-\(request.identity.spanID)-01"
        #expect(image.trace == TraceContext(parent: own, state: "v=1"))
        #expect(rig.broker.replies.allSatisfy { $0.trace == image.trace })
        #expect(!rig.broker.replies.isEmpty)
    }

    @Test("a refused request's span says why, and its reply and its event belong to it")
    func refused() async throws {
        let rig = try await Rig()
        let worker = rig.worker(tracer: OTLPTracer(into: buffer))
        try rig.addInstance("i-web1", status: .running)
        let spans = try await spans(of: rig, worker, trace: nil)
        #expect(spans.map(\.name) == ["image.create"])
        let span = try #require(spans.first)
        #expect(span.parent == nil)
        #expect(span.status?.code == .error)
        #expect(text("error.type", of: span) == "FAILED_PRECONDITION")
        let trace = TraceContext(parent: span.identity.parent, state: nil)
        #expect(rig.broker.replies.map(\.trace) == [trace])
        #expect(rig.broker.events.filter { $0.routingKey.hasPrefix("request.rejected") }.map(\.trace) == [trace])
    }

    @Test("an image that nobody traces has no spans but those of its requests, when its trace is not kept")
    func unsampled() async throws {
        let rig = try await Rig()
        let worker = rig.worker(tracer: OTLPTracer(into: buffer))
        let parent = String(Self.parent.dropLast() + "0")
        let spans = try await spans(of: rig, worker, trace: TraceContext(parent: parent, state: nil))
        #expect(spans.isEmpty)
        #expect(try await rig.image().trace?.parent == parent)
    }

    @Test("a call of the driver has a span below the work it is for, with its failure, and none outside of any")
    func calls() async throws {
        let rig = try await Rig()
        let tracer = OTLPTracer(into: buffer)
        let context = rig.worker(tracer: tracer).context
        let measured = MeasuredCalls(telemetry: WorkerTelemetry(), time: rig.time, tracer: tracer)
        let driver = InterceptingDriver(rig.driver, measured)
        let span = context.beginSpan(.create, under: TraceContext(parent: Self.parent, state: nil))
        _ = await context.inside(span) { try? await driver.describe(InstanceID(known: "i-none"), for: nil) }
        _ = try await driver.locations()
        let spans = buffer.take()
        #expect(spans.map(\.name) == ["driver.describe"])
        #expect(spans.first.flatMap { text("error.type", of: $0) } == "NOT_FOUND")
        span.end()
        #expect(buffer.take().map(\.identity.span) == spans.map(\.parent))
    }

    @Test("a question without a trace begins none, and one with a trace is in it")
    func questions() async throws {
        let rig = try await Rig()
        let worker = rig.worker(tracer: OTLPTracer(into: buffer))
        rig.request(.describe, id: "q1")
        try await rig.run(worker)
        #expect(buffer.take().isEmpty)
        rig.request(.describe, id: "q2", trace: TraceContext(parent: Self.parent, state: nil))
        try await rig.run(worker)
        #expect(buffer.take().map(\.name) == ["image.describe"])
        #expect(rig.broker.replies.count == 2)
    }

    @Test("without a tracer the context goes on as it came")
    func carried() async throws {
        let rig = try await Rig()
        let trace = TraceContext(parent: Self.parent, state: "v=1")
        let spans = try await spans(of: rig, rig.worker(), trace: trace)
        #expect(spans.isEmpty)
        #expect(try await rig.image().trace == trace)
        #expect(rig.broker.replies.allSatisfy { $0.trace == trace })
    }

    @Test("a message that is kept for a human and put back is still of its trace")
    func replayed() throws {
        let trace = TraceContext(parent: Self.parent, state: "v=1")
        let message = KeptMessage(
            routingKey: "image.create",
            contentType: "application/json",
            messageID: nil,
            correlationID: nil,
            replyTo: nil,
            trace: trace,
            body: Array("{}".utf8)
        )
        let again = try CanonicalJSON.decode(KeptMessage.self, from: CanonicalJSON.bytes(message))
        #expect(again.replay(1, of: DeadLetterID(known: "msg-1"))?.trace == trace)
    }
}
