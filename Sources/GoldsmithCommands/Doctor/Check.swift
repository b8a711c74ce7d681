import TerminalText

/// One thing that the doctor looks at.
struct Check: Sendable {
    let name: String
    /// What was found. A failure is a bad finding of its own.
    let run: @Sendable (Settings) async throws(CommandFailure) -> [Diagnosis]

    /// In the order in which one explains the next.
    /// - Parameter isQuick: leaves out what takes long.
    static func all(isQuick: Bool) -> [Check] {
        machine + store + broker + management + traces + places + libvirt + cloud + (isQuick ? [] : [guests])
    }
}

/// What was found, how bad it is, and what to do.
struct Diagnosis: Encodable {
    enum Grade: String, Encodable {
        case good
        /// Could not be seen, or is good to know.
        case note
        /// Should be corrected; nothing is lost meanwhile.
        case warning
        /// Loses or stops work.
        case bad
    }

    var what: String
    var grade: Grade
    var message: String
    var advice: String?

    init(_ what: String, _ grade: Grade, _ message: String, advice: String? = nil) {
        (self.what, self.grade, self.message, self.advice) = (what, grade, message, advice)
    }

    var text: String {
        let (mark, tone): (String, Terminal.Tone) =
            switch grade {
            case .good: ("ok     ", .good)
            case .note: ("note   ", .faint)
            case .warning: ("warning", .busy)
            case .bad: ("bad    ", .bad)
            }
        return "\(Terminal.paint(mark, tone))  \(what): \(message)" + (advice.map { "\n          → \($0)" } ?? "")
    }
}
