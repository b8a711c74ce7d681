import ImageCore

/// An image's history for people: when, how long since the line before, what, where, who, and what came of it.
struct Timeline {
    let lines: [HistoryLine]

    init(_ lines: [HistoryLine]) { self.lines = lines }

    var text: String {
        var table = Table("AT", "WHAT", "JOB", "ATTEMPT", "BY", "DETAIL")
        for line in lines {
            table.add(
                Format.moment(line.at),
                line.what,
                line.job?.description ?? "",
                line.attempt.map(String.init) ?? "",
                line.by ?? "",
                detail(line)
            )
        }
        return table.text
    }

    private func detail(_ line: HistoryLine) -> String {
        var parts: [String] = []
        if let bytes = line.bytes { parts.append(Format.bytes(bytes)) }
        if let milliseconds = line.milliseconds { parts.append("in \(Format.seconds(milliseconds))") }
        if let code = line.code { parts.append(code.rawValue + ":") }
        if let message = line.message { parts.append(message) }
        return parts.joined(separator: " ")
    }
}
