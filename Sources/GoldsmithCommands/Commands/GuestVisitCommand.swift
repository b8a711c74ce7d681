import ArgumentParser
import ImageDrivers
import TerminalText

/// Not for people: the process that looks into one disk, with limits set by its parent process.
struct GuestVisitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "guest-visit", shouldDisplay: false)

    /// Where qemu-nbd serves it: it is read without libguestfs.
    @Option var socket: String?
    @Option var disk: String?
    @Option var memory = 0
    @Flag var fix = false
    @Flag var emulated = false

    func run() throws {
        if let socket {
            Terminal.write(GuestVisit.report(socket: socket))
        } else if let disk {
            Terminal.write(
                GuestVisit.report(disk: disk, fixes: fix, memoryMebibytes: memory, isEmulated: emulated)
            )
        } else {
            throw ValidationError("there is no disk to look into")
        }
    }
}
