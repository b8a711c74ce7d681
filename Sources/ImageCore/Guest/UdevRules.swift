/// A file of udev's rules, read as udev reads it: a rule is a line and those that continue it, comments between them
/// left out; what cannot be parsed is no rule.
struct UdevRules {
    struct Rule {
        /// Of its first line, from 1.
        var number: Int
        /// All its lines in the file, with their line feeds.
        var lines: Range<Int>
        /// Its first line.
        var first: Range<Int>
        var parts: [Part]
    }

    /// `ATTR{address}=="52:54:00:12:34:56"`
    struct Part {
        var key: String
        var operation: String
        var value: String
    }

    let rules: [Rule]

    init(_ bytes: [UInt8]) {
        var rules: [Rule] = []
        var open: (rule: Rule, text: [UInt8])?
        for (index, line) in Fstab.lines(of: bytes).enumerated() {
            let end = min(line.upperBound + 1, bytes.count)
            var text = bytes[line].drop { Self.isBlank($0) }
            if text.last == UInt8(ascii: "\r") { text = text.dropLast() }
            if text.first == UInt8(ascii: "#") || (text.isEmpty && open == nil) { continue }
            var rule = open ?? (Rule(number: index + 1, lines: line.lowerBound..<end, first: line, parts: []), [])
            rule.rule.lines = rule.rule.lines.lowerBound..<end
            let goesOn = text.last == UInt8(ascii: "\\")
            rule.text += goesOn ? text.dropLast() : text
            open = goesOn ? rule : nil
            if !goesOn { rules.append(Self.parsed(rule)) }
        }
        if let open { rules.append(Self.parsed(open)) }
        self.rules = rules
    }

    private static func parsed(_ open: (rule: Rule, text: [UInt8])) -> Rule {
        var rule = open.rule
        rule.parts = Self.parts(open.text) ?? []
        return rule
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func parts(_ text: [UInt8]) -> [Part]? {
        var parts: [Part] = []
        var rest = text[...]
        while true {
            rest = rest.drop { isBlank($0) || $0 == UInt8(ascii: ",") }
            guard !rest.isEmpty else { return parts }
            let key = rest.prefix { !"=!+-:\"".utf8.contains($0) }
            // A hyphen, colon or equals sign between braces is the attribute's own.
            let name: ArraySlice<UInt8>
            if let brace = key.firstIndex(of: UInt8(ascii: "{")),
                let close = rest[brace...].firstIndex(of: UInt8(ascii: "}"))
            {
                name = rest[rest.startIndex...close]
            } else {
                name = key
            }
            rest = rest[name.endIndex...].drop { isBlank($0) }
            let operation = rest.prefix { "=!+-:".utf8.contains($0) }
            rest = rest[operation.endIndex...].drop { isBlank($0) }
            if let prefix = rest.first, "ei".utf8.contains(prefix), rest.dropFirst().first == UInt8(ascii: "\"") {
                rest = rest.dropFirst()
            }
            guard !operation.isEmpty, rest.popFirst() == UInt8(ascii: "\"") else { return nil }
            var value: [UInt8] = []
            while let byte = rest.first, byte != UInt8(ascii: "\"") {
                rest = rest.dropFirst()
                if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "\"") {
                    value.append(UInt8(ascii: "\""))
                    rest = rest.dropFirst()
                } else {
                    value.append(byte)
                }
            }
            guard rest.popFirst() == UInt8(ascii: "\"") else { return nil }
            let plain = String(decoding: name.filter { !isBlank($0) }, as: UTF8.self)
            let sign = String(decoding: operation, as: UTF8.self)
            parts.append(Part(key: plain, operation: sign, value: String(decoding: value, as: UTF8.self)))
        }
    }
}

extension UdevRules.Rule {
    /// Whether it is for one network card, known by its MAC address.
    var bindsNetwork: Bool { isOfNetwork && parts.contains { $0.operation == "==" && $0.isOneCard } }

    /// Whether it passes over what follows for every card but one.
    var excludesOtherCards: Bool {
        isOfNetwork && parts.contains { $0.operation == "!=" && $0.isOneCard } && parts.contains { $0.key == "GOTO" }
    }

    private var isOfNetwork: Bool {
        parts.allSatisfy {
            $0.key != "SUBSYSTEM" || $0.operation != "==" || Globs.alternatives($0.value).contains("net")
        }
    }

    /// The names below `/dev` that it gives to what it matches.
    var deviceNames: [String] {
        parts.filter { $0.key == "SYMLINK" && ["=", "+=", ":="].contains($0.operation) }
            .flatMap { $0.value.split(separator: " ").map { "/dev/" + $0 } }
    }

    /// What it wants of a device: `ENV{ID_FS_UUID}` and its like.
    func match(_ key: String) -> String? { parts.first { $0.key == key && $0.operation == "==" }?.value }
}

extension UdevRules.Part {
    fileprivate var isOneCard: Bool {
        let patterns = Globs.alternatives(value)
        let isBare = key == "ENV{ID_NET_NAME_MAC}"
        return !patterns.isEmpty && patterns.allSatisfy { MACAddress.isOfOneCard($0, mayBeBare: isBare) }
    }
}

private enum Globs {
    static func alternatives(_ value: String) -> [String] { value.split(separator: "|").map(String.init) }
}

/// Addresses of network cards, as files of many kinds write them.
enum MACAddress {
    /// Whether a pattern fits one card or a few, and not all of a vendor's: whether something stands after the first
    /// three octets. Nothing but zeros is no card's.
    /// - Parameter mayBeBare: whether twelve digits without anything between them are an address.
    static func isOfOneCard(_ pattern: String, mayBeBare: Bool = false) -> Bool {
        var text = Substring(pattern.lowercased())
        guard text.utf8.count <= 128 else { return false }
        let prefixes = ["enx", "wlx", "wwx", "ibx"]
        let isNamed = prefixes.contains { text.hasPrefix($0) }
        if isNamed { text = text.dropFirst(3) }
        if isNamed || mayBeBare, text.count == 12, text.allSatisfy(\.isHexDigit) {
            return text.contains { $0 != "0" }
        }
        var plain = ""
        var isInBrackets = false
        for character in text {
            switch character {
            case "[": isInBrackets = true
            case "]":
                isInBrackets = false
                plain.append("?")
            default: if !isInBrackets { plain.append(character) }
            }
        }
        let octets = plain.split(separator: plain.contains(":") ? ":" : "-", omittingEmptySubsequences: false)
        guard octets.count >= 4 || octets.first == "*", octets.count > 1 else { return false }
        let isAddress = octets.allSatisfy { $0.allSatisfy { $0.isHexDigit || $0 == "?" || $0 == "*" } && $0.count <= 4 }
        guard isAddress else { return false }
        let own = octets.first == "*" ? octets.dropFirst() : octets.dropFirst(3)
        return own.contains { $0.contains { $0.isHexDigit } } && octets.contains { $0.contains { $0 != "0" } }
    }
}
