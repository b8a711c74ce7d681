import CGuestfs
import Glibc
import ImageCore

/// What sealing needs beyond a look: whole systems with all their file systems, and writing without a trace left behind.
extension GuestAppliance {
    /// The roots of the operating systems that libguestfs recognises.
    func operatingSystems() throws(GuestTrouble) -> [String] {
        guard let roots = texts(library.operatingSystems(handle)) else { throw trouble }
        return Array(roots.prefix(Self.listLimit))
    }

    /// Mounts a system's file systems where its `/etc/fstab` says, as far as they are on this disk.
    /// - Parameter volumes: those on this disk, without their subvolumes.
    /// - Returns: sentences on what is on this disk and could not be mounted.
    func mountSystem(_ root: String, volumes: Set<String>) throws(GuestTrouble) -> [String] {
        let points = pairs(library.mountPoints(handle, root)).prefix(Self.listLimit)
        try check(library.mount(handle, root, "/"))
        var gaps: [String] = []
        for (point, mountable) in points.sorted(by: { $0.name.utf8.count < $1.name.utf8.count }) where point != "/" {
            // What is on another disk is not in this image's system disk.
            guard volumes.contains(Subvolume.parts(of: mountable).device) else { continue }
            // A system boots without such a line of `/etc/fstab` where it is not required.
            guard library.mount(handle, mountable, point) == 0 else {
                gaps.append(
                    "\(PlainText.word(mountable)) cannot be mounted at \(PlainText.word(point)): \(trouble.text)"
                )
                continue
            }
        }
        return gaps
    }

    /// The paths of a pattern, and whether there are others whose names are not UTF-8.
    func glob(_ pattern: String) throws(GuestTrouble) -> (paths: [String], areMore: Bool) {
        // Folders without a slash behind them.
        var flag = goldsmith_flag(bitmask: 1, value: 0)
        guard let paths = texts(library.glob(handle, pattern, &flag)) else { throw trouble }
        return Self.readable(paths)
    }

    /// A name that is not UTF-8 has become another one, with signs for what was not understood.
    private static func readable(_ names: [String]) -> (paths: [String], areMore: Bool) {
        let readable = names.filter { !$0.contains("\u{FFFD}") }
        return (readable, readable.count < names.count)
    }

    /// Whether there is anything at a path itself, and be it a link to nowhere.
    func isThere(_ path: String) -> Bool { ownKind(path) != .nothing }

    /// What is at a path itself: a link is `other`.
    func ownKind(_ path: String) -> GuestFile.Kind {
        guard let status = library.linkStatus(handle, path) else { return .nothing }
        defer { library.freeStatus(status) }
        return switch UInt32(truncatingIfNeeded: status.pointee.mode) & S_IFMT {
        case S_IFREG: .file(size: status.pointee.size)
        case S_IFDIR: .folder
        default: .other
        }
    }

    /// The names of all that is below a folder, relative to it.
    func names(below folder: String) throws(GuestTrouble) -> (paths: [String], areMore: Bool) {
        guard let names = texts(library.find(handle, folder)) else { throw trouble }
        return Self.readable(names)
    }

    func removeTree(_ path: String) throws(GuestTrouble) { try check(library.removeTree(handle, path)) }

    func truncate(_ path: String) throws(GuestTrouble) { try check(library.truncate(handle, path)) }

    func makeFolders(_ path: String) throws(GuestTrouble) { try check(library.makeFolders(handle, path)) }

    func link(_ path: String, to target: String) throws(GuestTrouble) { try check(library.link(handle, target, path)) }

    /// Overwrites a file with zeros where it lies, and makes swap space of it.
    func clearSwapFile(_ path: String, size: Int64) throws(GuestTrouble) {
        let zeros = [CChar](repeating: 0, count: 2 << 20)
        var offset: Int64 = 0
        while offset < size {
            let count = Int(min(Int64(zeros.count), size - offset))
            let written = library.writeAt(handle, path, zeros, count, offset)
            guard written > 0 else { throw trouble }
            offset += Int64(written)
        }
        try check(library.makeSwapFile(handle, path))
    }

    /// Overwrites swap space with zeros, and makes it anew under its UUID and label.
    func clearSwap(_ device: String) throws(GuestTrouble) {
        let facts = facts(of: device).mapValues(GuestVolume.plain(blkid:))
        try check(library.zeroDevice(handle, device))
        let (label, uuid) = (facts["LABEL"] ?? "", facts["UUID"] ?? "")
        let result = label.withCString { label in
            uuid.withCString { uuid in
                var options = goldsmith_swap()
                options.bitmask = (label.pointee == 0 ? 0 : 1) | (uuid.pointee == 0 ? 0 : 2)
                options.label = label
                options.uuid = uuid
                return library.makeSwap(handle, device, &options)
            }
        }
        try check(result)
    }

    /// Overwrites the free blocks of ext2, ext3 or ext4, which is not mounted, with zeros: those, too, that it keeps for
    /// itself and gives to no file.
    func zeroFreeBlocks(of device: String) throws(GuestTrouble) { try check(library.zeroFreeBlocks(handle, device)) }

    /// Overwrites the free space of another file system.
    func zeroFreeSpace(of mountable: String) throws(GuestTrouble) {
        try mount(mountable, readOnly: false)
        // What files cannot be given, the disk can at least be told to forget. Not every file system can do that.
        var nothing = goldsmith_trim()
        _ = library.trim(handle, "/", &nothing)
        try check(library.zeroFreeSpace(handle, "/"))
        try unmountAll()
    }
}
