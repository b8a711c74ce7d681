import ImageCore

/// Carries out the seal items on a copy, and overwrites what they and the guest itself have deleted.
struct GuestSeal {
    private let items: [SealItem]
    private var counts: [SealItem: Int] = [:]
    private var record = SealRecord()
    /// Of the system that is mounted.
    private var hasSystemd = false

    static func carryOut(
        _ items: [SealItem],
        _ facts: GuestFacts,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) -> SealRecord {
        var seal = GuestSeal(items: items)
        let fileSystems = appliance.fileSystems(on: facts.volumes)
        try seal.changeFiles(Set(fileSystems.map { Subvolume.parts(of: $0.mountable).device }), facts, appliance)
        for (mountable, type) in Self.onePerVolume(fileSystems) { seal.overwrite(mountable, type, appliance) }
        seal.record.removed = items.map { SealRecord.Line($0, files: seal.counts[$0] ?? 0) }
        return seal.record
    }

    private init(items: [SealItem]) { self.items = items }

    // MARK: Files

    private mutating func changeFiles(
        _ volumes: Set<String>,
        _ facts: GuestFacts,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        var sealed = 0
        for root in try appliance.operatingSystems() {
            // libguestfs recognises systems that are no Linux, too.
            guard let system = facts.systems.first(where: { Self.isSame($0.root, root) }) else {
                note("the system on \(PlainText.word(root)) was left as it is: it is no Linux that is known")
                continue
            }
            guard !system.isReadOnly else {
                note("the read-only snapshot \(PlainText.word(root)) was left as it is")
                continue
            }
            for gap in try appliance.mountSystem(root, volumes: volumes) { note(gap) }
            hasSystemd = try Self.isThere(HostKeyUnit.systemd, appliance)
            let (homes, isCut) = try Self.homes(appliance)
            if isCut, items.contains(.histories) { note("some home folders were left as they are") }
            for item in items {
                for target in item.targets(homes: homes) { try change(target, for: item, appliance) }
                if item == .sshHostKeys { try addHostKeyUnit(appliance) }
            }
            try clearSwapFiles(appliance)
            try appliance.unmountAll()
            sealed += 1
        }
        guard sealed > 0 else {
            throw GuestTrouble(text: "no operating system that can be written was recognised", failure: .noSystem)
        }
    }

    static func homes(_ disk: borrowing some GuestDisk & ~Copyable) throws(GuestTrouble)
        -> (all: [String], isCut: Bool)
    {
        var passwd: [UInt8] = []
        var isCut = false
        if case .file(let size) = try disk.kind("/etc/passwd") {
            isCut = size > Int64(GuestFile.sizeLimit)
            passwd = try disk.read("/etc/passwd", limit: GuestFile.sizeLimit)
        }
        let folders = disk.paths("/home/*")
        let homes = SecretPlaces.homes(passwd: passwd, folders: folders ?? [])
        return (homes.all, homes.isCut || isCut || folders == nil)
    }

    private static func isThere(_ paths: [String], _ appliance: borrowing GuestAppliance) throws(GuestTrouble) -> Bool {
        for path in paths where try appliance.kind(path) != .nothing { return true }
        return false
    }

    /// `/dev/sda1//@` and `/dev/sda1/@` are one subvolume.
    private static func isSame(_ left: String, _ right: String) -> Bool {
        Subvolume.parts(of: left) == Subvolume.parts(of: right)
    }

    private mutating func change(
        _ target: SealTarget,
        for item: SealItem,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        let (paths, areMore) = try appliance.glob(target.pattern)
        if areMore { noteUnreadable(target.pattern) }
        for path in paths {
            switch target.change {
            case .delete: try delete(path, for: item, appliance)
            case .deleteFile:
                if case .file = appliance.ownKind(path) { try delete(path, for: item, appliance) }
            case .emptyForSystemd:
                guard hasSystemd else {
                    try delete(path, for: item, appliance)
                    continue
                }
                if case .file(let size) = try appliance.kind(path), size > 0 {
                    try empty(try appliance.resolved(path), for: item, appliance)
                }
            case .emptyTree: try emptyTree(path, for: item, appliance)
            }
        }
    }

    private mutating func emptyTree(
        _ folder: String,
        for item: SealItem,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        guard try appliance.kind(folder) == .folder else { return }
        let folder = try appliance.resolved(folder)
        // A link to somewhere above it would make a log of everything.
        guard folder.split(separator: "/").count > 1 else { return }
        let (names, areMore) = try appliance.names(below: folder)
        if areMore { noteUnreadable(folder) }
        for name in names {
            let path = folder + "/" + name
            guard case .file(let size) = appliance.ownKind(path) else { continue }
            if SealItem.isRotatedLog(name.split(separator: "/").last.map(String.init) ?? "") {
                try delete(path, for: item, appliance)
            } else if size > 0 {
                try empty(path, for: item, appliance)
            }
        }
    }

    private mutating func delete(
        _ path: String,
        for item: SealItem,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        // What removes it follows links out of the guest, and finds nothing there.
        let folder = try appliance.resolved(path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/")
        let path = (folder == "/" ? "" : folder) + "/" + (path.split(separator: "/").last ?? "")
        guard appliance.isThere(path) else { return }
        try GuestRepair.unprotected(path, appliance) { appliance throws(GuestTrouble) in
            try appliance.removeTree(path)
        }
        guard !appliance.isThere(path) else {
            throw GuestTrouble(text: "\(PlainText.path(path)) cannot be removed", failure: .denied)
        }
        counts[item, default: 0] += 1
    }

    private mutating func empty(
        _ path: String,
        for item: SealItem,
        _ appliance: borrowing GuestAppliance
    ) throws(GuestTrouble) {
        try GuestRepair.unprotected(path, appliance) { appliance throws(GuestTrouble) in
            try appliance.truncate(path)
        }
        counts[item, default: 0] += 1
    }

    private mutating func addHostKeyUnit(_ appliance: borrowing GuestAppliance) throws(GuestTrouble) {
        for program in HostKeyUnit.programs where try !Self.isThere([program], appliance) { return }
        guard try !Self.isThere(HostKeyUnit.others + HostKeyUnit.openRC, appliance) else { return }
        guard hasSystemd else {
            note("the guest's SSH server has no host keys, and nothing that makes them at a start")
            return
        }
        let text = Array(HostKeyUnit.text.utf8)
        if case .file(let size) = appliance.ownKind(HostKeyUnit.path), size == Int64(text.count),
            try appliance.read(HostKeyUnit.path, limit: text.count) == text,
            appliance.ownKind(HostKeyUnit.link) != .nothing
        {
            return
        }
        try appliance.makeFolders(HostKeyUnit.link.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 })
        try appliance.write(text, to: HostKeyUnit.path)
        try appliance.link(HostKeyUnit.link, to: HostKeyUnit.path)
        counts[.sshHostKeys, default: 0] += 1
    }

    private mutating func clearSwapFiles(_ appliance: borrowing GuestAppliance) throws(GuestTrouble) {
        guard case .file(let size) = try appliance.kind(GuestFacts.fstabPath), size <= Int64(GuestFile.sizeLimit) else {
            return
        }
        let fstab = Fstab(try appliance.read(GuestFacts.fstabPath, limit: GuestFile.sizeLimit))
        for line in fstab.mounts where line.type == "swap" && !line.source.hasPrefix("/dev/") {
            guard line.source.hasPrefix("/"), case .file(let size) = appliance.ownKind(line.source) else { continue }
            try appliance.clearSwapFile(line.source, size: size)
            record.zeroed.append(PlainText.word(line.source))
        }
    }

    // MARK: Free space

    private static let overwritable: Set = ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "f2fs"]

    /// All subvolumes of a volume share its space.
    private static func onePerVolume(_ all: [(mountable: String, type: String)]) -> [(mountable: String, type: String)]
    {
        var seen: Set<String> = []
        return all.filter { seen.insert(Subvolume.parts(of: $0.mountable).device).inserted }
    }

    private mutating func overwrite(_ mountable: String, _ type: String, _ appliance: borrowing GuestAppliance) {
        let name = PlainText.word(Subvolume.parts(of: mountable).device)
        // Nothing on it is known: a boot loader's own partition, for example.
        guard type != GuestLook.unknown else { return }
        guard type == "swap" || Self.overwritable.contains(type) else {
            return note("free space on \(name) (\(PlainText.word(type))) was not overwritten")
        }
        do throws(GuestTrouble) {
            switch type {
            case "swap": try appliance.clearSwap(mountable)
            case "ext2", "ext3", "ext4": try appliance.zeroFreeBlocks(of: mountable)
            default: try appliance.zeroFreeSpace(of: mountable)
            }
            record.zeroed.append(name)
        } catch {
            note("free space on \(name) (\(PlainText.word(type))) was not overwritten: \(error.text)")
        }
        // What was never mounted needs no unmounting, and says so.
        try? appliance.unmountAll()
    }

    private mutating func noteUnreadable(_ place: String) {
        note("names in \(PlainText.word(place)) are not UTF-8, and were left")
    }

    private mutating func note(_ sentence: String) {
        record.left = (record.left ?? []) + [Finding(.notChecked, sentence, code: .seal)]
    }
}
