import ArgumentParser
import TerminalText

/// The words that name a command. One that names none is said to be wrong before any option after it is: those of the
/// command that was meant are unknown where it is not.
struct CommandWords {
    private let root: any ParsableCommand.Type

    init(of root: any ParsableCommand.Type) { self.root = root }

    func check(_ arguments: [String]) throws(CommandFailure) {
        var path = [Self.name(root)]
        var (command, rest) = (root, arguments[...])
        // `help` is ArgumentParser's own, and names commands after it.
        if rest.first == "help" { rest = rest.dropFirst() }
        while let word = rest.first, !word.hasPrefix("-") {
            let below = command.configuration.subcommands
            guard !below.isEmpty else { return }
            guard let next = below.first(where: { Self.name($0) == word }) else {
                throw CommandFailure(
                    .usage,
                    "there is no command '\((path + [word]).joined(separator: " "))'",
                    advice: advice(word, in: path, below)
                )
            }
            path.append(word)
            (command, rest) = (next, rest.dropFirst())
        }
    }

    private func advice(_ word: String, in path: [String], _ commands: [any ParsableCommand.Type]) -> String {
        let shown = commands.filter { $0.configuration.shouldDisplay }.map(Self.name)
        let near = Nearest.matches(for: word, among: shown).map { (path + [$0]).joined(separator: " ") }
        // `goldsmith create`: of an image?
        let elsewhere =
            path.count > 1 ? [] : Self.all(below: root, path).filter { $0.split(separator: " ").last == word[...] }
        let meant = near + elsewhere
        guard !meant.isEmpty else {
            return "`\(path.joined(separator: " ")) --help` says what there is: \(shown.joined(separator: ", "))"
        }
        return "did you mean " + meant.map { "`\($0)`" }.joined(separator: " or ") + "?"
    }

    private static func all(below command: any ParsableCommand.Type, _ path: [String]) -> [String] {
        command.configuration.subcommands.filter { $0.configuration.shouldDisplay }.flatMap { below in
            let path = path + [name(below)]
            return [path.joined(separator: " ")] + all(below: below, path)
        }
    }

    private static func name(_ command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? String(describing: command).lowercased()
    }
}
