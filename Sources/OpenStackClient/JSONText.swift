import FoundationEssentials

/// JSON of the cloud's answers, and of what it is asked.
enum JSONText {
    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }

    static func encode(_ value: some Encodable) throws(OpenStackError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw OpenStackError(.refused, "a request could not be encoded")
        }
    }
}

/// A value of a request whose shape the caller knows.
public enum JSONPart: Encodable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByNilLiteral
{
    case text(String)
    case number(Int)
    case flag(Bool)
    case object([String: JSONPart])
    case list([JSONPart])
    case null

    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .flag(value) }
    public init(dictionaryLiteral elements: (String, JSONPart)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
    }
    public init(arrayLiteral elements: JSONPart...) { self = .list(elements) }
    public init(nilLiteral: ()) { self = .null }

    public static func texts(_ texts: [String: String]) -> JSONPart { .object(texts.mapValues { .text($0) }) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .flag(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .null: try container.encodeNil()
        }
    }

    /// As one line, for values that are JSON in a text.
    public func line() throws(OpenStackError) -> String {
        String(decoding: try JSONText.encode(self), as: UTF8.self)
    }
}
