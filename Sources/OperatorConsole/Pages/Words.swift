import ImageCore
import Operations

/// Quantities and moments as people read them.
enum Words {
    /// 75 s → `1 min 15 s`.
    static func duration(_ duration: Duration) -> String {
        let seconds = Double(duration.microseconds) / 1_000_000
        if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 10 { return "\(Quantity.oneDigit(seconds)) s" }
        let whole = Int(seconds.rounded())
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return whole % 60 == 0 ? "\(whole / 60) min" : "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }

    /// Begins with a capital letter and ends with a stop; what stands in backticks is to be typed as it is.
    static func sentence(_ text: String) -> HTML {
        let capital = text.prefix(1).uppercased() + text.dropFirst()
        let whole = capital.last.map { ".!?…".contains($0) } == true ? capital : capital + "."
        let parts = whole.split(separator: "`", omittingEmptySubsequences: false).map(String.init)
        // An odd backtick is only a letter.
        guard !parts.count.isMultiple(of: 2) else { return HTML(whole) }
        return .joined(parts.enumerated().map { $0.offset.isMultiple(of: 2) ? HTML($0.element) : code($0.element) })
    }

    private static func code(_ text: String) -> HTML { tag(.code) { text } }

    static func count(_ number: Int, _ thing: String) -> String { "\(number) \(thing)\(number == 1 ? "" : "s")" }

    /// A moment, with its date and the whole of it for programs. Always in UTC, and says so in its title.
    static func moment(_ moment: Timestamp) -> HTML {
        let full = moment.rfc3339
        return tag(.time, Attribute("datetime", full), Attribute("title", full)) {
            full.prefix(10) + " " + full.dropFirst(11).prefix(8)
        }
    }

    /// The time of day only, where the date stands nearby.
    static func clock(_ moment: Timestamp) -> HTML {
        let full = moment.rfc3339
        return tag(.time, Attribute("datetime", full), Attribute("title", full)) {
            clockText(moment)
        }
    }

    static func clockText(_ moment: Timestamp) -> String { String(moment.rfc3339.dropFirst(11).prefix(8)) }
}

/// A state in a word and a shape; its colour only repeats what they say.
struct Mark {
    enum Shape: String {
        /// ○ not begun or waiting
        case waiting
        /// ◐ at work
        case busy
        /// ● done
        case good
        /// ▲ worth a look
        case warning
        /// ✕ failed
        case bad
        /// – nothing more will come
        case off

        var sign: String {
            switch self {
            case .waiting: "○"
            case .busy: "◐"
            case .good: "●"
            case .warning: "▲"
            case .bad: "✕"
            case .off: "–"
            }
        }
    }

    var shape: Shape
    var word: String

    init(_ shape: Shape, _ word: String) {
        self.shape = shape
        self.word = word
    }

    init(_ status: ImageStatus) {
        word = status.rawValue
        switch status {
        case .pending: shape = .waiting
        case .replicating: shape = .busy
        case .available: shape = .good
        case .error: shape = .bad
        case .deleting: shape = .busy
        case .deleted: shape = .off
        }
    }

    var html: HTML {
        tag(.span, .class("mark \(shape.rawValue)")) {
            tag(.span, .class("sign"), .hidden) { shape.sign }
            tag(.span, .class("word")) { word }
        }
    }
}
