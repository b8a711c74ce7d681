import CExt2fs
import Glibc
import ImageCore

/// A file system of ext2, ext3 or ext4 that was unmounted cleanly. libext2fs checks the checksums as the kernel does.
///
/// Whatever libext2fs does not like is thrown: then nothing that was read counts, and the appliance is asked.
final class Ext2FileSystem {
    private static let root: UInt32 = 2
    /// No folder that is read here has more; a stranger's may.
    private static let entryLimit = 65_536

    let library: Ext2Library
    let superblock: Ext2Superblock
    private let window: Ext2Window
    let handle: Ext2Library.Handle

    init(_ library: Ext2Library, _ export: NBDExport, offset: Int64, size: Int64) throws(GuestTrouble) {
        let superblock = try Ext2Superblock(
            try export.read(at: offset + Ext2Superblock.offset, count: Ext2Superblock.size)
        )
        guard superblock.byteCount <= size else { throw GuestTrouble(text: "a file system is larger than its volume") }
        let window = Ext2Window(export, offset: offset, size: superblock.byteCount)
        var handle: Ext2Library.Handle?
        // EXT2_FLAG_64BITS
        let result = library.open(window.name, nil, 0x20000, 0, 0, window.manager, &handle)
        guard result == 0, let handle else { throw Self.trouble("open", result) }
        self.library = library
        self.superblock = superblock
        self.window = window
        self.handle = handle
        try requireSound(superblock)
    }

    deinit { library.free(handle) }

    /// What keeps the kernel from mounting it.
    private func requireSound(_ superblock: Ext2Superblock) throws(GuestTrouble) {
        guard library.checkGroups(handle) == 0,
            (0..<UInt32(superblock.groupCount)).allSatisfy({ library.isGroupSound(handle, $0) == 1 })
        else { throw GuestTrouble(text: "its block groups are damaged") }
        guard try inode(Self.root).kind == .folder else { throw GuestTrouble(text: "its root is no folder") }
        if superblock.hasJournal {
            let journal = try read(inode: UInt32(Ext2Superblock.journalInode), limit: 1024)
            guard superblock.isEmptyJournal(journal) else { throw GuestTrouble(text: "its journal is not empty") }
        }
    }

    /// What is at a path, its links followed.
    func kind(_ path: String) throws(GuestTrouble) -> GuestFile.Kind {
        guard let number = try find(path) else { return .nothing }
        return try inode(number).kind
    }

    func read(_ path: String, limit: Int) throws(GuestTrouble) -> [UInt8] {
        guard let number = try find(path) else { throw GuestTrouble(text: "\(PlainText.path(path)) is gone") }
        return try read(inode: number, limit: limit)
    }

    /// The names in a folder, in no order; empty for what is no folder.
    func names(in path: String) throws(GuestTrouble) -> [String] {
        guard let number = try find(path), try inode(number).kind == .folder else { return [] }
        let names = Names()
        let result = withExtendedLifetime(names) {
            library.list(handle, number, 0, nil, Self.note, Unmanaged.passUnretained(names).toOpaque())
        }
        guard result == 0 else { throw Self.trouble("list", result) }
        guard names.all.count <= Self.entryLimit else { throw GuestTrouble(text: "a folder has too many entries") }
        return names.all
    }

    // MARK: Parts

    private final class Names {
        var all: [String] = []
    }

    private static let note:
        @convention(c) @Sendable (
            UnsafeMutablePointer<goldsmith_directory_entry>?, CInt, CInt, UnsafeMutablePointer<CChar>?,
            UnsafeMutableRawPointer?
        ) -> CInt = { entry, _, _, _, names in
            guard let entry, let names else { return 0 }
            let bytes = UnsafeRawBufferPointer(
                start: UnsafeRawPointer(entry) + MemoryLayout<goldsmith_directory_entry>.size,
                count: Int(entry.pointee.name_length & 0xff)
            )
            let collected = Unmanaged<Names>.fromOpaque(names).takeUnretainedValue()
            collected.all.append(String(decoding: bytes, as: UTF8.self))
            // DIRENT_ABORT
            return collected.all.count > Ext2FileSystem.entryLimit ? 2 : 0
        }

    private func find(_ path: String) throws(GuestTrouble) -> UInt32? {
        var number: UInt32 = 0
        switch library.find(handle, Self.root, Self.root, path, &number) {
        case 0: return number
        case goldsmith_ext2_file_not_found, goldsmith_ext2_no_directory: return nil
        case let result: throw Self.trouble("find", result)
        }
    }

    private func inode(_ number: UInt32) throws(GuestTrouble) -> goldsmith_inode {
        var inode = goldsmith_inode()
        let result = library.readInode(handle, number, &inode)
        guard result == 0 else { throw Self.trouble("read an inode", result) }
        guard inode.size_high < 1 << 31 || inode.kind == .folder else {
            throw GuestTrouble(text: "a file's size cannot be")
        }
        return inode
    }

    private func read(inode number: UInt32, limit: Int) throws(GuestTrouble) -> [UInt8] {
        var file: Ext2Library.Handle?
        let opened = library.openFile(handle, number, 0, &file)
        guard opened == 0, let file else { throw Self.trouble("open a file", opened) }
        defer { _ = library.closeFile(file) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var done = 0
        while done < limit {
            var count: CUnsignedInt = 0
            let result = bytes.withUnsafeMutableBytes { room in
                library.readFile(file, room.baseAddress?.advanced(by: done), CUnsignedInt(limit - done), &count)
            }
            guard result == 0 else { throw Self.trouble("read a file", result) }
            guard count > 0 else { break }
            done += min(Int(count), limit - done)
        }
        return Array(bytes.prefix(done))
    }

    static func trouble(_ call: String, _ result: Int) -> GuestTrouble {
        GuestTrouble(text: "libext2fs cannot \(call) (\(result))")
    }
}

extension goldsmith_inode {
    fileprivate var kind: GuestFile.Kind {
        switch UInt32(mode) & S_IFMT {
        case S_IFREG: .file(size: Int64(truncatingIfNeeded: UInt64(size_high) << 32 | UInt64(size)))
        case S_IFDIR: .folder
        case S_IFCHR: .characterDevice
        default: .other
        }
    }
}
