/// Lines that break between words. What is one word and too long stays whole: an address that is broken cannot be opened.
public enum Wrapping {
    /// Breaks each line of a text that is too long, and lets what follows stand under where its words begin.
    /// - Parameter width: in columns; `nil`, for output that is not a terminal, leaves the text alone.
    public static func wrap(_ text: String, to width: Int?) -> String {
        guard let width, width > 0 else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.visibleWidth <= width ? String(line) : wrapped(line, to: width).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// The lines of one paragraph, without an indent of their own.
    public static func lines(_ text: String, width: Int) -> [String] {
        fill(words(text), first: "", then: "", width: width)
    }

    private static func wrapped(_ line: Substring, to width: Int) -> [String] {
        let indent = String(line.prefix { $0 == " " })
        let begin = hang(line, indent.count)
        // What would leave the words hardly any room is no indent to keep to.
        let then = begin < width / 2 ? begin : min(indent.count + 2, width / 2)
        return fill(
            words(line.dropFirst(indent.count)),
            first: indent,
            then: String(repeating: " ", count: then),
            width: width
        )
    }

    /// Where a line's words begin, after its label: `  reason:   the disk …` or `  → look at …`.
    private static func hang(_ line: Substring, _ indent: Int) -> Int {
        let text = line.dropFirst(indent)
        for label in ["→ ", "error: "] where text.hasPrefix(label) { return indent + label.count }
        if let colon = text.firstIndex(of: ":"), !text[..<colon].contains(" ") {
            let rest = text[text.index(after: colon)...]
            let gap = rest.prefix { $0 == " " }.count
            if gap > 0, colon != text.startIndex { return indent + text[...colon].count + gap }
        }
        return indent + (indent > 0 ? 2 : 0)
    }

    private struct Word {
        /// The spaces that stand before it, when it does not begin a line.
        var gap: Int
        var text: Substring
    }

    private static func words(_ text: some StringProtocol) -> [Word] {
        var words: [Word] = []
        var rest = Substring(text)
        while !rest.isEmpty {
            let gap = rest.prefix { $0 == " " }.count
            rest = rest.dropFirst(gap)
            let word = rest.prefix { $0 != " " }
            if !word.isEmpty { words.append(Word(gap: gap, text: word)) }
            rest = rest.dropFirst(word.count)
        }
        return words
    }

    private static func fill(_ words: [Word], first: String, then: String, width: Int) -> [String] {
        var lines: [String] = []
        var (line, isEmpty) = (first, true)
        for word in words {
            if !isEmpty, line.visibleWidth + word.gap + word.text.visibleWidth > width {
                lines.append(line)
                (line, isEmpty) = (then, true)
            }
            line += (isEmpty ? "" : String(repeating: " ", count: word.gap)) + word.text
            isEmpty = false
        }
        return lines + [line]
    }
}
