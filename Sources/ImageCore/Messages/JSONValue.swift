import FoundationEssentials

/// Any JSON, so that requests can be read field by field and a typo in a field's name is an error, not ignored.
public enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// How deep lists and objects may nest, and how many values there may be: several times what any request needs.
    public static let maximumDepth = 16
    public static let maximumValues = 4096

    /// `nil` when the bytes are not JSON, nest too deep or hold too many values.
    public init?(parsing bytes: some Collection<UInt8>) {
        let value = JSONGrammar.value(of: bytes, depth: Self.maximumDepth, values: Self.maximumValues)
        guard let value else { return nil }
        self = value
    }

    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

extension JSONValue: Codable {
    public init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: AnyKey.self) {
            var fields: [String: JSONValue] = [:]
            for key in object.allKeys { fields[key.stringValue] = try object.decode(JSONValue.self, forKey: key) }
            self = .object(fields)
        } else if var list = try? decoder.unkeyedContainer() {
            var items: [JSONValue] = []
            while !list.isAtEnd { items.append(try list.decode(JSONValue.self)) }
            self = .array(items)
        } else {
            let single = try decoder.singleValueContainer()
            if single.decodeNil() {
                self = .null
            } else if let value = try? single.decode(Bool.self) {
                self = .bool(value)
            } else if let value = try? single.decode(Double.self) {
                self = .number(value)
            } else {
                self = .string(try single.decode(String.self))
            }
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// Encoding of our own values. Sorted keys make equal values equal bytes, which idempotency compares.
public enum CanonicalJSON {
    public static func bytes(_ value: some Encodable) -> [UInt8] {
        if let value = value as? any JSONWritable {
            var json = JSONWriter()
            value.write(to: &json)
            return json.bytes
        }
        return encoded(value)
    }

    /// By way of `Codable`, whatever else the value can do.
    static func encoded(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Every value of ours consists of strings, integers and lists: encoding it cannot fail.
        return (try? encoder.encode(value)).map { [UInt8]($0) } ?? []
    }

    public static func text(_ value: some Encodable) -> String {
        String(decoding: bytes(value), as: UTF8.self)
    }

    public static func decode<Value: Decodable>(_ type: Value.Type, from bytes: some Collection<UInt8>) throws -> Value
    {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
