import ImageCore
import Operations
import TerminalText

/// An image's history for people: when, what, where, which attempt, who, and what came of it. One row an event: on a
/// terminal too narrow for all of it, details are cut, and `--json` has them.
struct Timeline {
    let lines: [HistoryLine]

    init(_ lines: [HistoryLine]) { self.lines = lines }

    var text: String {
        var table = Table(
            "AT",
            "WHAT",
            .clipped("JOB"),
            .dropped("ATTEMPT", 2),
            .dropped("BY", 1),
            .clipped("DETAIL")
        )
        let (clocks, day) = Format.clocks(lines.map(\.at))
        for (line, clock) in zip(lines, clocks) {
            table.add(
                clock,
                line.what,
                line.job?.description ?? "",
                line.attempt.map(String.init) ?? "",
                line.by ?? "",
                detail(line)
            )
        }
        return "History" + (day.map { " (\($0))" } ?? "") + "\n" + table.text
    }

    private func detail(_ line: HistoryLine) -> String {
        var parts: [String] = []
        if let bytes = line.bytes { parts.append(Quantity.bytes(bytes)) }
        if let milliseconds = line.milliseconds { parts.append("in \(Format.seconds(milliseconds))") }
        if let code = line.code { parts.append(code.rawValue + ":") }
        if let message = line.message { parts.append(message) }
        return parts.joined(separator: " ")
    }
}
