/// A file of sections and keys: a unit of systemd, a profile of NetworkManager.
struct ConfigurationFile {
    struct Entry {
        var section: String
        var key: String
        var value: String
        /// From 1.
        var number: Int
        /// Its lines in the file, with their line feeds.
        var lines: Range<Int>
        /// Its first line, without its line feed.
        var first: Range<Int>
    }

    let entries: [Entry]

    /// - Parameter continues: whether a backslash at a line's end continues it, as in systemd's files.
    init(_ bytes: [UInt8], continues: Bool) {
        var entries: [Entry] = []
        var section = ""
        var open: Entry?
        for (index, line) in Fstab.lines(of: bytes).enumerated() {
            let end = min(line.upperBound + 1, bytes.count)
            let text = Self.trimmed(String(decoding: bytes[line], as: UTF8.self))
            if text.isEmpty && open == nil || text.hasPrefix("#") || text.hasPrefix(";") { continue }
            let goesOn = continues && text.hasSuffix("\\")
            let piece = goesOn ? Self.trimmed(String(text.dropLast())) : text
            if var entry = open {
                entry.value += (entry.value.isEmpty ? "" : " ") + piece
                entry.lines = entry.lines.lowerBound..<end
                open = goesOn ? entry : nil
                if !goesOn { entries.append(entry) }
                continue
            }
            if text.hasPrefix("["), text.hasSuffix("]") {
                section = String(text.dropFirst().dropLast())
                continue
            }
            guard let equals = piece.firstIndex(of: "=") else { continue }
            let entry = Entry(
                section: section,
                key: Self.trimmed(String(piece[..<equals])),
                value: Self.trimmed(String(piece[piece.index(after: equals)...])),
                number: index + 1,
                lines: line.lowerBound..<end,
                first: line
            )
            if goesOn { open = entry } else { entries.append(entry) }
        }
        if let open { entries.append(open) }
        self.entries = entries
    }

    private static func trimmed(_ text: String) -> String {
        let isBlank = { (character: Character) in character.isWhitespace }
        guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(text[first...last])
    }

    /// The words of a list that may be given in several lines; an empty value takes back what stood before it.
    func words(_ section: String, _ key: String) -> [(word: String, entry: Entry)] {
        var words: [(String, Entry)] = []
        for entry in entries where entry.section == section && entry.key == key {
            if entry.value.isEmpty { words = [] }
            words += entry.value.split(whereSeparator: \.isWhitespace).map { (String($0), entry) }
        }
        return words
    }

    /// The last value that a key has.
    func value(_ section: String, _ key: String) -> String? {
        entries.last { $0.section == section && $0.key == key }?.value
    }
}
