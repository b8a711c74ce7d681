import ArgumentParser
import Glibc
import ImageCore
import TerminalText

struct Goldsmith: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "goldsmith",
        abstract: "Turns stopped instances into private images.",
        discussion: """
            Try it:
              goldsmith dev --data ./try         (a broker, a store and workers)
              goldsmith instance sample --data ./try --id i-web1
              goldsmith image create --data ./try --instance i-web1 --name web --wait

            Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict or precondition, 5 unavailable.
            """,
        version: version,
        subcommands: [
            DevCommand.self, WorkerCommand.self, TopologyCommand.self, ImageCommands.self, InstanceCommand.self,
            QueueCommand.self, DeadLettersCommand<DeadFamily>.self, DeadLettersCommand<ParkedFamily>.self,
            QuotaCommand.self,
            ConsoleCommand.self, DatabaseCommand.self, DoctorCommand.self, HookCommand.self, GuestVisitCommand.self,
            BootMachineCommand.self,
        ]
    )

    /// ArgumentParser's own exit code for wrong usage is 64; the contract of this program says 2.
    static func main() async {
        // Captures are owners' disks: files and folders made here or by a child are for their owner only.
        umask(0o077)
        Stacks.makeOurs()
        do {
            let arguments = Array(CommandLine.arguments.dropFirst())
            try CommandLineSecrets.refuse(arguments)
            try CommandWords(of: Goldsmith.self).check(arguments)
            var command = try await asyncParseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Terminal.complain(failure.description)
            endProcess(with: failure.exitCode)
        } catch let code as ExitCode {
            endProcess(with: code.rawValue)
        } catch {
            let isUsage = exitCode(for: error) == .validationFailure
            if isUsage {
                Terminal.complain(fullMessage(for: error))
                endProcess(with: CommandFailure.Kind.usage.rawValue)
            }
            exit(withError: error)
        }
    }
}

/// What the executable runs: the command that the process's arguments name, with its exit code.
package enum Program {
    package static func run() async { await Goldsmith.main() }
}
