/// A short name that comes from outside and ends up in paths, routing keys and SQL parameters.
///
/// Nearly every identifier obeys one rule, checked once, where it enters: 1–63 characters out of `A–Z a–z 0–9 . _ -`, the
/// first a letter or a digit. So an identifier can never be `..`, begin with `-` (an option to a program), hold a
/// slash, a NUL or a newline, or hide in a folder listing.
public protocol Identifier: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    var text: String { get }
    /// The rule, for people.
    static var sentence: String { get }
    static func allows(_ text: String) -> Bool
    /// Takes `text` as it is. Only for text that is known to obey the rule.
    init(known text: String)
}

extension Identifier {
    /// `nil` when `text` breaks the rule above.
    public init?(_ text: String) {
        guard Self.allows(text) else { return nil }
        self.init(known: text)
    }

    public static var sentence: String { IdentifierRule.sentence }
    public static func allows(_ text: String) -> Bool { IdentifierRule.allows(text) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not a valid \(Self.self)"
            )
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
    public var description: String { text }
}

/// The one rule for identifiers, and the sentence that explains it to people.
public enum IdentifierRule {
    public static let maximumLength = 63
    public static let sentence =
        "use 1 to \(maximumLength) letters, digits, '.', '_' or '-', beginning with a letter or a digit"

    public static func allows(_ text: String, maximumLength: Int = Self.maximumLength) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= maximumLength, isAlphanumeric(first) else { return false }
        return bytes.allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

/// An image, for example `img-5f0c2b7e9a41d3c8`.
public struct ImageID: Identifier {
    public let text: String
    public init(known text: String) { self.text = text }
}

/// An instance of the compute system behind the driver, for example `i-web1`; where there are several drivers, with the
/// one it belongs to: `cloud/i-web1`.
///
/// A driver sees its own instances by their names alone, so that one can still be a path component.
public struct InstanceID: Identifier {
    public static let sentence =
        IdentifierRule.sentence + ", after the name of its driver and a slash where drivers have names"
    public let text: String
    public init(known text: String) { self.text = text }

    public static func allows(_ text: String) -> Bool {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return IdentifierRule.allows(parts[parts.count - 1]) && (parts.count == 1 || DriverName.allows(parts[0]))
    }

    /// Absent where there is one driver without a name.
    public var driver: DriverName? {
        text.firstIndex(of: "/").map { DriverName(known: String(text[..<$0])) }
    }

    /// What its driver calls it.
    public var name: InstanceID {
        text.firstIndex(of: "/").map { InstanceID(known: String(text[text.index(after: $0)...])) } ?? self
    }

    /// The same name as that of another driver's instance, or of no driver's.
    public func of(_ driver: DriverName?) -> InstanceID {
        driver.map { InstanceID(known: "\($0)/\(name)") } ?? name
    }
}

/// One of several drivers of an installation, for example `cloud`.
public struct DriverName: Identifier {
    public static let sentence = IdentifierRule.sentence + ", without capitals"
    public let text: String
    public init(known text: String) { self.text = text }

    public static func allows(_ text: String) -> Bool {
        IdentifierRule.allows(text) && !text.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }
}

/// The account an image belongs to. Quotas are per owner.
///
/// One word of an event's routing key, so it holds no dot: a second word would slip past topic permissions.
public struct Owner: Identifier {
    public static let sentence = IdentifierRule.sentence + ", without dots"
    public let text: String
    public init(known text: String) { self.text = text }

    public static func allows(_ text: String) -> Bool { IdentifierRule.allows(text) && !text.contains(".") }
}

/// A place that images are replicated to, for example `east`.
public struct LocationName: Identifier {
    public let text: String
    public init(known text: String) { self.text = text }
}

/// A dictionary by location is an object in JSON.
extension LocationName: CodingKeyRepresentable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public var codingKey: any CodingKey { Key(stringValue: text) }
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }
}

/// A host of the compute system, for example `h1`: the workers there read and write its files.
///
/// In lower case: names of hosts do not differ by case, and names of queues do.
public struct HostName: Identifier {
    public static let sentence = IdentifierRule.sentence + ", without capitals"
    public let text: String
    public init(known text: String) { self.text = text }

    public static func allows(_ text: String) -> Bool {
        IdentifierRule.allows(text) && !text.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }
}

/// An upstream's idempotency key: one answer, and at most one image, per owner and request id.
///
/// Never part of a path, so it may be any 1–128 printable ASCII characters without spaces: upstreams bring their own.
public struct RequestID: Identifier {
    public static let sentence = "use 1 to 128 printable ASCII characters without spaces"
    public let text: String
    public init(known text: String) { self.text = text }

    public static func allows(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
