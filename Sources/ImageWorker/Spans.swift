import ImageCore
import Tracing

/// A worker's spans: one for each request it answers, each attempt at a job, each dead letter, and each call of the driver
/// for one of them.
///
/// A request's span is a child of what the request was sent under, and the parent of all that comes of it: its context is
/// kept with the image and goes into the headers of every message. Where nothing is exported there are no spans, and the
/// context is handed on as it came.
extension WorkerContext {
    /// For a request. Without a trace one begins, except for a question: those who ask every second how far an image is
    /// would fill a collector with traces of one span.
    func beginSpan(_ operation: Operation, under trace: TraceContext?) -> any Span {
        guard trace != nil || operation != .describe else { return NoOpTracer.NoOpSpan(context: .topLevel) }
        return beginSpan(operation.rawValue, under: trace)
    }

    /// For work on an image: without a trace of its own there is none, since its other spans would not be in it.
    func beginSpan(_ job: Job, of image: ImageID, under trace: TraceContext?) -> any Span {
        guard let trace else { return NoOpTracer.NoOpSpan(context: .topLevel) }
        let span = beginSpan(job.step.rawValue, under: trace)
        span.attributes["goldsmith.image.id"] = image.text
        span.attributes["goldsmith.job"] = job.description
        return span
    }

    private func beginSpan(_ name: String, under trace: TraceContext?) -> any Span {
        var context = ServiceContext.topLevel
        if let trace { tracer.extract(trace.headers, into: &context, using: TraceHeaders()) }
        let span = tracer.startSpan(name, context: context, ofKind: .consumer)
        guard span.isRecording else { return span }
        span.updateAttributes { attributes in
            attributes["goldsmith.worker"] = options.id.text
            attributes["messaging.system"] = "rabbitmq"
            attributes["messaging.operation.type"] = "process"
        }
        return span
    }

    /// Does something whose own spans, those of the driver's calls, belong below this one.
    func inside<Value>(_ span: any Span, _ body: () async -> Value) async -> Value {
        await ServiceContext.withValue(span.isRecording ? span.context : nil, operation: body)
    }

    /// What messages carry that are sent for the span.
    func trace(of span: any Span, else trace: TraceContext?) -> TraceContext? {
        var headers: [String: String] = [:]
        tracer.inject(span.context, into: &headers, using: TraceHeaders())
        return headers[TraceContext.parentHeader]
            .flatMap { TraceContext(parent: $0, state: headers[TraceContext.stateHeader]) } ?? trace
    }
}

extension Span {
    /// What went wrong, by its stable code.
    func fail(_ code: ErrorCode, _ message: String) {
        attributes["error.type"] = code.rawValue
        setStatus(SpanStatus(code: .error, message: message))
    }
}

extension TraceContext {
    fileprivate var headers: [String: String] {
        var headers = [Self.parentHeader: parent]
        headers[Self.stateHeader] = state
        return headers
    }
}

/// How tracers read and write the headers of Trace Context.
private struct TraceHeaders: Extractor, Injector {
    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
}
