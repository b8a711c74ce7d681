import ArgumentParser
import ImageDrivers
import SystemPackage
import TerminalText

/// Not for people: the process that opens a replica's files and becomes QEMU, with limits set by its parent process.
struct BootMachineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "boot-machine", shouldDisplay: false)

    /// A file of the replica, once for each disk.
    @Option(parsing: .unconditionalSingleValue) var file: [String] = []
    /// QEMU and its arguments.
    @Argument(parsing: .postTerminator) var words: [String] = []

    func run() throws {
        guard !words.isEmpty else { throw ValidationError("there is no program to start") }
        Terminal.write(BootLaunch.run(files: file, words: words), to: .standardError)
        throw ExitCode.failure
    }
}
