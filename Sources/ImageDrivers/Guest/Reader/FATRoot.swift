/// The root folder of FAT, as far as to say that it is none of Linux's: it has no `/etc`.
struct FATRoot {
    private let export: NBDExport
    private let offset: Int64
    private let size: Int64

    /// Longer folders have the partitions that firmware starts from not.
    private static let byteLimit = 256 << 10

    init(_ export: NBDExport, offset: Int64, size: Int64) {
        self.export = export
        self.offset = offset
        self.size = size
    }

    /// - Throws: unless the root folder is whole, lies where libblkid has seen it, and has nothing called `etc`.
    func requireNoSystem() throws(GuestTrouble) {
        let boot = try export.read(at: offset, count: 512)
        let sectorSize = Self.number(boot, 11, 2)
        let sectorsPerCluster = Self.number(boot, 13, 1)
        let reserved = Self.number(boot, 14, 2)
        let tables = Self.number(boot, 16, 1)
        let entries = Self.number(boot, 17, 2)
        let short = Self.number(boot, 22, 2)
        let tableSectors = short != 0 ? short : Self.number(boot, 36, 4)
        let total = Self.number(boot, 19, 2) != 0 ? Self.number(boot, 19, 2) : Self.number(boot, 32, 4)
        guard sectorSize == 512, sectorsPerCluster > 0, sectorsPerCluster & (sectorsPerCluster - 1) == 0, reserved > 0,
            (1...2).contains(tables), tableSectors > 0, boot[21] >= 0xf8 || boot[21] == 0xf0, total > 0,
            total <= size / 512
        else { throw Self.odd }
        let root = (reserved + tables * tableSectors) * 512
        if short != 0 {
            guard entries > 0, entries * 32 <= Self.byteLimit else { throw Self.odd }
            try requireNoEtc(in: try read(root, Int(entries) * 32))
        } else {
            let clusterBytes = sectorsPerCluster * 512
            var cluster = Self.number(boot, 44, 4)
            var bytes: [UInt8] = []
            while (2..<0x0fff_fff7).contains(cluster) {
                guard bytes.count + Int(clusterBytes) <= Self.byteLimit else { throw Self.odd }
                bytes += try read(root + (cluster - 2) * clusterBytes, Int(clusterBytes))
                cluster = Self.number(try read(reserved * 512 + cluster * 4, 4), 0, 4) & 0x0fff_ffff
            }
            guard cluster >= 0x0fff_fff8, !bytes.isEmpty else { throw Self.odd }
            try requireNoEtc(in: bytes)
        }
    }

    private func requireNoEtc(in folder: [UInt8]) throws(GuestTrouble) {
        for start in stride(from: 0, to: folder.count - 31, by: 32) {
            let entry = folder[start..<(start + 32)]
            if entry.first == 0 { return }
            let isLong = entry[start + 11] & 0x3f == 0x0f
            let letters = isLong ? [1, 3, 5, 7].map { entry[start + $0] } : Array(entry.prefix(4))
            let end: UInt8 = isLong ? 0 : 0x20
            guard letters.map({ $0 & 0xdf }) != Array("ETC".utf8) + [end & 0xdf] else {
                throw GuestTrouble(text: "a file system of FAT has a folder etc")
            }
        }
    }

    /// What the outline has at the volume's head: further in, libblkid has not seen the volume's label.
    private func read(_ start: Int64, _ count: Int) throws(GuestTrouble) -> [UInt8] {
        let isSeen = start + Int64(count) <= DiskOutline.head || DiskOutline.isComplete(size)
        guard start >= 0, isSeen, start + Int64(count) <= size else { throw Self.odd }
        return try export.read(at: offset + start, count: count)
    }

    private static let odd = GuestTrouble(text: "a file system of FAT is not as firmware has it")

    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int64 {
        bytes[start..<(start + count)].reversed().reduce(0) { $0 << 8 | Int64($1) }
    }
}
