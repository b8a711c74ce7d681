/// Text from outside, made fit to be shown: bounded, on one line, and with nothing in it that cannot be seen, since that
/// could move a terminal's cursor or turn a line's direction around.
public enum PlainText {
    /// In characters.
    public static let sentenceLimit = 300
    public static let wordLimit = 64
    public static let pathLimit = 160

    public static func sentence(_ bytes: [UInt8]) -> String { sentence(String(decoding: bytes, as: UTF8.self)) }

    /// Invisible characters become spaces, runs of spaces one, and the text is cut at the limit.
    public static func sentence(_ text: String) -> String {
        var words = ""
        for scalar in text.unicodeScalars.prefix(sentenceLimit * 8) {
            if !scalar.isVisible || scalar == " " {
                if !words.isEmpty, words.last != " " { words.append(" ") }
            } else {
                words.unicodeScalars.append(scalar)
            }
        }
        let trimmed = words.last == " " ? String(words.dropLast()) : words
        return trimmed.count <= sentenceLimit ? trimmed : trimmed.prefix(sentenceLimit) + "…"
    }

    /// A name to be quoted: invisible characters are left out, and it is cut at the limit.
    public static func word(_ text: String) -> String { visible(text, wordLimit) }

    /// A file's path to be quoted: as a word, and longer.
    public static func path(_ text: String) -> String { visible(text, pathLimit) }

    private static func visible(_ text: String, _ limit: Int) -> String {
        var word = String.UnicodeScalarView()
        word.append(contentsOf: text.unicodeScalars.lazy.filter(\.isVisible).prefix(limit))
        return String(word)
    }
}

extension Unicode.Scalar {
    /// Whether it is more than a command to a terminal or browser that shows it.
    var isVisible: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
