import ArgumentParser
import ImageDrivers
import TerminalText

/// Not for people: the process in which libguestfs looks into one disk, with limits set by its parent process.
struct GuestVisitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "guest-visit", shouldDisplay: false)

    @Option var disk: String
    @Option var memory: Int
    @Flag var fix = false
    @Flag var emulated = false

    func run() throws {
        Terminal.write(
            GuestVisit.report(disk: disk, fixes: fix, memoryMebibytes: memory, isEmulated: emulated)
        )
    }
}
