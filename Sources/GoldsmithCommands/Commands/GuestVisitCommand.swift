import ArgumentParser
import ImageCore
import ImageDrivers
import TerminalText

/// Not for people: the process that looks into one disk, with limits set by its parent process.
struct GuestVisitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "guest-visit", shouldDisplay: false)

    /// Where qemu-nbd serves it: it is read without libguestfs.
    @Option var socket: String?
    @Option var disk: String?
    /// Where qemu-nbd serves it, for libguestfs.
    @Option var export: String?
    @Option var memory = 0
    @Flag var fix = false
    /// Items, separated by commas.
    @Option var seal = ""
    @Flag var secrets = false
    @Flag var emulated = false

    func run() throws {
        if let socket {
            Terminal.write(GuestVisit.report(socket: socket, findsSecrets: secrets))
        } else if disk != nil || export != nil {
            let items = seal.split(separator: ",").compactMap { SealItem(rawValue: String($0)) }
            let work = GuestWork(fixes: fix, seal: items, findsSecrets: secrets)
            Terminal.write(
                GuestVisit.report(
                    disk: disk,
                    export: export,
                    work,
                    memoryMebibytes: memory,
                    isEmulated: emulated
                )
            )
        } else {
            throw ValidationError("there is no disk to look into")
        }
    }
}
