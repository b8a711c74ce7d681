import Synchronization
public import Tracing

/// A span that is at work, and, once it has ended, in the buffer of its tracer.
public final class OTLPSpan: Tracing.Span {
    public let context: ServiceContext
    private let buffer: SpanBuffer?
    /// `nil` once it has ended: later additions are dropped, and a second end is ignored.
    private let record: Mutex<SpanRecord?>

    /// - Parameter buffer: `nil` when the span is not to be kept.
    init(_ record: SpanRecord, in context: ServiceContext, endingIn buffer: SpanBuffer?) {
        self.context = context
        self.buffer = buffer
        self.record = Mutex(buffer == nil ? nil : record)
    }

    public var isRecording: Bool { record.withLock { $0 != nil } }

    public var operationName: String {
        get { record.withLock { $0?.name ?? "" } }
        set { record.withLock { $0?.name = newValue } }
    }

    public var attributes: SpanAttributes {
        get { record.withLock { $0?.attributes ?? [:] } }
        set { record.withLock { $0?.attributes = newValue } }
    }

    public func setStatus(_ status: SpanStatus) { record.withLock { $0?.status = status } }
    public func addEvent(_ event: SpanEvent) { record.withLock { $0?.add(event) } }
    public func addLink(_ link: SpanLink) { record.withLock { $0?.add(link) } }

    public func recordError<Instant: TracerInstant>(
        _ error: any Error,
        attributes: SpanAttributes,
        at instant: @autoclosure () -> Instant
    ) {
        var facts = attributes
        facts["exception.message"] = "\(error)"
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: facts))
    }

    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let ended = record.withLock { record in
            defer { record = nil }
            return record
        }
        guard var ended else { return }
        ended.end = instant().nanosecondsSinceEpoch
        buffer?.add(ended)
    }
}

/// The content of one span.
struct SpanRecord: Sendable {
    /// As OpenTelemetry's software kits have it, for each of events and links.
    static let mostEntries = 128

    let identity: SpanIdentity
    let parent: UInt64?
    let kind: SpanKind
    var name: String
    /// Nanoseconds since 1970, as is `end`.
    let start: UInt64
    var end: UInt64 = 0
    var attributes: SpanAttributes = [:]
    var status: SpanStatus?
    private(set) var events: [SpanEvent] = []
    private(set) var links: [SpanLink] = []

    init(identity: SpanIdentity, parent: UInt64?, kind: SpanKind, name: String, start: UInt64) {
        self.identity = identity
        self.parent = parent
        self.kind = kind
        self.name = name
        self.start = start
    }

    mutating func add(_ event: SpanEvent) {
        if events.count < Self.mostEntries { events.append(event) }
    }

    mutating func add(_ link: SpanLink) {
        if links.count < Self.mostEntries { links.append(link) }
    }
}
