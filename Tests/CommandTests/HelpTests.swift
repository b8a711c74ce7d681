import ArgumentParser
import Testing

@testable import GoldsmithCommands

@Suite("Every command explains itself")
struct HelpTests {
    /// Every command that is shown to people, with the words that name it.
    private static func commands(
        below command: any ParsableCommand.Type,
        _ path: [String] = []
    ) -> [(name: String, command: any ParsableCommand.Type)] {
        let configuration = command.configuration
        guard configuration.shouldDisplay else { return [] }
        let path = path + [configuration.commandName ?? ""]
        return [(path.joined(separator: " "), command)]
            + configuration.subcommands.flatMap { commands(below: $0, path) }
    }

    @Test("the help of each has one sentence on what it does, and an example that calls it")
    func help() {
        let commands = Self.commands(below: Goldsmith.self)
        #expect(commands.count > 40)
        for (name, command) in commands {
            let help = Goldsmith.helpMessage(for: command, columns: 200)
            let abstract = command.configuration.abstract
            #expect(!abstract.isEmpty && abstract.hasSuffix("."), "\(name)")
            #expect(help.contains(abstract) && help.contains("USAGE: \(name)"), "\(name): \(help)")
            #expect(command.configuration.discussion.contains(name), "\(name)")
        }
    }

    @Test("no command takes a secret as an option")
    func secrets() {
        for (name, command) in Self.commands(below: Goldsmith.self) {
            let help = Goldsmith.helpMessage(for: command, columns: 200)
            for flag in ["--amqp-url", "--store-url", "--worker-password", "--management-url"] {
                #expect(!help.contains(flag), "\(name)")
            }
        }
    }
}
