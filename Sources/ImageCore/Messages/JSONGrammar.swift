/// Whether bytes are JSON to the letter of RFC 8259, in UTF-8 and not too much of it.
///
/// The decoder alone takes more than that: commas before a closing bracket, a byte order mark, UTF-16. What one reader
/// takes and another refuses is no contract.
struct JSONGrammar {
    private let bytes: [UInt8]
    private var position = 0
    private var values = 1
    private let maximumDepth: Int
    private let maximumValues: Int

    static func allows(_ bytes: some Collection<UInt8>, depth: Int, values: Int) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var grammar = JSONGrammar(bytes: Array(bytes), maximumDepth: depth, maximumValues: values)
        grammar.skipSpace()
        guard grammar.value(depth: 0) else { return false }
        grammar.skipSpace()
        return grammar.next == nil
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

    private mutating func value(depth: Int) -> Bool {
        if take("{") {
            return list(depth: depth + 1, until: "}") { grammar in
                guard grammar.take("\""), grammar.string() else { return false }
                grammar.skipSpace()
                guard grammar.take(":") else { return false }
                grammar.skipSpace()
                return grammar.value(depth: depth + 1)
            }
        }
        if take("[") { return list(depth: depth + 1, until: "]") { $0.value(depth: depth + 1) } }
        if take("\"") { return string() }
        return word("true") || word("false") || word("null") || number()
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

    /// What follows an opening quote.
    private mutating func string() -> Bool {
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case ..<0x20: return false
            default: continue
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard let byte = next else { return false }
        position += 1
        guard byte == UInt8(ascii: "u") else { return "\"\\/bfnrt".utf8.contains(byte) }
        guard let unit = hexadecimal() else { return false }
        // Half a surrogate pair is invalid: the first half needs the second behind it.
        guard (0xD800...0xDFFF).contains(unit) else { return true }
        guard unit < 0xDC00, take("\\"), take("u"), let second = hexadecimal() else { return false }
        return (0xDC00...0xDFFF).contains(second)
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
