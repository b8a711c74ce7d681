import FoundationEssentials
import Tracing

/// Spans as OTLP has them in JSON: names in lowerCamelCase, ids in hexadecimal, 64-bit numbers as texts, enumerations as
/// numbers (OTLP specification 1.x, "JSON Protobuf Encoding"; `opentelemetry/proto/trace/v1/trace.proto`).
struct OTLPMessage: Encodable {
    /// Longer texts are cut: an attribute is there to be searched, and a batch must stay small.
    static let longestText = 1024

    private let resourceSpans: [ResourceSpans]

    init(of spans: [SpanRecord], from resource: [String: String]) {
        let attributes = resource.sorted { $0.key < $1.key }.map { Attribute(key: $0.key, value: .text($0.value)) }
        resourceSpans = [
            ResourceSpans(
                resource: Resource(attributes: attributes),
                scopeSpans: [ScopeSpans(scope: Scope(name: "goldsmith"), spans: spans.map { Span($0) })]
            )
        ]
    }

    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity",
            negativeInfinity: "-Infinity",
            nan: "NaN"
        )
        // There is nothing in it that cannot be encoded.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private struct ResourceSpans: Encodable {
        var resource: Resource
        var scopeSpans: [ScopeSpans]
    }
    private struct Resource: Encodable { var attributes: [Attribute] }
    private struct ScopeSpans: Encodable {
        var scope: Scope
        var spans: [Span]
    }
    private struct Scope: Encodable { var name: String }

    private struct Span: Encodable {
        var traceId: String
        var spanId: String
        var traceState: String?
        var parentSpanId: String?
        var flags: UInt32
        var name: String
        var kind: Int
        var startTimeUnixNano: String
        var endTimeUnixNano: String
        var attributes: [Attribute]
        var events: [Event]
        var links: [Link]
        var status: Status

        init(_ record: SpanRecord) {
            traceId = record.identity.traceID
            spanId = record.identity.spanID
            traceState = record.identity.state
            parentSpanId = record.parent.map {
                SpanIdentity(traceHigh: 0, traceLow: 0, span: $0, isSampled: false, state: nil).spanID
            }
            flags = record.identity.isSampled ? 1 : 0
            name = record.name
            kind =
                switch record.kind {
                case .internal: 1
                case .server: 2
                case .client: 3
                case .producer: 4
                case .consumer: 5
                }
            startTimeUnixNano = "\(record.start)"
            // A clock that was set back meanwhile must not make a span that ends before it begins.
            endTimeUnixNano = "\(max(record.start, record.end))"
            attributes = Attribute.list(record.attributes)
            events = record.events.map { Event($0) }
            links = record.links.compactMap { Link($0) }
            status = Status(record.status)
        }
    }

    private struct Event: Encodable {
        var timeUnixNano: String
        var name: String
        var attributes: [Attribute]

        init(_ event: SpanEvent) {
            timeUnixNano = "\(event.nanosecondsSinceEpoch)"
            name = event.name
            attributes = Attribute.list(event.attributes)
        }
    }

    private struct Link: Encodable {
        var traceId: String
        var spanId: String
        var attributes: [Attribute]

        init?(_ link: SpanLink) {
            guard let identity = link.context[SpanIdentityKey.self] else { return nil }
            traceId = identity.traceID
            spanId = identity.spanID
            attributes = Attribute.list(link.attributes)
        }
    }

    private struct Status: Encodable {
        var code: Int
        var message: String?

        init(_ status: SpanStatus?) {
            code =
                switch status?.code {
                case nil: 0
                case .ok: 1
                case .error: 2
                }
            message = status?.message.map { String($0.prefix(OTLPMessage.longestText)) }
        }
    }

    private struct Attribute: Encodable {
        var key: String
        var value: Value

        static func list(_ attributes: SpanAttributes) -> [Attribute] {
            var list: [Attribute] = []
            attributes.forEach { key, value in list.append(Attribute(key: key, value: Value(value))) }
            return list.sorted { $0.key < $1.key }
        }
    }

    private enum Value: Encodable {
        case text(String)
        case whole(Int64)
        case number(Double)
        case truth(Bool)
        case list([Value])

        init(_ attribute: SpanAttribute) {
            switch attribute {
            case .int32(let value): self = .whole(Int64(value))
            case .int64(let value): self = .whole(value)
            case .double(let value): self = .number(value)
            case .bool(let value): self = .truth(value)
            case .string(let value): self = .text(value)
            case .stringConvertible(let value): self = .text("\(value)")
            case .int32Array(let values): self = .list(values.map { .whole(Int64($0)) })
            case .int64Array(let values): self = .list(values.map { .whole($0) })
            case .doubleArray(let values): self = .list(values.map { .number($0) })
            case .boolArray(let values): self = .list(values.map { .truth($0) })
            case .stringArray(let values): self = .list(values.map { .text($0) })
            case .stringConvertibleArray(let values): self = .list(values.map { .text("\($0)") })
            default: self = .text("")
            }
        }

        private enum CodingKeys: String, CodingKey {
            case stringValue, intValue, doubleValue, boolValue, arrayValue
        }
        private struct Values: Encodable { var values: [Value] }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .text(let value):
                try container.encode(String(value.prefix(OTLPMessage.longestText)), forKey: .stringValue)
            case .whole(let value): try container.encode("\(value)", forKey: .intValue)
            case .number(let value): try container.encode(value, forKey: .doubleValue)
            case .truth(let value): try container.encode(value, forKey: .boolValue)
            case .list(let values): try container.encode(Values(values: values), forKey: .arrayValue)
            }
        }
    }
}

/// What a receiver says that has taken a message.
enum OTLPAnswer {
    private struct Answer: Decodable {
        var partialSuccess: Partial?
    }
    private struct Partial: Decodable {
        var rejectedSpans: Count?
    }
    /// A 64-bit number is a text in this encoding, and a number in some receivers'.
    private struct Count: Decodable {
        var value: Int

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            value =
                if let text = try? container.decode(String.self) { Int(text) ?? 0 } else {
                    try container.decode(Int.self)
                }
        }
    }

    /// How many spans it rejected although it took the rest. An unreadable answer counts as no rejection.
    static func refused(_ body: String) -> Int {
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(body.utf8))
        return max(0, answer?.partialSuccess?.rejectedSpans?.value ?? 0)
    }
}
