import Tracing

/// Which span of which trace: what W3C Trace Context hands from one participant to the next.
struct SpanIdentity: Equatable, Sendable {
    static let parentHeader = "traceparent"
    static let stateHeader = "tracestate"

    let traceHigh: UInt64
    let traceLow: UInt64
    let span: UInt64
    /// Whether the trace's creator wants it kept. It is asked once, at the beginning: a trace of which every
    /// participant keeps another part says nothing.
    let isSampled: Bool
    /// What vendors have added; handed on as it came.
    let state: String?

    var traceID: String { Self.hexadecimal(traceHigh) + Self.hexadecimal(traceLow) }
    var spanID: String { Self.hexadecimal(span) }
    /// The value of the header `traceparent`.
    var parent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    /// The first span of a new trace.
    static func root(isSampled: Bool) -> SpanIdentity {
        SpanIdentity(
            traceHigh: .random(in: .min ... .max),
            traceLow: .random(in: 1 ... .max),
            span: .random(in: 1 ... .max),
            isSampled: isSampled,
            state: nil
        )
    }

    /// Another span of the same trace.
    func child() -> SpanIdentity {
        SpanIdentity(
            traceHigh: traceHigh,
            traceLow: traceLow,
            span: .random(in: 1 ... .max),
            isSampled: isSampled,
            state: state
        )
    }

    init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, isSampled: Bool, state: String?) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.isSampled = isSampled
        self.state = state
    }

    /// Reads `traceparent` of version 00; `nil` for anything else.
    init?(parent: String, state: String?) {
        let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [2, 32, 16, 2], parts[0] == "00",
            let high = Self.number(parts[1].prefix(16)), let low = Self.number(parts[1].suffix(16)),
            let span = Self.number(parts[2]), span != 0, high != 0 || low != 0, let flags = Self.number(parts[3])
        else { return nil }
        self.init(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 == 1, state: state)
    }

    /// Digits only: Swift would also read a sign.
    private static func number(_ digits: Substring) -> UInt64? {
        digits.utf8.contains(UInt8(ascii: "+")) ? nil : UInt64(digits, radix: 16)
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// Where the tracer keeps the identity in a context.
enum SpanIdentityKey: ServiceContextKey {
    typealias Value = SpanIdentity
}
