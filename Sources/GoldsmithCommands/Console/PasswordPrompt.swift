import Glibc
import SystemPackage
import TerminalText

/// A new password: typed twice at the terminal, where it does not show, or one line of what is piped in.
enum PasswordPrompt {
    static func newPassword(of name: String) throws(CommandFailure) -> String {
        let terminal = try? FileDescriptor.open("/dev/tty", .readWrite, options: [.closeOnExec])
        defer { try? terminal?.close() }
        guard isatty(STDIN_FILENO) == 1 else {
            // In a container without a terminal the person's own one shows what is typed.
            if terminal == nil {
                Terminal.complain("there is no terminal to ask at: the password is one line of standard input")
            }
            return try fit(readLine() ?? "")
        }
        // What is printed may go into a file; the question goes to the person.
        return try SilentTerminal(terminal ?? .standardInput).run { (terminal) throws(CommandFailure) -> String in
            let password = try fit(try terminal.ask("Password for \(name): "))
            guard try terminal.ask("The same again: ") == password else {
                throw CommandFailure(.usage, "the two passwords differ", advice: "nothing was changed; run it again")
            }
            return password
        }
    }

    private static func fit(_ password: String) throws(CommandFailure) -> String {
        guard (8...1024).contains(password.utf8.count) else {
            throw CommandFailure(
                .usage,
                "a password has 8 to 1024 bytes",
                advice: "type it at the prompt, or give it in one line of standard input"
            )
        }
        return password
    }
}

/// A terminal that does not show what is typed.
private struct SilentTerminal {
    let terminal: FileDescriptor
    private let before: termios

    init(_ terminal: FileDescriptor) throws(CommandFailure) {
        self.terminal = terminal
        var found = termios()
        guard tcgetattr(terminal.rawValue, &found) == 0 else { throw Self.lost }
        before = found
    }

    /// Silent until `body` has ended, in whichever way.
    func run<Result>(_ body: (SilentTerminal) throws(CommandFailure) -> Result) throws(CommandFailure) -> Result {
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO | ISIG)
        // Ctrl-C ends a line, not the process, which would leave the terminal silent.
        let interrupt = self.interrupt
        withUnsafeMutableBytes(of: &silent.c_cc) { $0[Int(VEOL)] = interrupt }
        guard tcsetattr(terminal.rawValue, TCSADRAIN, &silent) == 0 else { throw Self.lost }
        defer {
            var before = self.before
            tcsetattr(terminal.rawValue, TCSADRAIN, &before)
        }
        return try body(self)
    }

    func ask(_ question: String) throws(CommandFailure) -> String {
        Terminal.write(question, to: terminal == .standardInput ? .standardError : terminal)
        defer { Terminal.write("\n", to: terminal == .standardInput ? .standardError : terminal) }
        var line: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while line.last != UInt8(ascii: "\n") {
            guard let count = try? chunk.withUnsafeMutableBytes({ try terminal.read(into: $0) }), count > 0 else {
                throw Self.lost
            }
            line += chunk.prefix(count)
            guard line.last != interrupt else { throw CommandFailure(.failed, "interrupted; nothing was changed") }
            guard line.count <= 4096 else { return "" }
        }
        return String(decoding: line.dropLast(), as: UTF8.self)
    }

    private var interrupt: UInt8 { withUnsafeBytes(of: before.c_cc) { $0[Int(VINTR)] } }

    private static var lost: CommandFailure {
        CommandFailure(
            .failed,
            "the terminal cannot be read",
            advice: "give the password in one line of standard input"
        )
    }
}
