import FoundationEssentials
import Glibc
import ImageCore

/// What the hidden command `goldsmith guest-visit` does: one look into one disk, in a process of its own. It prints one
/// JSON document and judges nothing.
public enum GuestVisit {
    /// What it prints.
    struct Report: Codable, Equatable {
        enum Outcome: String, Codable {
            case seen
            case noLibrary
            case noAppliance
            /// The copy could not be written, or not be read.
            case failed
        }

        var outcome: Outcome
        /// What was seen *before* anything was mended.
        var facts: GuestFacts?
        var reason: String?
    }

    /// - Parameters:
    ///   - disk: a qcow2 file of our own.
    ///   - mends: whether `GuestFacts.edits` are carried out on it.
    ///   - memoryMebibytes: what the appliance gets.
    /// - Returns: JSON for `GuestInspector`.
    public static func report(disk: String, mends: Bool, memoryMebibytes: Int) -> String {
        // libguestfs closes its handles at an exit, and removes its sockets. That this is no place to call it from costs
        // nothing: should it hang, everything is killed a second later.
        signal(SIGTERM) { _ in exit(1) }
        let report = visit(disk: disk, mends: mends, memoryMebibytes: memoryMebibytes)
        let bytes = try? JSONEncoder().encode(report)
        return bytes.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func visit(disk: String, mends: Bool, memoryMebibytes: Int) -> Report {
        let library: GuestLibrary
        do throws(GuestTrouble) { library = try GuestLibrary() } catch {
            return Report(outcome: .noLibrary, reason: error.text)
        }
        // A /dev/kvm that is there and does not work (in a container, say) must not be the end of it.
        let ways = access("/dev/kvm", R_OK | W_OK) == 0 ? [false, true] : [true]
        var reason: String?
        for isEmulated in ways {
            do throws(GuestTrouble) {
                let appliance = try GuestAppliance(library)
                try appliance.launch(disk, memoryMebibytes: memoryMebibytes, isEmulated: isEmulated)
                return visit(appliance, mends: mends)
            } catch {
                reason = error.text
            }
        }
        return Report(outcome: .noAppliance, reason: reason)
    }

    private static func visit(_ appliance: borrowing GuestAppliance, mends: Bool) -> Report {
        do throws(GuestTrouble) {
            let facts = look(appliance)
            if mends { try mend(appliance, facts.edits) }
            try appliance.shutDown()
            return Report(outcome: .seen, facts: facts)
        } catch {
            return Report(outcome: .failed, reason: error.text)
        }
    }

    private static func look(_ appliance: borrowing GuestAppliance) -> GuestFacts {
        var facts = GuestFacts(volumes: [], systems: [])
        for device in appliance.volumes() {
            let said = appliance.facts(of: device)
            facts.volumes.append(
                GuestFacts.Volume(
                    device: device,
                    type: said["TYPE"],
                    uuid: said["UUID"],
                    label: said["LABEL"],
                    partUUID: said["PART_ENTRY_UUID"],
                    partLabel: said["PART_ENTRY_NAME"]
                )
            )
        }
        for (mountable, type) in appliance.fileSystems() where type != "swap" {
            do throws(GuestTrouble) {
                try appliance.mount(mountable, readOnly: true)
                // A Linux has programs, and a place for their configuration.
                if case .folder? = try appliance.kind("/etc"), try hasPrograms(appliance) {
                    facts.systems.append(
                        GuestFacts.System(
                            root: mountable,
                            fstab: file(GuestFacts.fstabPath, appliance),
                            networkRules: file(GuestFacts.networkRulesPath, appliance)
                        )
                    )
                }
            } catch {
                facts.unread.append(GuestFacts.Unread(root: mountable, type: type, reason: error.text))
            }
            // What was never mounted needs no unmounting, and says so.
            try? appliance.unmountAll()
        }
        return facts
    }

    private static func hasPrograms(_ appliance: borrowing GuestAppliance) throws(GuestTrouble) -> Bool {
        for path in ["/usr", "/bin", "/sbin"] {
            if case .folder? = try appliance.kind(path) { return true }
        }
        return false
    }

    private static func file(_ path: String, _ appliance: borrowing GuestAppliance) -> GuestFile {
        do throws(GuestTrouble) {
            switch try appliance.kind(path) {
            case nil: return .absent
            case .file(let size)? where size > Int64(GuestFile.sizeLimit):
                return .unread("it has \(size) bytes, and more than \(GuestFile.sizeLimit) are not read")
            case .file?: return .bytes(try appliance.read(path, limit: GuestFile.sizeLimit))
            case .folder?, .other?: return .unread("it is not a regular file")
            }
        } catch {
            return .unread(error.text)
        }
    }

    private static func mend(
        _ appliance: borrowing GuestAppliance,
        _ edits: [GuestFacts.Edit]
    ) throws(GuestTrouble) {
        for edit in edits {
            try appliance.mount(edit.root, readOnly: false)
            if let bytes = edit.bytes {
                // Into the file that is there, so that it keeps its owner, its rights and its labels.
                try appliance.write(bytes, to: edit.path)
                // Some of the ways in which a write fails show only here.
                guard try appliance.read(edit.path, limit: bytes.count + 1) == bytes else {
                    throw GuestTrouble(text: "\(edit.path) does not hold what was written")
                }
            } else {
                try appliance.remove(edit.path)
            }
            try appliance.unmountAll()
        }
    }
}
