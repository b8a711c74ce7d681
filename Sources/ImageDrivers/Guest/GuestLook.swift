import ImageCore

/// One look at everything that matters on a disk, within limits. It judges nothing.
struct GuestLook {
    /// What may still be read, in bytes: what is reported has to fit.
    private var bytesLeft = GuestFacts.fileBytesLimit

    /// What libguestfs calls a file system that blkid does not know.
    static let unknown = "unknown"

    static func facts(_ disk: borrowing some GuestDisk & ~Copyable) -> GuestFacts {
        var look = GuestLook()
        return look.facts(disk)
    }

    private mutating func facts(_ disk: borrowing some GuestDisk & ~Copyable) -> GuestFacts {
        var facts = GuestFacts(volumes: disk.volumes(), systems: [])
        let fileSystems = disk.fileSystems(on: facts.volumes)
        // With only one root there is nothing to choose.
        let hasSubvolumes = fileSystems.contains { $0.type == "btrfs" }
        var entries: Set<BootEntry> = []
        for (mountable, type) in fileSystems where type != "swap" {
            do throws(GuestTrouble) {
                try disk.mount(mountable, readOnly: true)
                // A Linux has programs, and a place for their configuration.
                if try disk.kind("/etc") == .folder, try hasPrograms(disk) {
                    facts.systems.append(system(mountable, type, disk))
                }
                if hasSubvolumes { entries.formUnion(bootEntries(disk)) }
            } catch {
                let reason = type == Self.unknown ? "nothing on it is a file system that is known" : error.text
                facts.unread.append(GuestFacts.Unread(root: mountable, type: type, reason: reason))
            }
            // What was never mounted needs no unmounting, and says so.
            try? disk.unmountAll()
        }
        facts.bootEntries = Array(entries.prefix(BootEntry.countLimit))
        return facts
    }

    private func hasPrograms(_ disk: borrowing some GuestDisk & ~Copyable) throws(GuestTrouble) -> Bool {
        for path in ["/usr", "/bin", "/sbin"] where try disk.kind(path) == .folder { return true }
        return false
    }

    private mutating func system(
        _ mountable: String,
        _ type: String,
        _ disk: borrowing some GuestDisk & ~Copyable
    ) -> GuestFacts.System {
        var system = GuestFacts.System(root: mountable)
        system.isReadOnly = type == "btrfs" && disk.isReadOnlySubvolume()
        system.files[GuestFacts.fstabPath] = file(GuestFacts.fstabPath, disk)
        // A snapshot beside the system is known by its /etc/fstab alone.
        guard !system.isReadOnly || !mountable.hasPrefix("btrfsvol:") else { return system }
        let (paths, links) = (disk.paths(GuestFacts.filePattern), disk.paths(GuestFacts.unitLinkPattern))
        if paths == nil || links == nil {
            system.files["/etc"] = .unread("its files cannot be listed, or are too many")
        }
        for path in paths ?? [] where system.files[path] == nil { system.files[path] = file(path, disk) }
        system.unitLinks = links ?? []
        for link in system.unitLinks {
            // What a package has installed, and only the link leads to.
            let name = link.split(separator: "/").last.map(String.init) ?? ""
            let isThere = system.files[GuestFacts.unitFolder + name].map { $0 != .absent } ?? false
            if !isThere { system.files[link] = file(link, disk) }
        }
        system.files = system.files.filter { $0.value != .absent }
        return system
    }

    private mutating func file(_ path: String, _ disk: borrowing some GuestDisk & ~Copyable) -> GuestFile {
        do throws(GuestTrouble) {
            let kind = try disk.kind(path)
            if let known = GuestFile.unlessReadable(path, kind) { return known }
            guard case .file(let size) = kind, size <= Int64(bytesLeft) else {
                return .unread("too much was read before it")
            }
            bytesLeft -= Int(size)
            return .bytes(try disk.read(path, limit: GuestFile.sizeLimit))
        } catch {
            return .unread(error.text)
        }
    }

    private func bootEntries(_ disk: borrowing some GuestDisk & ~Copyable) -> Set<BootEntry> {
        var entries: Set<BootEntry> = []
        for path in disk.paths(GuestFacts.bootPattern) ?? [] {
            guard case .file(let size)? = try? disk.kind(path), size <= Int64(GuestFile.sizeLimit),
                let bytes = try? disk.read(path, limit: GuestFile.sizeLimit)
            else { continue }
            entries.formUnion(BootEntry.entries(in: bytes))
        }
        return entries
    }
}
