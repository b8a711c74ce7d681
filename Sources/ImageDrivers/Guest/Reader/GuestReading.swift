import CLinux
import Glibc
import ImageCore

/// A look into a disk without an appliance, where the disk is plain enough.
///
/// Libraries of the host read untrusted bytes here. So the process opens all it needs first, and then seals itself: code
/// that takes it over can open nothing, reach nothing and start nothing. It can only lie about this disk.
enum GuestReading {
    /// - Parameter socket: where `qemu-nbd` serves the disk.
    static func report(socket: String, findsSecrets: Bool) -> GuestVisit.Report {
        do throws(GuestTrouble) {
            let export = try NBDExport(socket: socket)
            let outline = try DiskOutline(export)
            let library = try Ext2Library()
            guard goldsmith_seal_this_process() == 0 else {
                throw GuestTrouble(text: "this process cannot be sealed: \(String(cString: strerror(errno)))")
            }
            let disk = try PlainDisk(export, outline, library)
            var report = GuestVisit.Report(outcome: .seen, facts: try facts(disk))
            if findsSecrets { report.secrets = try secrets(disk, report.facts) }
            return report
        } catch {
            return GuestVisit.Report(outcome: .notPlain, reason: error.text)
        }
    }

    private static func facts(_ disk: PlainDisk) throws(GuestTrouble) -> GuestFacts {
        let facts = GuestLook.facts(disk)
        if let trouble = disk.trouble { throw trouble }
        // That is to be said by what knows every file system there is.
        guard !facts.systems.isEmpty else { throw GuestTrouble(text: "no file system with a Linux on it was found") }
        return facts
    }

    private static func secrets(_ disk: PlainDisk, _ facts: GuestFacts?) throws(GuestTrouble) -> [Finding] {
        guard let facts else { return [] }
        let found = SecretLook.findings(disk, facts, blocks: .searched(try disk.secretsOutsideFiles()))
        if let trouble = disk.trouble { throw trouble }
        return found
    }
}
