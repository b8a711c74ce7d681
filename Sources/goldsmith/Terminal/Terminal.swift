import Foundation
import Glibc
import SystemPackage

/// What a command says to people. Colour and redrawing only where a person looks: on a terminal, without `NO_COLOR`.
enum Terminal {
    static let isInteractive = isatty(STDOUT_FILENO) == 1
    static let isColoured = isInteractive && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

    static func say(_ text: String) { write(text + "\n", to: .standardOutput) }
    @Sendable static func complain(_ text: String) { write(text + "\n", to: .standardError) }

    /// Nothing can be done about a closed pipe.
    static func write(_ text: String, to file: FileDescriptor = .standardOutput) {
        _ = try? file.writeAll(text.utf8)
    }

    enum Tone: String {
        case good = "32"
        case bad = "31"
        case busy = "33"
        case faint = "2"
        case strong = "1"
    }

    static func paint(_ text: String, _ tone: Tone) -> String {
        isColoured ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Whether somebody is there to be asked.
    static var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isInteractive }

    /// - Returns: what was typed, without its end of line; `nil` at the end of the input.
    static func ask(_ question: String) -> String? {
        write(question)
        return readLine()
    }

    static func say(json value: some Encodable) throws(CommandFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let bytes = try? encoder.encode(value) else { throw CommandFailure(.failed, "cannot encode the answer") }
        say(String(decoding: bytes, as: UTF8.self))
    }
}

/// Columns under headings, as wide as their widest cell.
struct Table {
    let headings: [String]
    private(set) var rows: [[String]] = []

    init(_ headings: String...) { self.headings = headings }

    mutating func add(_ cells: String...) { rows.append(cells) }

    var text: String {
        let all = [headings] + rows
        let widths = headings.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.enumerated().map { index, row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell.padding(toLength: widths[column], withPad: " ", startingAt: 0)
            }
            let line = cells.joined(separator: "  ")
            return index == 0 ? Terminal.paint(line, .faint) : line
        }.joined(separator: "\n")
    }
}

enum Format {
    /// All 64 digits make every line of a table wrap on a terminal, where a look suffices; `--json` has them too.
    static func checksum(_ text: String) -> String { Terminal.isInteractive ? text.prefix(16) + "…" : text }

    /// 1536 → `1.5 KiB`.
    static func bytes(_ count: Int64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(count) B" : "\(oneDigit(value)) \(unit)" }
            value /= 1024
        }
        return "\(oneDigit(value)) TiB"
    }

    /// 1234 → `1.2 s`.
    static func seconds(_ milliseconds: Int64) -> String { "\(oneDigit(Double(milliseconds) / 1_000)) s" }

    private static func oneDigit(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
