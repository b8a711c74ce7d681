/// Reads JSON to the letter of RFC 8259, in UTF-8 and not too much of it.
///
/// Foundation's decoder takes more than that: commas before a closing bracket, a byte order mark, UTF-16. What one
/// reader takes and another refuses is no contract. And it finds out what kind a value is by trying one after the other.
struct JSONGrammar {
    private let bytes: [UInt8]
    private var position = 0
    private var values = 1
    private let maximumDepth: Int
    private let maximumValues: Int

    /// - Returns: `nil` when the bytes are not JSON, nest too deep or hold too many values. Of a key that an object has
    ///   twice, the last value.
    static func value(of bytes: some Collection<UInt8>, depth: Int, values: Int) -> JSONValue? {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var grammar = JSONGrammar(bytes: Array(bytes), maximumDepth: depth, maximumValues: values)
        grammar.skipSpace()
        guard let value = grammar.value(depth: 0) else { return nil }
        grammar.skipSpace()
        return grammar.next == nil ? value : nil
    }

    private init(bytes: [UInt8], maximumDepth: Int, maximumValues: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
        self.maximumValues = maximumValues
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }

    /// One more value; false when there are too many.
    private mutating func count() -> Bool {
        values += 1
        return values <= maximumValues
    }

    private mutating func value(depth: Int) -> JSONValue? {
        if take("{") {
            var members: [String: JSONValue] = [:]
            let isWhole = list(depth: depth + 1, until: "}") { grammar in
                guard grammar.take("\""), let key = grammar.string() else { return false }
                grammar.skipSpace()
                guard grammar.take(":") else { return false }
                grammar.skipSpace()
                guard let value = grammar.value(depth: depth + 1) else { return false }
                members[key] = value
                return true
            }
            return isWhole ? .object(members) : nil
        }
        if take("[") {
            var items: [JSONValue] = []
            let isWhole = list(depth: depth + 1, until: "]") { grammar in
                guard let value = grammar.value(depth: depth + 1) else { return false }
                items.append(value)
                return true
            }
            return isWhole ? .array(items) : nil
        }
        if take("\"") { return string().map { .string($0) } }
        if word("true") { return .bool(true) }
        if word("false") { return .bool(false) }
        if word("null") { return .null }
        let begin = position
        // One that is too large for a number is none.
        guard number(), let number = Double(String(decoding: bytes[begin..<position], as: UTF8.self)), number.isFinite
        else { return nil }
        return .number(number)
    }

    private mutating func list(
        depth: Int,
        until end: Unicode.Scalar,
        _ item: (inout JSONGrammar) -> Bool
    ) -> Bool {
        guard depth <= maximumDepth, count() else { return false }
        skipSpace()
        if take(end) { return true }
        while item(&self) {
            skipSpace()
            if take(end) { return true }
            guard take(","), count() else { return false }
            skipSpace()
        }
        return false
    }

    private mutating func word(_ word: StaticString) -> Bool {
        let end = position + word.utf8CodeUnitCount
        let isThere = word.withUTF8Buffer { end <= bytes.count && bytes[position..<end].elementsEqual($0) }
        if isThere { position = end }
        return isThere
    }

    private mutating func digits() -> Bool {
        let begin = position
        while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
        return position > begin
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0") { guard digits() else { return false } }
        if take(".") { guard digits() else { return false } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            return digits()
        }
        return true
    }

    /// What follows an opening quote, without its escapes.
    private mutating func string() -> String? {
        var text: [UInt8] = []
        var begin = position
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                let rest = bytes[begin..<position - 1]
                return text.isEmpty
                    ? String(decoding: rest, as: UTF8.self) : String(decoding: text + rest, as: UTF8.self)
            case UInt8(ascii: "\\"):
                text += bytes[begin..<position - 1]
                guard let scalar = escape() else { return nil }
                text += Array(String(scalar).utf8)
                begin = position
            case ..<0x20: return nil
            default: continue
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        position += 1
        switch byte {
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return unicode()
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        default: return nil
        }
    }

    private mutating func unicode() -> Unicode.Scalar? {
        guard let unit = hexadecimal() else { return nil }
        // Half a surrogate pair is invalid: the first half needs the second behind it.
        guard (0xD800...0xDFFF).contains(unit) else { return Unicode.Scalar(unit) }
        guard unit < 0xDC00, take("\\"), take("u"), let second = hexadecimal(), (0xDC00...0xDFFF).contains(second)
        else { return nil }
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
    }

    private mutating func hexadecimal() -> UInt32? {
        guard position + 4 <= bytes.count else { return nil }
        var unit: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            switch byte {
            case 0x30...0x39: unit = unit << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: unit = unit << 4 | UInt32(byte - 0x37)
            case 0x61...0x66: unit = unit << 4 | UInt32(byte - 0x57)
            default: return nil
            }
        }
        position += 4
        return unit
    }
}
