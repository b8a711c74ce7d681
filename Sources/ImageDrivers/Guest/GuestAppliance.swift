import CGuestfs
import Glibc
import ImageCore

/// A running libguestfs: a small virtual machine without a network, which alone ever sees a guest's partition tables and
/// file systems. Shut down and closed when its owner lets go of it.
struct GuestAppliance: ~Copyable {
    private let library: GuestLibrary
    private let handle: GuestLibrary.Handle

    /// Where a guest has more than this, it is none that anybody boots.
    static let listLimit = 256

    init(_ library: GuestLibrary) throws(GuestTrouble) {
        guard let handle = library.create() else { throw GuestTrouble(text: "no memory for libguestfs") }
        self.library = library
        self.handle = handle
        // Errors are asked for, not printed.
        library.setErrorHandler(handle, nil, nil)
    }

    /// - Parameters:
    ///   - disk: a qcow2 file made by this program, so that nothing about it has to be guessed.
    ///   - memoryMebibytes: what the virtual machine gets.
    ///   - isEmulated: without the processor's virtualisation: slower, and works everywhere.
    func launch(_ disk: String, memoryMebibytes: Int, isEmulated: Bool) throws(GuestTrouble) {
        // QEMU by itself: no libvirt, whose domains would outlive this process.
        try check(library.setBackend(handle, "direct"))
        if isEmulated { try check(library.setBackendSetting(handle, "force_tcg", "1")) }
        try check(library.setMemorySize(handle, CInt(memoryMebibytes)))
        try check(library.setNetwork(handle, 0))
        let added = "qcow2".withCString { format in
            var options = goldsmith_add_drive()
            options.bitmask = 1 << 1
            options.format = format
            return library.addDrive(handle, disk, &options)
        }
        try check(added)
        try check(library.launch(handle))
    }

    deinit { library.close(handle) }

    /// Writes everything out.
    func shutDown() throws(GuestTrouble) { try check(library.shutDown(handle)) }

    /// Disks, partitions, logical volumes, arrays.
    func volumes() -> [String] {
        let all = [library.devices, library.partitions, library.logicalVolumes, library.arrays].flatMap { list in
            texts(list(handle)) ?? []
        }
        return Array(all.prefix(Self.listLimit))
    }

    /// What can be mounted, and what the file system's type is.
    func fileSystems() -> [(mountable: String, type: String)] {
        let all = pairs(library.fileSystems(handle)).map { (mountable: $0.name, type: $0.value) }
        return Array(all.prefix(Self.listLimit))
    }

    /// What blkid says of a volume: `UUID`, `LABEL`, `TYPE`, `PART_ENTRY_UUID` …
    func facts(of volume: String) -> [String: String] {
        Dictionary(pairs(library.probe(handle, volume)).map { ($0.name, $0.value) }) { first, _ in first }
    }

    func mount(_ mountable: String, readOnly: Bool) throws(GuestTrouble) {
        try check((readOnly ? library.mountReadOnly : library.mount)(handle, mountable, "/"))
    }

    func unmountAll() throws(GuestTrouble) { try check(library.unmountAll(handle)) }

    enum Kind {
        case file(size: Int64)
        case folder
        case other
    }

    /// What is at a path, its links followed inside the guest; `nil` when there is nothing.
    func kind(_ path: String) throws(GuestTrouble) -> Kind? {
        guard let status = library.status(handle, path) else {
            let code = library.lastErrno(handle)
            if code == ENOENT || code == ENOTDIR || code == ELOOP { return nil }
            throw trouble
        }
        defer { library.freeStatus(status) }
        return switch UInt32(truncatingIfNeeded: status.pointee.mode) & S_IFMT {
        case S_IFREG: .file(size: status.pointee.size)
        case S_IFDIR: .folder
        default: .other
        }
    }

    func read(_ path: String, limit: Int) throws(GuestTrouble) -> [UInt8] {
        var count = 0
        guard let bytes = library.read(handle, path, CInt(limit), 0, &count) else { throw trouble }
        defer { free(bytes) }
        return Array(UnsafeRawBufferPointer(start: bytes, count: min(max(0, count), limit)))
    }

    func write(_ bytes: [UInt8], to path: String) throws(GuestTrouble) {
        let result = bytes.withUnsafeBytes { raw -> CInt in
            guard let start = raw.bindMemory(to: CChar.self).baseAddress else {
                return library.write(handle, path, "", 0)
            }
            return library.write(handle, path, start, raw.count)
        }
        try check(result)
    }

    func remove(_ path: String) throws(GuestTrouble) { try check(library.remove(handle, path)) }

    // MARK: C

    private func check(_ result: CInt) throws(GuestTrouble) {
        guard result == 0 else { throw trouble }
    }

    private var trouble: GuestTrouble {
        let text = library.lastError(handle).map { PlainText.sentence(String(cString: $0)) }
        return GuestTrouble(text: text ?? "libguestfs failed without a word")
    }

    /// A list that ends with a null pointer, and that is the caller's to free.
    private func texts(_ list: GuestLibrary.Texts?) -> [String]? {
        guard let list else { return nil }
        defer { free(list) }
        var texts: [String] = []
        var next = list
        while let text = next.pointee {
            texts.append(String(cString: text))
            free(text)
            next += 1
        }
        return texts
    }

    private func pairs(_ list: GuestLibrary.Texts?) -> [(name: String, value: String)] {
        let texts = texts(list) ?? []
        return stride(from: 0, to: texts.count - texts.count % 2, by: 2).map { (texts[$0], texts[$0 + 1]) }
    }
}
