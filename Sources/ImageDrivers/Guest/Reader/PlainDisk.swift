import ImageCore

/// A system disk that is read without an appliance: GPT, MBR or none, and on it ext2, ext3, ext4, swap space, the FAT that
/// firmware starts from, and small partitions with nothing on them. Anything else is the appliance's.
final class PlainDisk: GuestDisk {
    private struct Volume {
        var facts: GuestVolume
        var offset: Int64
        var size: Int64
        var isContainer = false
    }

    private enum Mounted {
        case nothing
        case ext2(Ext2FileSystem)
        /// Nothing that a Linux has is there.
        case foreign
    }

    private let export: NBDExport
    private let library: Ext2Library
    private var all: [Volume] = []
    private var mounted = Mounted.nothing
    /// What this reader does not understand. Once it is there, nothing that was said counts.
    private(set) var trouble: GuestTrouble?

    /// - Throws: when anything on the disk is not plain.
    init(_ export: NBDExport, _ outline: DiskOutline, _ library: Ext2Library) throws(GuestTrouble) {
        self.export = export
        self.library = library
        guard export.size > 0, export.size % 512 == 0 else { throw GuestTrouble(text: "its size is odd") }
        let partitions = try outline.partitions()
        let whole = try outline.contents(at: 0, size: export.size)
        try add("/dev/sda", whole, 0, export.size, nil)
        guard let partitions else { return }
        guard whole.type == nil else { throw GuestTrouble(text: "it has partitions and a file system as well") }
        all[0].isContainer = true
        for partition in partitions {
            let device = "/dev/sda\(partition.number)"
            // The kernel makes a device of two sectors of an extended partition, and no more.
            let contents =
                partition.isExtended
                ? DiskOutline.Contents() : try outline.contents(at: partition.offset, size: partition.size)
            guard !partition.mustBeSwap || contents.type == "swap" else {
                throw GuestTrouble(text: "it has a partition of another system's")
            }
            try add(device, contents, partition.offset, partition.size, partition)
        }
    }

    private func add(
        _ device: String,
        _ contents: DiskOutline.Contents,
        _ offset: Int64,
        _ size: Int64,
        _ partition: DiskOutline.Partition?
    ) throws(GuestTrouble) {
        switch contents.type {
        case "ext2", "ext3", "ext4", "swap": break
        case "vfat" where partition != nil:
            try FATRoot(export, offset: offset, size: size).requireNoSystem()
        case nil:
            guard partition?.isExtended == true || partition == nil || DiskOutline.isComplete(size) else {
                throw GuestTrouble(text: "it has a large partition with nothing on it that is known")
            }
        case let type?: throw GuestTrouble(text: "it has \(PlainText.word(type)) on it")
        }
        all.append(
            Volume(
                facts: GuestVolume(
                    device: device,
                    type: contents.type,
                    uuid: contents.uuid,
                    label: contents.label,
                    partUUID: partition?.uuid,
                    partLabel: partition?.label
                ),
                offset: offset,
                size: size,
                isContainer: partition?.isExtended == true
            )
        )
    }

    /// What of this disk belongs to no file, though it may once have: free blocks and swap space.
    func secretsOutsideFiles() throws(GuestTrouble) -> [Finding] {
        var search = BlockSearch(export)
        var found: [Finding] = []
        for volume in all where !volume.isContainer {
            let name = volume.facts.device
            if volume.facts.type == "swap" {
                let secrets = try search.search(volume.offset..<(volume.offset + volume.size))
                if !secrets.isEmpty { found.append(secrets.finding(inSwapSpaceOf: name)) }
            } else if volume.facts.type?.hasPrefix("ext") == true {
                let fileSystem = try Ext2FileSystem(library, export, offset: volume.offset, size: volume.size)
                var secrets = SecretCount()
                try fileSystem.eachFreeRun { run throws(GuestTrouble) in
                    secrets.add(
                        try search.search((volume.offset + run.lowerBound)..<(volume.offset + run.upperBound))
                    )
                }
                if !secrets.isEmpty { found.append(secrets.finding(inDeletedBlocksOf: name)) }
            }
        }
        return found + search.gaps
    }

    // MARK: As the appliance says it

    func volumes() -> [GuestVolume] { all.map(\.facts) }

    func fileSystems(on volumes: [GuestVolume]) -> [(mountable: String, type: String)] {
        all.filter { !$0.isContainer }.map { ($0.facts.device, $0.facts.type ?? GuestLook.unknown) }
    }

    func mount(_ mountable: String, readOnly: Bool) throws(GuestTrouble) {
        guard let volume = all.first(where: { $0.facts.device == mountable }), let type = volume.facts.type else {
            throw GuestTrouble(text: "there is no file system")
        }
        guard type.hasPrefix("ext") else {
            mounted = .foreign
            return
        }
        let fileSystem = try noting { () throws(GuestTrouble) in
            try Ext2FileSystem(library, export, offset: volume.offset, size: volume.size)
        }
        mounted = .ext2(fileSystem)
    }

    func unmountAll() { mounted = .nothing }

    func kind(_ path: String) throws(GuestTrouble) -> GuestFile.Kind {
        guard case .ext2(let fileSystem) = mounted else { return .nothing }
        return try noting { () throws(GuestTrouble) in try fileSystem.kind(path) }
    }

    func paths(_ pattern: String) -> [String]? {
        guard case .ext2(let fileSystem) = mounted else { return [] }
        let found = try? noting { () throws(GuestTrouble) in
            try GuestPattern.paths(
                pattern,
                exists: { path throws(GuestTrouble) in try fileSystem.kind(path) != .nothing },
                names: { folder throws(GuestTrouble) in try fileSystem.names(in: folder) }
            )
        }
        guard let found, found.count <= GuestFacts.fileCountLimit else { return nil }
        return found
    }

    func read(_ path: String, limit: Int) throws(GuestTrouble) -> [UInt8] {
        guard case .ext2(let fileSystem) = mounted else { throw GuestTrouble(text: "nothing is mounted") }
        return try noting { () throws(GuestTrouble) in try fileSystem.read(path, limit: limit) }
    }

    func isReadOnlySubvolume() -> Bool { false }

    private func noting<Value>(_ body: () throws(GuestTrouble) -> Value) throws(GuestTrouble) -> Value {
        do throws(GuestTrouble) { return try body() } catch {
            trouble = trouble ?? error
            throw error
        }
    }
}
