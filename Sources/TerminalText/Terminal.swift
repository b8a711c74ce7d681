import Foundation
import Glibc
public import SystemPackage

/// What a command says to people. Colour and redrawing only where a person looks: on a terminal, without `NO_COLOR`.
public enum Terminal {
    public static let isInteractive = isatty(STDOUT_FILENO) == 1
    public static let isColoured = isInteractive && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

    /// How many columns standard output has; `nil` when no person looks at it.
    public static var columns: Int? { columns(of: STDOUT_FILENO) }

    private static func columns(of descriptor: Int32) -> Int? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        // One that does not say how wide it is, is as wide as terminals were.
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Lines that are longer than the terminal is wide break between words.
    public static func say(_ text: String) { write(Wrapping.wrap(text, to: columns) + "\n", to: .standardOutput) }
    @Sendable public static func complain(_ text: String) {
        write(Wrapping.wrap(text, to: columns(of: STDERR_FILENO)) + "\n", to: .standardError)
    }

    /// Nothing can be done about a closed pipe.
    public static func write(_ text: String, to file: FileDescriptor = .standardOutput) {
        _ = try? file.writeAll(text.utf8)
    }

    public static func write(bytes: [UInt8]) { _ = try? FileDescriptor.standardOutput.writeAll(bytes) }

    public enum Tone: String {
        case good = "32"
        case bad = "31"
        case busy = "33"
        case faint = "2"
        case strong = "1"
    }

    public static func paint(_ text: String, _ tone: Tone) -> String {
        isColoured ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Whether a user is there to be asked.
    public static var canAsk: Bool { isatty(STDIN_FILENO) == 1 && isInteractive }

    /// - Returns: what was typed, without its end of line; `nil` at the end of the input.
    public static func ask(_ question: String) -> String? {
        write(question)
        return readLine()
    }
}

extension Table {
    /// As wide as the terminal at most.
    public var text: String { text(width: Terminal.columns) { Terminal.paint($0, .faint) } }
}
