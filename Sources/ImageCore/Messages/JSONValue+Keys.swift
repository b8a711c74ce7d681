import FoundationEssentials

extension JSONValue {
    /// A key that one object of a document has twice; `nil` when none has. A decoder takes one of the two values, and
    /// JSON does not define which.
    /// - Parameter bytes: JSON that could be parsed.
    public static func repeatedKey(in bytes: some Collection<UInt8>) -> String? {
        // The keys of every object that is open, and nothing for a list.
        var open: [Set<String>?] = []
        var isKeyNext = false
        var rest = bytes.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "{"):
                open.append([])
                isKeyNext = true
            case UInt8(ascii: "["):
                open.append(nil)
                isKeyNext = false
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                _ = open.popLast()
                isKeyNext = false
            case UInt8(ascii: ","): isKeyNext = open.last.map { $0 != nil } == true
            case UInt8(ascii: "\""):
                let text = string(&rest)
                guard isKeyNext, let key = text, let last = open.indices.last else { continue }
                isKeyNext = false
                if open[last]?.insert(key).inserted == false { return key }
            default: break
            }
        }
        return nil
    }

    /// The text behind an opening quote, without its escapes: `"a"` and `"\u0061"` are one key.
    private static func string(_ rest: inout some IteratorProtocol<UInt8>) -> String? {
        var literal = [UInt8(ascii: "\"")]
        var isEscaped = false
        var hasEscapes = false
        while let byte = rest.next() {
            literal.append(byte)
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
                hasEscapes = true
            } else if byte == UInt8(ascii: "\"") {
                break
            }
        }
        guard hasEscapes else { return String(validating: literal.dropFirst().dropLast(), as: UTF8.self) }
        return try? JSONDecoder().decode(String.self, from: Data(literal))
    }
}
