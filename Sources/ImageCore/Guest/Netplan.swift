/// A file of netplan's, as far as it says for which cards it is: YAML in its block and its flow style.
struct Netplan {
    /// `macaddress` under `match`.
    struct Match {
        /// From 1.
        var number: Int
        var line: Range<Int>
        var address: String
        /// Whether it has a line for itself, and the cards are matched by something else, too.
        var canGo: Bool
    }

    private(set) var matches: [Match] = []
    /// Whether it describes addresses in a way that is not understood here.
    let isUnclear: Bool

    init(_ bytes: [UInt8]) {
        var scan = Scan()
        for (index, line) in Fstab.lines(of: bytes).enumerated() {
            scan.read(String(decoding: bytes[line].prefix(4096), as: UTF8.self), index + 1, line)
        }
        let counts = Dictionary(grouping: scan.matched) { $0.block }.mapValues(\.count)
        matches = scan.matched.filter { $0.key == "macaddress" && MACAddress.isOfOneCard($0.value) }.map { entry in
            let canGo = !entry.isFlow && (counts[entry.block] ?? 0) > 1
            return Match(number: entry.number, line: entry.line, address: entry.value, canGo: canGo)
        }
        isUnclear = scan.mentions != scan.understood
    }

    private struct Entry {
        var key: String
        var value: String
        var number: Int
        var line: Range<Int>
        /// The line of the `match` it stands under.
        var block: Int
        var isFlow: Bool
    }

    private struct Scan {
        /// The keys that a line stands under, with their indents and lines.
        var stack: [(indent: Int, key: String, number: Int)] = []
        /// The same inside braces; a brace without a key has an empty one.
        var flow: [(key: String, number: Int)] = []
        var word = ""
        var key: String?
        var matched: [Entry] = []
        var mentions = 0
        var understood = 0

        mutating func read(_ text: String, _ number: Int, _ line: Range<Int>) {
            let plain = Self.withoutComment(text)
            mentions += plain.lowercased().ranges(of: "macaddress").count
            guard flow.isEmpty else { return readFlow(plain[...], number, line) }
            var rest = plain[...]
            var indent = 0
            while let first = rest.first, first == " " || (first == "-" && rest.dropFirst().first == " ") {
                indent += 1
                rest = rest.dropFirst()
            }
            guard !rest.isEmpty, !rest.hasPrefix("---") else { return }
            if rest.first == "{" { return readFlow(rest, number, line) }
            guard let (key, value) = Self.pair(rest) else { return }
            while let last = stack.last, last.indent >= indent { stack.removeLast() }
            note(key, value, under: stack.last.map { ($0.key, $0.number) }, number, line, isFlow: false)
            if stack.count < 64 { stack.append((indent, key, number)) }
            if value.first == "{" {
                self.key = key
                readFlow(value[...], number, line)
            }
        }

        private mutating func note(
            _ key: String,
            _ value: String,
            under parent: (key: String, number: Int)?,
            _ number: Int,
            _ line: Range<Int>,
            isFlow: Bool
        ) {
            if key == "macaddress" { understood += 1 }
            guard let parent, parent.key == "match" else { return }
            matched.append(
                Entry(key: key, value: value, number: number, line: line, block: parent.number, isFlow: isFlow)
            )
        }

        private mutating func readFlow(_ text: Substring, _ number: Int, _ line: Range<Int>) {
            var quote: Character?
            let characters = Array(text)
            for (index, character) in characters.enumerated() {
                if let open = quote {
                    if character == open { quote = nil } else { word.append(character) }
                    continue
                }
                switch character {
                case "\"", "'": quote = character
                case "{":
                    if flow.count < 64 { flow.append((key ?? flow.last?.key ?? "", number)) }
                    key = nil
                    word = ""
                case ",", "}":
                    end(number, line)
                    if character == "}", !flow.isEmpty { flow.removeLast() }
                    if flow.isEmpty { return }
                case ":" where index + 1 == characters.count || " {\"'".contains(characters[index + 1]):
                    key = Self.trimmed(word)
                    word = ""
                default: word.append(character)
                }
            }
            word.append(" ")
        }

        private mutating func end(_ number: Int, _ line: Range<Int>) {
            if let key, let parent = flow.last {
                note(key, Self.trimmed(word), under: parent, number, line, isFlow: true)
            }
            key = nil
            word = ""
        }

        private static func pair(_ text: Substring) -> (key: String, value: String)? {
            var index = text.startIndex
            while let colon = text[index...].firstIndex(of: ":") {
                let after = text.index(after: colon)
                if after == text.endIndex || text[after] == " " || text[after] == "\t" {
                    return (unquoted(text[..<colon]), unquoted(text[after...]))
                }
                index = after
            }
            return nil
        }

        private static func trimmed(_ text: some StringProtocol) -> String {
            let words = text.drop { $0.isWhitespace }
            let last = words.lastIndex { !$0.isWhitespace }
            return last.map { String(words[...$0]) } ?? ""
        }

        private static func unquoted(_ text: some StringProtocol) -> String {
            let plain = trimmed(text)
            guard plain.count > 1, let quote = plain.first, "\"'".contains(quote), plain.last == quote else {
                return plain
            }
            return String(plain.dropFirst().dropLast())
        }

        private static func withoutComment(_ text: String) -> String {
            var quote: Character?
            var last: Character = " "
            var plain = ""
            for character in text where character != "\r" {
                if let open = quote {
                    if character == open { quote = nil }
                } else if character == "#", last == " " || last == "\t" {
                    break
                } else if character == "\"" || character == "'" {
                    quote = character
                }
                plain.append(character)
                last = character
            }
            return plain
        }
    }
}
