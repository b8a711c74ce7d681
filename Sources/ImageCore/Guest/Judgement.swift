/// Something that was found, in which system, and what a fix does about it.
struct Judged {
    var finding: Finding
    var root = ""
    var repair: Repair?
}

/// What a guest's files mean, in the systems that are started.
struct Judgement {
    private let facts: GuestFacts
    let booted: [GuestFacts.System]

    /// File systems that people have their root on.
    private static let rootTypes: Set = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "nilfs2", "bcachefs", "zfs_member",
    ]

    init(_ facts: GuestFacts) {
        self.facts = facts
        booted = facts.bootedSystems
    }

    var all: [Judged] {
        guard !facts.systems.isEmpty else {
            return [Judged(finding: .noSystem(facts.unread, facts.volumes.filter(\.isMissing)))]
        }
        var found = booted.flatMap { system in
            judged(system).map { judged in
                var judged = judged
                judged.root = system.root
                if system.isReadOnly, judged.repair != nil {
                    judged.repair = nil
                    judged.finding.leave("its file system is a read-only snapshot")
                }
                return judged
            }
        }
        // It may be the one that is booted. What has no file system, or is encrypted beside a system, hardly is.
        found += facts.unread.filter { Self.rootTypes.contains($0.type) }.map { Judged(finding: .unread($0)) }
        return found
    }

    /// With the file system in front where there are several systems.
    func name(_ path: String, in system: GuestFacts.System) -> String {
        booted.count == 1 ? PlainText.path(path) : "\(PlainText.word(system.root)):\(PlainText.path(path))"
    }

    private func judged(_ system: GuestFacts.System) -> [Judged] {
        let unread = system.files.sorted { $0.key < $1.key }.compactMap { path, file -> Judged? in
            switch file {
            case .absent: nil
            case .unread(let reason): Judged(finding: .unread(name(path, in: system), reason))
            case .bytes(let bytes):
                bytes.count > GuestFile.sizeLimit
                    ? Judged(
                        finding: .unread(name(path, in: system), "it is larger than \(GuestFile.sizeLimit >> 10) KiB")
                    ) : nil
            }
        }
        return unread + judgedStart(system, ownVolumes(of: system)) + judgedNetwork(system) + judgedLVM(system)
    }

    /// The names of a system's own volumes, with those that its files give.
    private func ownVolumes(of system: GuestFacts.System) -> SystemVolumes {
        var own = SystemVolumes(facts.volumes, root: system.root)
        if let bytes = system.bytes(GuestFacts.fstabPath) {
            for line in Fstab(bytes).mounts where line.target == "/" { own.addRoot(line.source) }
        }
        for path in ["/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"] {
            if let bytes = system.bytes(path) { own.addArrays(bytes) }
        }
        for (_, bytes) in system.files(below: GuestFacts.rulesFolder) { own.add(UdevRules(bytes)) }
        if let bytes = system.bytes(GuestFacts.crypttabPath) { own.add(Crypttab(bytes)) }
        return own
    }

    private func judgedLVM(_ system: GuestFacts.System) -> [Judged] {
        let path = GuestFacts.lvmDevicesPath
        guard let bytes = system.bytes(path) else { return [] }
        let members = facts.volumes.filter { $0.type == "LVM2_member" }
        let physical = Set(members.compactMap { $0.uuid?.filter { $0 != "-" } })
        let lines = Fstab.lines(of: bytes)
        guard let index = lines.firstIndex(where: { LVMDevice(bytes[$0])?.binds(physical) == true }) else { return [] }
        let finding = Finding.lvmDevice(index + 1, bytes[lines[index]], name(path, in: system))
        return [Judged(finding: finding, repair: Repair(path: path, change: .deletion))]
    }
}

/// A line of LVM's devices file: by which name it knows a physical volume.
private struct LVMDevice {
    var kind = ""
    var volume = ""

    init?(_ line: ArraySlice<UInt8>) {
        for word in String(decoding: line.prefix(1024), as: UTF8.self).split(whereSeparator: \.isWhitespace) {
            if word.hasPrefix("#") { return nil }
            if word.hasPrefix("IDTYPE=") { kind = String(word.dropFirst("IDTYPE=".count)) }
            if word.hasPrefix("PVID=") { volume = word.dropFirst("PVID=".count).filter { $0 != "-" } }
        }
    }

    /// Whether it knows one of these by the serial number of a disk, which another instance's disk does not have. A name
    /// such as `/dev/sda2` is only a hint: LVM looks for the volume elsewhere, too.
    func binds(_ physical: Set<String>) -> Bool {
        let isHardware = ["sys_wwid", "sys_serial", "mpath_uuid"].contains(kind) || kind.hasPrefix("wwid_")
        return isHardware && physical.contains(volume)
    }
}
