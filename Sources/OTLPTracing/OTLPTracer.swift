public import Tracing

/// Makes spans and hands those that have ended, and are to be kept, to a buffer from which an exporter takes them.
///
/// Trace context is W3C's: a parent's decision to keep a trace or not is followed, and of traces that begin here a part is
/// kept. A span that is not kept costs nothing and hands on the context it was begun under.
public struct OTLPTracer: Tracer {
    private let buffer: SpanBuffer
    private let ratio: Double

    /// - Parameter ratio: the part of the traces beginning here that is kept, 0 to 1.
    public init(into buffer: SpanBuffer, keeping ratio: Double = 1) {
        self.buffer = buffer
        self.ratio = ratio
    }

    public func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context[SpanIdentityKey.self]
        let identity =
            if let parent { parent.isSampled ? parent.child() : parent } else {
                SpanIdentity.root(isSampled: Double.random(in: 0..<1) < ratio)
            }
        context[SpanIdentityKey.self] = identity
        let record = SpanRecord(
            identity: identity,
            parent: parent?.span,
            kind: kind,
            name: operationName,
            start: instant().nanosecondsSinceEpoch
        )
        return OTLPSpan(record, in: context, endingIn: identity.isSampled ? buffer : nil)
    }

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier,
        into context: inout ServiceContext,
        using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: SpanIdentity.parentHeader, from: carrier) else { return }
        let state = extractor.extract(key: SpanIdentity.stateHeader, from: carrier)
        context[SpanIdentityKey.self] = SpanIdentity(parent: parent, state: state)
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext,
        into carrier: inout Carrier,
        using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let identity = context[SpanIdentityKey.self] else { return }
        injector.inject(identity.parent, forKey: SpanIdentity.parentHeader, into: &carrier)
        if let state = identity.state { injector.inject(state, forKey: SpanIdentity.stateHeader, into: &carrier) }
    }

    /// The exporter empties the buffer of ended spans; there is nothing to hurry here.
    public func forceFlush() {}
}
