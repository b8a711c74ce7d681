import FoundationEssentials
import Glibc
public import ImageCore

/// What the hidden command `goldsmith guest-visit` does: one look into one disk, in a process of its own. It prints one
/// JSON document and judges nothing.
public enum GuestVisit {
    /// What it prints.
    struct Report: Codable, Equatable {
        enum Outcome: String, Codable {
            case seen
            /// Only the appliance can say what is on the disk.
            case notPlain
            case noLibrary
            case noAppliance
            /// The copy could not be written, or not be read.
            case failed
        }

        var outcome: Outcome
        /// What was seen *before* anything was repaired.
        var facts: GuestFacts?
        var seal: SealRecord?
        var secrets: [Finding]?
        /// Why it failed, for programs.
        var failure: GuestFailure?
        /// For people.
        var reason: String?
        /// The processor's virtualisation is there and did not work: the next look need not try it. Absent: it
        /// worked, or was not tried.
        var isWithoutKVM: Bool?
    }

    /// - Parameters:
    ///   - disk: a qcow2 file of our own.
    ///   - export: the socket at which one is served, instead of `disk`.
    ///   - memoryMebibytes: what the appliance gets.
    ///   - isEmulated: whether the processor's virtualisation is left alone.
    /// - Returns: JSON for `GuestInspector`.
    public static func report(
        disk: String?,
        export: String?,
        _ work: GuestWork,
        memoryMebibytes: Int,
        isEmulated: Bool
    ) -> String {
        // libguestfs closes its handles at an exit, and removes its sockets. That this is no place to call it from
        // costs nothing: should it hang, everything is killed a second later.
        signal(SIGTERM) { _ in exit(1) }
        let source = export.map { GuestAppliance.Disk.export($0) } ?? .file(disk ?? "")
        if let export {
            // The appliance does not wait for it.
            do throws(GuestTrouble) { _ = try NBDExport(socket: export) } catch {
                return encoded(Report(outcome: .failed, reason: error.text))
            }
        }
        return encoded(visit(source, work, memoryMebibytes: memoryMebibytes, isEmulated: isEmulated))
    }

    /// Reads the disk that `qemu-nbd` serves at a socket, without an appliance. Nothing else can be done in this process
    /// afterwards than to print this.
    public static func report(socket: String, findsSecrets: Bool) -> String {
        encoded(GuestReading.report(socket: socket, findsSecrets: findsSecrets))
    }

    private static func encoded(_ report: Report) -> String {
        let bytes = try? JSONEncoder().encode(report)
        return bytes.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func visit(
        _ disk: GuestAppliance.Disk,
        _ work: GuestWork,
        memoryMebibytes: Int,
        isEmulated: Bool
    ) -> Report {
        let library: GuestLibrary
        do throws(GuestTrouble) { library = try GuestLibrary() } catch {
            return Report(outcome: .noLibrary, reason: error.text)
        }
        // A /dev/kvm that is there and does not work (in a container, or a machine within a machine) must not be the
        // end of it: it fails at once, or its machine never gets anywhere.
        let ways = !isEmulated && access("/dev/kvm", R_OK | W_OK) == 0 ? [false, true] : [true]
        var reason: String?
        for isEmulated in ways {
            do throws(GuestTrouble) {
                let appliance = try GuestAppliance(library)
                let monitor = isEmulated ? nil : LaunchMonitor()
                defer { monitor?.end() }
                try appliance.launch(disk, memoryMebibytes: memoryMebibytes, isEmulated: isEmulated)
                monitor?.end()
                var report = visit(appliance, work)
                if isEmulated, ways.count > 1 { report.isWithoutKVM = true }
                return report
            } catch {
                reason = error.text
            }
        }
        return Report(outcome: .noAppliance, reason: reason)
    }

    private static func visit(_ appliance: borrowing GuestAppliance, _ work: GuestWork) -> Report {
        do throws(GuestTrouble) {
            let facts = GuestLook.facts(appliance)
            var report = Report(outcome: .seen, facts: facts)
            if work.fixes { try GuestRepair.carryOut(facts.edits, appliance) }
            if !work.seal.isEmpty { report.seal = try GuestSeal.carryOut(work.seal, facts, appliance) }
            if work.findsSecrets {
                let isZeroed = report.seal.map { $0.left == nil } ?? false
                let gap = "only ext2 to ext4 on plain partitions are searched"
                report.secrets = SecretLook.findings(appliance, facts, blocks: isZeroed ? .zeroed : .unread(gap))
            }
            try appliance.shutDown()
            return report
        } catch {
            return Report(outcome: .failed, failure: error.failure, reason: error.text)
        }
    }
}
