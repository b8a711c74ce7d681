import Foundation
import Testing
import Tracing

@testable import OTLPTracing

@Suite("Spans")
struct SpanTests {
    private struct Carrier: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    }

    private func context(_ headers: [String: String], _ tracer: OTLPTracer) -> ServiceContext {
        var context = ServiceContext.topLevel
        tracer.extract(headers, into: &context, using: Carrier())
        return context
    }

    private func headers(_ context: ServiceContext, _ tracer: OTLPTracer) -> [String: String] {
        var headers: [String: String] = [:]
        tracer.inject(context, into: &headers, using: Carrier())
        return headers
    }

    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("a span is the child of what its headers name, and hands itself on with the vendors' part as it came")
    func child() throws {
        let buffer = SpanBuffer()
        let tracer = OTLPTracer(into: buffer)
        let span = tracer.startSpan(
            "work",
            context: context(["traceparent": Self.parent, "tracestate": "v=1"], tracer),
            ofKind: .consumer
        )
        let handedOn = headers(span.context, tracer)
        #expect(handedOn["tracestate"] == "v=1")
        span.end()
        let record = try #require(buffer.take().first)
        #expect(record.identity.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(record.parent == 0x00f0_67aa_0ba9_02b7)
        #expect(handedOn["traceparent"] == "00-\(record.identity.traceID)-\(record.identity.spanID)-01")
        #expect(record.identity.span != record.parent)
    }

    @Test("a trace that its beginner does not keep is not kept here either, and its context goes on unchanged")
    func unsampled() {
        let buffer = SpanBuffer()
        let tracer = OTLPTracer(into: buffer)
        let parent = Self.parent.dropLast() + "0"
        let span = tracer.startSpan("work", context: context(["traceparent": String(parent)], tracer))
        #expect(!span.isRecording)
        span.attributes["a"] = "b"
        #expect(headers(span.context, tracer)["traceparent"] == String(parent))
        span.end()
        #expect(buffer.take().isEmpty)
    }

    @Test(
        "without a parent a trace begins, and of those the given part is kept; the others say so to whoever comes next"
    )
    func roots() throws {
        let buffer = SpanBuffer()
        let (all, none) = (OTLPTracer(into: buffer, keeping: 1), OTLPTracer(into: buffer, keeping: 0))
        all.startSpan("kept", context: .topLevel).end()
        #expect(try #require(buffer.take().first).parent == nil)
        let span = none.startSpan("not kept", context: .topLevel)
        span.end()
        #expect(headers(span.context, none)["traceparent"]?.hasSuffix("-00") == true)
        #expect(buffer.take().isEmpty)
    }

    @Test(
        "a header that is none begins a trace of its own",
        arguments: [
            "", "00", "no-trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ]
    )
    func malformed(header: String) throws {
        let buffer = SpanBuffer()
        let tracer = OTLPTracer(into: buffer)
        tracer.startSpan("work", context: context(["traceparent": header], tracer)).end()
        let record = try #require(buffer.take().first)
        #expect(record.parent == nil)
        #expect(record.identity.traceID != "4bf92f3577b34da6a3ce929d0e0e4736")
    }

    @Test("a span that has ended takes nothing more, and ends once")
    func ended() throws {
        let buffer = SpanBuffer()
        let span = OTLPTracer(into: buffer).startSpan("work", context: .topLevel)
        for number in 0..<200 { span.addEvent(SpanEvent(name: "event \(number)")) }
        span.end()
        span.attributes["late"] = true
        span.end()
        let spans = buffer.take()
        #expect(spans.count == 1)
        #expect(spans[0].attributes.isEmpty)
        #expect(spans[0].events.count == SpanRecord.mostEntries)
    }

    @Test("nobody waits for room: what comes when the buffer is full is dropped, and told")
    func full() {
        let dropped = Counter()
        let buffer = SpanBuffer { dropped.add(1) }
        let tracer = OTLPTracer(into: buffer)
        for _ in 0..<SpanBuffer.capacity + 3 { tracer.startSpan("work", context: .topLevel).end() }
        #expect(dropped.value == 3)
        #expect(buffer.take().count == SpanBuffer.batch)
        #expect(buffer.empty() == SpanBuffer.capacity - SpanBuffer.batch)
    }

    /// Field by field as `opentelemetry/proto/trace/v1/trace.proto` and OTLP's rules for JSON have it.
    @Test("a message is OTLP's: ids in hexadecimal, 64-bit numbers as texts, enumerations as numbers")
    func message() throws {
        let buffer = SpanBuffer()
        let tracer = OTLPTracer(into: buffer)
        let span = tracer.startSpan(
            "capture",
            context: context(["traceparent": Self.parent], tracer),
            ofKind: .consumer,
            at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 1_700_000_000_000_000_123)
        )
        span.attributes["image"] = "img-1"
        span.attributes["attempt"] = 2
        span.attributes["share"] = 0.5
        span.attributes["kept"] = true
        span.attributes["long"] = String(repeating: "x", count: 5000)
        span.setStatus(SpanStatus(code: .error, message: "full"))
        span.addEvent(
            SpanEvent(name: "retry", at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 5), attributes: ["n": 1])
        )
        // A clock that was set back.
        span.end(at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 1))
        let records = buffer.take()
        let text = OTLPMessage(of: records, from: ["service.name": "test"]).text
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        let expected: [String: Any] = [
            "resourceSpans": [
                [
                    "resource": ["attributes": [["key": "service.name", "value": ["stringValue": "test"]]]],
                    "scopeSpans": [
                        [
                            "scope": ["name": "goldsmith"],
                            "spans": [
                                [
                                    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                                    "spanId": records[0].identity.spanID,
                                    "parentSpanId": "00f067aa0ba902b7",
                                    "flags": 1,
                                    "name": "capture",
                                    "kind": 5,
                                    "startTimeUnixNano": "1700000000000000123",
                                    "endTimeUnixNano": "1700000000000000123",
                                    "attributes": [
                                        ["key": "attempt", "value": ["intValue": "2"]],
                                        ["key": "image", "value": ["stringValue": "img-1"]],
                                        ["key": "kept", "value": ["boolValue": true]],
                                        ["key": "long", "value": ["stringValue": String(repeating: "x", count: 1024)]],
                                        ["key": "share", "value": ["doubleValue": 0.5]],
                                    ],
                                    "events": [
                                        [
                                            "name": "retry", "timeUnixNano": "5",
                                            "attributes": [["key": "n", "value": ["intValue": "1"]]],
                                        ]
                                    ],
                                    "links": [],
                                    "status": ["code": 2, "message": "full"],
                                ]
                            ],
                        ]
                    ],
                ]
            ]
        ]
        #expect((object as? NSDictionary) == (expected as NSDictionary), "\(text)")
    }
}
