import ImageCore

/// One look at everything that matters on a disk, within limits. It judges nothing.
struct GuestLook {
    /// What may still be read, in bytes: what is reported has to fit.
    private var bytesLeft = GuestFacts.fileBytesLimit

    /// - Parameter appliance: has one disk.
    static func facts(_ appliance: borrowing GuestAppliance) -> GuestFacts {
        var look = GuestLook()
        return look.facts(appliance)
    }

    private mutating func facts(_ appliance: borrowing GuestAppliance) -> GuestFacts {
        var facts = GuestFacts(volumes: volumes(appliance), systems: [])
        let fileSystems = appliance.fileSystems() ?? Self.fileSystems(on: facts.volumes)
        // With only one root there is nothing to choose.
        let hasSubvolumes = fileSystems.contains { $0.type == "btrfs" }
        var entries: Set<BootEntry> = []
        for (mountable, type) in fileSystems where type != "swap" {
            do throws(GuestTrouble) {
                try appliance.mount(mountable, readOnly: true)
                // A Linux has programs, and a place for their configuration.
                if try appliance.kind("/etc") == .folder, try hasPrograms(appliance) {
                    facts.systems.append(system(mountable, type, appliance))
                }
                if hasSubvolumes { entries.formUnion(bootEntries(appliance)) }
            } catch {
                facts.unread.append(GuestFacts.Unread(root: mountable, type: type, reason: error.text))
            }
            // What was never mounted needs no unmounting, and says so.
            try? appliance.unmountAll()
        }
        facts.bootEntries = Array(entries.prefix(BootEntry.countLimit))
        return facts
    }

    /// One by one, where a list of all cannot be had: a file system over several disks of which one is missing ends it.
    private static func fileSystems(on volumes: [GuestVolume]) -> [(mountable: String, type: String)] {
        volumes.compactMap { volume in
            guard !volume.isMissing, let type = volume.type else { return nil }
            let isContainer = ["LVM2_member", "linux_raid_member"].contains(type)
            return isContainer ? nil : (volume.device, type)
        }
    }

    private func volumes(_ appliance: borrowing GuestAppliance) -> [GuestVolume] {
        let devices = appliance.volumes()
        let logical = appliance.logicalVolumes(
            devices.filter { device in
                let isOther = ["/dev/md/", "/dev/mapper/"].contains { device.hasPrefix($0) }
                return !isOther && device.split(separator: "/").count == 3
            }
        )
        var volumes: [GuestVolume] = []
        for device in devices {
            let said = appliance.facts(of: device).mapValues(GuestVolume.plain(blkid:))
            volumes.append(
                GuestVolume(
                    device: device,
                    type: said["TYPE"],
                    uuid: said["UUID"],
                    label: said["LABEL"],
                    partUUID: said["PART_ENTRY_UUID"],
                    partLabel: said["PART_ENTRY_NAME"],
                    isMissing: logical[device] != nil && appliance.size(of: device) == nil,
                    logical: logical[device],
                    membership: membership(of: device, said, appliance)
                )
            )
        }
        return volumes
    }

    private func membership(
        of device: String,
        _ said: [String: String],
        _ appliance: borrowing GuestAppliance
    ) -> GuestVolume.Membership? {
        switch said["TYPE"] {
        case "linux_raid_member":
            guard let size = appliance.size(of: device),
                let offset = ArrayMember.superblockOffset(version: said["VERSION"] ?? "", deviceSize: size)
            else { return nil }
            let superblock = appliance.read(device: device, at: offset, count: ArrayMember.superblockSize)
            return ArrayMember(superblock: superblock).map { .array($0) }
        case "btrfs":
            let superblock = appliance.read(device: device, at: 64 << 10, count: ArrayMember.superblockSize)
            return ArrayMember.btrfsDevices(superblock: superblock).map { .btrfs(devices: $0) }
        default: return nil
        }
    }

    private func hasPrograms(_ appliance: borrowing GuestAppliance) throws(GuestTrouble) -> Bool {
        for path in ["/usr", "/bin", "/sbin"] where try appliance.kind(path) == .folder { return true }
        return false
    }

    private mutating func system(
        _ mountable: String,
        _ type: String,
        _ appliance: borrowing GuestAppliance
    ) -> GuestFacts.System {
        var system = GuestFacts.System(root: mountable)
        system.isReadOnly = type == "btrfs" && appliance.isReadOnlySubvolume()
        system.files[GuestFacts.fstabPath] = file(GuestFacts.fstabPath, appliance)
        // A snapshot beside the system is known by its /etc/fstab alone.
        guard !system.isReadOnly || !mountable.hasPrefix("btrfsvol:") else { return system }
        let (paths, links) = (appliance.paths(GuestFacts.filePattern), appliance.paths(GuestFacts.unitLinkPattern))
        if paths == nil || links == nil {
            system.files["/etc"] = .unread("its files cannot be listed, or are too many")
        }
        for path in paths ?? [] where system.files[path] == nil { system.files[path] = file(path, appliance) }
        system.unitLinks = links ?? []
        for link in system.unitLinks {
            // What a package has installed, and only the link leads to.
            let name = link.split(separator: "/").last.map(String.init) ?? ""
            let isThere = system.files[GuestFacts.unitFolder + name].map { $0 != .absent } ?? false
            if !isThere { system.files[link] = file(link, appliance) }
        }
        system.files = system.files.filter { $0.value != .absent }
        return system
    }

    private mutating func file(_ path: String, _ appliance: borrowing GuestAppliance) -> GuestFile {
        do throws(GuestTrouble) {
            let kind = try appliance.kind(path)
            if let known = GuestFile.unlessReadable(path, kind) { return known }
            guard case .file(let size) = kind, size <= Int64(bytesLeft) else {
                return .unread("too much was read before it")
            }
            bytesLeft -= Int(size)
            return .bytes(try appliance.read(path, limit: GuestFile.sizeLimit))
        } catch {
            return .unread(error.text)
        }
    }

    private func bootEntries(_ appliance: borrowing GuestAppliance) -> Set<BootEntry> {
        var entries: Set<BootEntry> = []
        for path in appliance.paths(GuestFacts.bootPattern) ?? [] {
            guard case .file(let size)? = try? appliance.kind(path), size <= Int64(GuestFile.sizeLimit),
                let bytes = try? appliance.read(path, limit: GuestFile.sizeLimit)
            else { continue }
            entries.formUnion(BootEntry.entries(in: bytes))
        }
        return entries
    }
}
