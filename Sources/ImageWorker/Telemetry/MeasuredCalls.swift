import ImageCore
import Tracing

/// Times and counts the calls of a driver, each in a span of its own below that of the work it is for.
struct MeasuredCalls: DriverInterceptor {
    let telemetry: WorkerTelemetry
    let time: any Timekeeper
    var tracer: any Tracer = NoOpTracer()

    func around<Value: Sendable>(
        _ call: DriverCall,
        _ body: () async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        let name = call.operation
        let span: (any Span)? = ServiceContext.current.map {
            tracer.startSpan("driver.\(name.rawValue)", context: $0)
        }
        defer { span?.end() }
        let began = time.uptime()
        do {
            let value = try await body()
            telemetry.called(name, nil, in: time.uptime() - began)
            return value
        } catch {
            telemetry.called(name, error, in: time.uptime() - began)
            span?.fail(error.code, error.message)
            throw error
        }
    }
}
