/// A value in a header table, in queue arguments or in the broker's properties.
///
/// Every integer width of the wire becomes ``int(_:)`` (unsigned 64-bit values above `Int64.max` are clamped),
/// floats and decimals become ``double(_:)``. A long string which is not UTF-8 becomes ``bytes(_:)``.
public enum AMQPValue: Sendable, Hashable {
    /// True or false.
    case bool(Bool)
    /// A signed 64-bit number.
    case int(Int64)
    /// A 64-bit floating-point number.
    case double(Double)
    /// A long string of UTF-8.
    case string(String)
    /// Bytes. They are sent as AMQP's byte array.
    case bytes([UInt8])
    /// Seconds since 1970.
    case timestamp(Int64)
    /// Values of any kinds. Arrays and tables nest at most 32 deep.
    case array([AMQPValue])
    /// A table within a table.
    case table([String: AMQPValue])
    /// No value.
    case void
}

/// Headers or arguments. Keys are at most 255 bytes of UTF-8.
public typealias AMQPTable = [String: AMQPValue]

extension AMQPValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension AMQPValue {
    /// How deep tables and arrays may nest: deeper ones are refused when sent, and cut to `void` when received,
    /// so that neither side's recursion can be driven into the end of the stack.
    static let maximumDepth = 32

    /// Bytes this value takes on the wire, its kind octet included; nil when it nests too deep or a key is too long.
    func wireSize(depth: Int = 0) -> Int? {
        guard depth <= Self.maximumDepth else { return nil }
        switch self {
        case .bool: return 2
        case .int, .double, .timestamp: return 9
        case .string(let string): return 5 + string.utf8.count
        case .bytes(let bytes): return 5 + bytes.count
        case .void: return 1
        case .array(let values):
            var size = 5
            for value in values {
                guard let part = value.wireSize(depth: depth + 1) else { return nil }
                size += part
            }
            return size
        case .table(let table):
            return table.wireSize(depth: depth + 1).map { $0 + 1 }
        }
    }
}

extension AMQPTable {
    /// Bytes this table takes on the wire, its length word included; see ``AMQPValue/wireSize(depth:)``.
    func wireSize(depth: Int = 0) -> Int? {
        var size = 4
        for (key, value) in self {
            guard key.utf8.count <= 255, let part = value.wireSize(depth: depth) else { return nil }
            size += 1 + key.utf8.count + part
        }
        return size
    }
}
