import CLinux
import Glibc

/// The parts of a disk in which anything says what is on it: the beginning and the end of the disk and of each of its
/// partitions, in a file without a name, with holes for the rest. That is what libblkid can look at.
final class DiskOutline {
    /// Nothing that libblkid knows stands farther in: LUKS 2 keeps its second header at 4 MiB at most.
    static let head: Int64 = 5 << 20
    /// Nor farther from the end: the oldest arrays of a controller's, 1.5 MiB.
    static let tail: Int64 = 2 << 20

    struct Partition {
        var number: Int
        /// In bytes.
        var offset: Int64
        var size: Int64
        var isExtended: Bool
        /// Whether it is swap space, or else has to be looked at by the kernel.
        var mustBeSwap: Bool
        var uuid: String?
        var label: String?
    }

    /// What libblkid says of a volume.
    struct Contents {
        var type: String?
        var uuid: String?
        var label: String?
    }

    private let export: NBDExport
    private let library: BlkidLibrary
    private let file: CInt
    private let probe: BlkidLibrary.Handle

    /// Opens all that it needs.
    init(_ export: NBDExport) throws(GuestTrouble) {
        self.export = export
        library = try BlkidLibrary()
        guard let probe = library.create() else { throw GuestTrouble(text: "no memory for libblkid") }
        self.probe = probe
        file = memfd_create("disk", goldsmith_memory_file_flags)
        guard file >= 0, ftruncate(file, off_t(export.size)) == 0 else {
            throw GuestTrouble(text: "no file for a disk's outline: \(String(cString: strerror(errno)))")
        }
        _ = library.enablePartitions(probe, 1)
        _ = library.enableSuperblocks(probe, 1)
        _ = library.setSuperblocksFlags(probe, Self.said)
    }

    deinit {
        library.free(probe)
        if file >= 0 { close(file) }
    }

    // MARK: Questions

    /// - Returns: `nil` where there is no table of partitions.
    /// - Throws: for a table that the kernel may read in another way.
    func partitions() throws(GuestTrouble) -> [Partition]? {
        try trace(0, export.size)
        try traceLogicalPartitions()
        guard library.setDevice(probe, file, 0, export.size) == 0, let list = library.partitions(probe),
            let table = library.table(list)
        else { return nil }
        let type = Self.text(library.tableType(table))
        guard type == "gpt" || type == "dos" else {
            throw GuestTrouble(text: "its partition table is not of GPT or MBR")
        }
        let count = library.count(list)
        guard (0...Self.partitionLimit).contains(Int(count)) else { throw GuestTrouble(text: "it has many partitions") }
        var partitions: [Partition] = []
        for index in 0..<count {
            guard let entry = library.partition(list, index) else { continue }
            let own = library.tableOfPartition(entry).flatMap { Self.text(library.tableType($0)) }
            let isOdd =
                type == "dos"
                ? Self.oddNumbers.contains(library.type(entry))
                : Self.oddTypes.contains(Self.text(library.typeText(entry))?.lowercased() ?? "")
            guard own == type, !isOdd else { throw GuestTrouble(text: "it has a partition of another system's") }
            let partition = Partition(
                number: Int(library.number(entry)),
                offset: try Self.bytes(sectors: library.start(entry)),
                size: try Self.bytes(sectors: library.size(entry)),
                isExtended: library.isExtended(entry) != 0,
                mustBeSwap: type == "dos" && library.type(entry) == Self.swapNumber,
                uuid: try Self.plain(library.uuid(entry)),
                label: try Self.plain(library.name(entry))
            )
            guard partition.size > 0, partition.offset > 0, partition.size <= export.size - partition.offset,
                partition.number > 0, !partitions.contains(where: { $0.number == partition.number })
            else { throw GuestTrouble(text: "its partition table contradicts itself") }
            partitions.append(partition)
        }
        return partitions.sorted { $0.number < $1.number }
    }

    /// - Throws: when it may be something, or several things at once.
    func contents(at offset: Int64, size: Int64) throws(GuestTrouble) -> Contents {
        try trace(offset, size)
        guard library.setDevice(probe, file, offset, size) == 0 else { throw GuestTrouble(text: "libblkid has failed") }
        switch library.probe(probe) {
        case 0: break
        case 1: return Contents()
        default: throw GuestTrouble(text: "what a volume holds is ambiguous")
        }
        return Contents(type: try said("TYPE"), uuid: try said("UUID"), label: try said("LABEL"))
    }

    /// Whether the outline has every byte of a volume of this size.
    static func isComplete(_ size: Int64) -> Bool { size <= head + tail }

    // MARK: Parts

    private static let partitionLimit = 32

    /// What the program blkid asks for: label, UUID, type, second type, usage, version.
    private static let said: CInt = 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8

    /// In which the kernel looks for a table of BSD's, Solaris's, Minix's or UnixWare's; or of Windows's dynamic disks.
    private static let oddNumbers: Set<CInt> = [0xa5, 0xa6, 0xa9, 0xbf, 0x81, 0x63, 0x42, 0xee]
    /// Linux's swap space or, with a table in it, Solaris's disk.
    private static let swapNumber: CInt = 0x82

    /// What libguestfs passes over of Microsoft's: reserved, dynamic disks' tables and data, snapshots.
    private static let oddTypes: Set = [
        "e3c9e316-0b5c-4db8-817d-f92df00215ae", "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
        "af9b60a0-1431-4f62-bc68-3311714a69ad", "caddebf1-4400-4de8-b103-12117dcf3ccf",
    ]

    private func trace(_ offset: Int64, _ size: Int64) throws(GuestTrouble) {
        if Self.isComplete(size) { return try copy(offset, size) }
        try copy(offset, Self.head)
        try copy(offset + size - Self.tail, Self.tail)
    }

    /// What is zero stays a hole.
    private func copy(_ offset: Int64, _ count: Int64) throws(GuestTrouble) {
        let step: Int64 = 1 << 20
        for start in stride(from: offset, to: offset + count, by: Int(step)) {
            let bytes = try export.read(at: start, count: Int(min(step, offset + count - start)))
            let isWritten = bytes.withUnsafeBytes { all in
                Self.isZero(all) || pwrite(file, all.baseAddress, all.count, off_t(start)) == all.count
            }
            guard isWritten else { throw GuestTrouble(text: "no room for a disk's outline") }
        }
    }

    /// Whether the first byte is zero, and each equals the one before it.
    static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let start = bytes.baseAddress, bytes.count > 1 else { return false }
        return bytes[0] == 0 && memcmp(start, start + 1, bytes.count - 1) == 0
    }

    /// MBR's logical partitions are a chain of sectors anywhere on the disk.
    private func traceLogicalPartitions() throws(GuestTrouble) {
        let first = try export.read(at: 0, count: 512)
        for start in Self.extended(first) {
            var next = start
            for _ in 0..<Self.partitionLimit {
                let sector = try export.read(at: try Self.bytes(sectors: next), count: 512)
                try copy(try Self.bytes(sectors: next), 512)
                guard let link = Self.extended(sector).first else { break }
                next = start + link
            }
        }
    }

    /// Where the extended partitions of a sector begin, in sectors.
    private static func extended(_ sector: [UInt8]) -> [Int64] {
        guard sector[510] == 0x55, sector[511] == 0xaa else { return [] }
        return (0..<4).compactMap { index in
            let entry = sector[(446 + 16 * index)..<(462 + 16 * index)]
            guard [0x05, 0x0f, 0x85].contains(entry[entry.startIndex + 4]) else { return nil }
            return entry.dropFirst(8).prefix(4).reversed().reduce(0) { $0 << 8 | Int64($1) }
        }
    }

    private func said(_ name: String) throws(GuestTrouble) -> String? {
        var value: BlkidLibrary.Text?
        guard library.lookUp(probe, name, &value, nil) == 0 else { return nil }
        return try Self.plain(value)
    }

    private static func text(_ text: BlkidLibrary.Text?) -> String? { text.map { String(cString: $0) } }

    /// What blkid's own output may show in another way is not for here.
    private static func plain(_ text: BlkidLibrary.Text?) throws(GuestTrouble) -> String? {
        guard let text = Self.text(text) else { return nil }
        guard text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
            throw GuestTrouble(text: "a label has letters beyond ASCII")
        }
        return text
    }

    private static func bytes(sectors: Int64) throws(GuestTrouble) -> Int64 {
        let (bytes, isTooLarge) = sectors.multipliedReportingOverflow(by: 512)
        guard sectors >= 0, !isTooLarge else { throw GuestTrouble(text: "its partition table contradicts itself") }
        return bytes
    }
}
