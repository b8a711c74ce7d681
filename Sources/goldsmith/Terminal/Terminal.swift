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

    static func write(bytes: [UInt8]) { _ = try? FileDescriptor.standardOutput.writeAll(bytes) }

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

    /// What is seen of a cell: its colour takes no room.
    private static func width(_ cell: String) -> Int {
        var (count, isColour) = (0, false)
        for character in cell {
            switch character {
            case "\u{1B}": isColour = true
            case "m" where isColour: isColour = false
            default: count += isColour ? 0 : 1
            }
        }
        return count
    }

    mutating func add(_ cells: String...) { rows.append(cells) }

    var text: String {
        let all = [headings] + rows
        let widths = headings.indices.map { column in all.map { Self.width($0[column]) }.max() ?? 0 }
        return all.enumerated().map { index, row in
            let cells = row.enumerated().map { column, cell in
                let room = column == row.count - 1 ? 0 : widths[column] - Self.width(cell)
                return cell + String(repeating: " ", count: room)
            }
            var line = cells.joined(separator: "  ")
            // An empty last column leaves only room behind.
            while line.last == " " { line.removeLast() }
            return index == 0 ? Terminal.paint(line, .faint) : line
        }.joined(separator: "\n")
    }
}

enum Format {
    /// All 64 digits make every line of a table wrap on a terminal, where a look suffices; `--json` has them too.
    static func checksum(_ text: String) -> String { Terminal.isInteractive ? text.prefix(16) + "…" : text }

    /// What a row of a listing has room for of a sentence; one thing's own page and `--json` have all of it.
    static func brief(_ sentence: String) -> String {
        sentence.count > briefLength ? sentence.prefix(briefLength - 1) + "…" : sentence
    }
    private static let briefLength = 80

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

    /// With one digit below the point.
    static func rate(_ rate: Double) -> String { oneDigit(rate) }

    /// How long ago, in its largest unit: `40s`, `5m`, `3h`, `2d`.
    static func age(_ age: Duration) -> String {
        let seconds = max(0, age.components.seconds)
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m"
        case ..<86_400: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// `30s`, `5m`, `2h`, `3d`.
    static func duration(_ text: String) -> Duration? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()),
            (0...1_000_000).contains(number)
        else { return nil }
        return .seconds(number * unit)
    }

    private static func oneDigit(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
