import CGuestfs
import Glibc
import ImageCore

/// A running libguestfs: a small virtual machine without a network, which alone ever sees a guest's partition tables and
/// file systems. It has one disk. Shut down and closed when its owner lets go of it.
struct GuestAppliance: ~Copyable, GuestDisk {
    let library: GuestLibrary
    let handle: GuestLibrary.Handle

    /// No bootable guest has more than this.
    static let listLimit = GuestVolume.countLimit

    init(_ library: GuestLibrary) throws(GuestTrouble) {
        guard let handle = library.create() else { throw GuestTrouble(text: "no memory for libguestfs") }
        self.library = library
        self.handle = handle
        // Errors are asked for, not printed.
        library.setErrorHandler(handle, nil, nil)
    }

    enum Disk {
        /// A qcow2 file made by this program, so that nothing about it has to be guessed.
        case file(String)
        /// The socket at which `qemu-nbd` serves one.
        case export(String)
    }

    /// - Parameters:
    ///   - memoryMebibytes: what the virtual machine gets.
    ///   - isEmulated: without the processor's virtualisation: slower, and works everywhere.
    func launch(_ disk: Disk, memoryMebibytes: Int, isEmulated: Bool) throws(GuestTrouble) {
        // QEMU by itself: no libvirt, whose domains would outlive this process.
        try check(library.setBackend(handle, "direct"))
        if isEmulated { try check(library.setBackendSetting(handle, "force_tcg", "1")) }
        try check(library.setMemorySize(handle, CInt(memoryMebibytes)))
        try check(library.setNetwork(handle, 0))
        switch disk {
        case .file(let path): try check(add(path))
        case .export(let socket): try check(add(export: socket))
        }
        try check(library.launch(handle))
    }

    private func add(_ path: String) -> CInt {
        "qcow2".withCString { format in
            var options = goldsmith_add_drive()
            options.bitmask = 1 << 1
            options.format = format
            return library.addDrive(handle, path, &options)
        }
    }

    private func add(export socket: String) -> CInt {
        let texts: [String] = ["raw", "nbd", "besteffort", "unix:" + socket]
        let words = texts.map { strdup($0) }
        defer { for word in words { free(word) } }
        // A list that ends with a null pointer.
        return [words[3], nil].withUnsafeBufferPointer { servers in
            var options = goldsmith_add_drive()
            options.bitmask = 1 << 1 | 1 << 5 | 1 << 6 | 1 << 10
            options.format = UnsafePointer(words[0])
            options.protocol = UnsafePointer(words[1])
            options.server = servers.baseAddress
            options.discard = UnsafePointer(words[2])
            return library.addDrive(handle, "", &options)
        }
    }

    deinit { library.close(handle) }

    /// Writes everything out.
    func shutDown() throws(GuestTrouble) { try check(library.shutDown(handle)) }

    /// Disks, partitions, logical volumes, arrays.
    func devices() -> [String] {
        let all = [library.devices, library.partitions, library.logicalVolumes, library.arrays].flatMap { list in
            texts(list(handle)) ?? []
        }
        return Array(all.prefix(Self.listLimit))
    }

    func fileSystems(on volumes: [GuestVolume]) -> [(mountable: String, type: String)] {
        if let list = library.fileSystems(handle) {
            return Array(pairs(list).map { (mountable: $0.name, type: $0.value) }.prefix(Self.listLimit))
        }
        // One by one, where a list of all cannot be had: a file system over several disks of which one is missing ends it.
        return volumes.compactMap { volume in
            guard !volume.isMissing, let type = volume.type else { return nil }
            let isContainer = ["LVM2_member", "linux_raid_member"].contains(type)
            return isContainer ? nil : (volume.device, type)
        }
    }

    /// What blkid says of a volume: `UUID`, `LABEL`, `TYPE`, `PART_ENTRY_UUID` …
    func facts(of volume: String) -> [String: String] {
        Dictionary(pairs(library.probe(handle, volume)).map { ($0.name, $0.value) }) { first, _ in first }
    }

    func mount(_ mountable: String, readOnly: Bool) throws(GuestTrouble) {
        try check((readOnly ? library.mountReadOnly : library.mount)(handle, mountable, "/"))
    }

    func unmountAll() throws(GuestTrouble) { try check(library.unmountAll(handle)) }

    func kind(_ path: String) throws(GuestTrouble) -> GuestFile.Kind {
        guard let status = library.status(handle, path) else {
            let code = library.lastErrno(handle)
            if code == ENOENT || code == ENOTDIR || code == ELOOP { return .nothing }
            throw trouble
        }
        defer { library.freeStatus(status) }
        return switch UInt32(truncatingIfNeeded: status.pointee.mode) & S_IFMT {
        case S_IFREG: .file(size: status.pointee.size)
        case S_IFDIR: .folder
        case S_IFCHR: .characterDevice
        default: .other
        }
    }

    func paths(_ pattern: String) -> [String]? {
        // Folders without a slash behind them.
        var flag = goldsmith_flag(bitmask: 1, value: 0)
        guard let paths = texts(library.glob(handle, pattern, &flag)), paths.count <= GuestFacts.fileCountLimit else {
            return nil
        }
        return paths
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

    /// Where a path leads inside the guest.
    func resolved(_ path: String) throws(GuestTrouble) -> String {
        guard let text = text(library.realPath(handle, path)) else { throw trouble }
        return text
    }

    /// The letters of `lsattr` for a file or a folder; empty where the file system has none.
    func attributes(_ path: String) -> String { text(library.attributes(handle, path)) ?? "" }

    func setAttributes(_ letters: String, of path: String, to isSet: Bool) throws(GuestTrouble) {
        var flag = goldsmith_flag(bitmask: 1, value: isSet ? 0 : 1)
        try check(library.setAttributes(handle, path, letters, &flag))
    }

    func isReadOnlySubvolume() -> Bool {
        pairs(library.subvolumeFacts(handle, "/")).contains { $0.name == "Flags" && $0.value.contains("readonly") }
    }

    /// In bytes; `nil` for what is only a name.
    func size(of device: String) -> Int64? {
        let size = library.size(handle, device)
        return size > 0 ? size : nil
    }

    func read(device: String, at offset: Int64, count: Int) -> [UInt8] {
        var size = 0
        guard let bytes = library.readDevice(handle, device, CInt(count), offset, &size) else { return [] }
        defer { free(bytes) }
        return Array(UnsafeRawBufferPointer(start: bytes, count: min(max(0, size), count)))
    }

    /// What LVM says of these volumes, which are called `/dev/group/name`.
    func logicalVolumes(_ devices: [String]) -> [String: GuestVolume.Logical] {
        guard !devices.isEmpty else { return [:] }
        let (groups, volumes) = (volumeGroups(), logicalVolumeFacts())
        var found: [String: GuestVolume.Logical] = [:]
        for device in devices.prefix(Self.listLimit) {
            let parts = device.split(separator: "/")
            guard parts.count == 3 else { continue }
            let group = groups[String(parts[1])]
            let named = volumes.filter { $0.name == parts[2] }
            var volume = named.first
            if named.count > 1 {
                // Volume groups can have volumes of the same name; their UUIDs distinguish them.
                let uuid = text(library.logicalVolumeUUID(handle, device))?.filter { $0 != "-" }
                volume = named.first { $0.uuid == uuid }
            }
            found[device] = GuestVolume.Logical(
                groupUUID: group?.uuid,
                uuid: volume?.uuid,
                // The fourth letter of `vgs -o attr` is a p where a physical volume is missing.
                isGroupPartial: group?.attributes.dropFirst(3).first == "p",
                isSnapshot: volume.map { "sS".contains($0.attributes.prefix(1)) && !$0.attributes.isEmpty } ?? false
            )
        }
        return found
    }

    private func volumeGroups() -> [String: (uuid: String, attributes: String)] {
        guard let list = library.volumeGroupFacts(handle) else { return [:] }
        defer { library.freeVolumeGroupFacts(list) }
        let groups = UnsafeBufferPointer(start: list.pointee.elements, count: Int(list.pointee.count))
        let named = groups.prefix(Self.listLimit).map { group in
            (Self.text(group.name), (uuid: Self.uuid(group.uuid), attributes: Self.text(group.attributes)))
        }
        return Dictionary(named) { first, _ in first }
    }

    private func logicalVolumeFacts() -> [(name: String, uuid: String, attributes: String)] {
        guard let list = library.logicalVolumeFacts(handle) else { return [] }
        defer { library.freeLogicalVolumeFacts(list) }
        let volumes = UnsafeBufferPointer(start: list.pointee.elements, count: Int(list.pointee.count))
        return volumes.prefix(4 * Self.listLimit).map {
            (name: Self.text($0.name), uuid: Self.uuid($0.uuid), attributes: Self.text($0.attributes))
        }
    }

    // MARK: C

    private static func text(_ text: UnsafeMutablePointer<CChar>?) -> String { text.map { String(cString: $0) } ?? "" }

    /// 32 characters that nothing ends.
    private static func uuid<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0, as: UTF8.self) }
    }

    private func text(_ text: UnsafeMutablePointer<CChar>?) -> String? {
        defer { free(text) }
        return text.map { String(cString: $0) }
    }

    func check(_ result: CInt) throws(GuestTrouble) {
        guard result == 0 else { throw trouble }
    }

    var trouble: GuestTrouble {
        let text = library.lastError(handle).map { PlainText.sentence(String(cString: $0)) }
        return GuestTrouble(
            text: text ?? "libguestfs failed without a word",
            failure: GuestFailure(errno: library.lastErrno(handle), text ?? "")
        )
    }

    /// A list that ends with a null pointer, and that is the caller's to free.
    func texts(_ list: GuestLibrary.Texts?) -> [String]? {
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

    func pairs(_ list: GuestLibrary.Texts?) -> [(name: String, value: String)] {
        let texts = texts(list) ?? []
        return stride(from: 0, to: texts.count - texts.count % 2, by: 2).map { (texts[$0], texts[$0 + 1]) }
    }
}
