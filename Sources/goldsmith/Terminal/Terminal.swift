import Foundation
import Glibc
import SystemPackage
import TerminalText

/// What a command says to people. Colour and redrawing only where a person looks: on a terminal, without `NO_COLOR`.
enum Terminal {
    static let isInteractive = isatty(STDOUT_FILENO) == 1
    static let isColoured = isInteractive && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

    /// How many columns standard output has; `nil` when no person looks at it.
    static var columns: Int? { columns(of: STDOUT_FILENO) }

    private static func columns(of descriptor: Int32) -> Int? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        // One that does not say how wide it is, is as wide as terminals were.
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Lines that are longer than the terminal is wide break between words.
    static func say(_ text: String) { write(Wrapping.wrap(text, to: columns) + "\n", to: .standardOutput) }
    @Sendable static func complain(_ text: String) {
        write(Wrapping.wrap(text, to: columns(of: STDERR_FILENO)) + "\n", to: .standardError)
    }

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
        // As it is: programs read it.
        write(String(decoding: bytes, as: UTF8.self) + "\n")
    }
}

extension Table {
    /// As wide as the terminal at most.
    var text: String { text(width: Terminal.columns) { Terminal.paint($0, .faint) } }
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

    /// 75 s → `1 min 15 s`, to the second.
    static func span(_ span: Duration) -> String {
        let seconds = max(0, span.components.seconds)
        return switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }

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
