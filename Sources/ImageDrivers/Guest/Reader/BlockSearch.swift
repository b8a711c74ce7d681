import CExt2fs
import ImageCore

/// Searches parts of a disk that belong to no file, within a limit.
struct BlockSearch {
    /// In bytes. More is not searched, and that is noted.
    static let byteLimit: Int64 = 64 << 30
    private static let step: Int64 = 1 << 20

    private let export: NBDExport
    private var bytesLeft = byteLimit
    private(set) var gaps: [Finding] = []

    init(_ export: NBDExport) { self.export = export }

    /// - Parameter range: of the disk, in bytes.
    mutating func search(_ range: Range<Int64>) throws(GuestTrouble) -> SecretCount {
        var count = SecretCount()
        var start = range.lowerBound
        while start < range.upperBound {
            let size = min(Self.step, range.upperBound - start)
            guard size <= bytesLeft else {
                if gaps.isEmpty {
                    gaps.append(
                        .secretsNotChecked("the rest of the deleted blocks", "there are more than 64 GiB of them")
                    )
                }
                return count
            }
            bytesLeft -= size
            // What begins at the end of a step goes on in the next.
            let rest = min(Int64(SecretText.formLimit), range.upperBound - start - size)
            let bytes = try export.read(at: start, count: Int(size + rest))
            // Most of what is free was never written.
            if !bytes.withUnsafeBytes(DiskOutline.isZero) {
                count.add(SecretText.count(inBlocks: bytes, before: Int(size)))
            }
            start += size
        }
        return count
    }
}

extension Ext2FileSystem {
    /// Calls for each run of free blocks, in bytes from the file system's beginning.
    func eachFreeRun(_ body: (Range<Int64>) throws(GuestTrouble) -> Void) throws(GuestTrouble) {
        let result = library.readBlockMap(handle)
        guard result == 0 else { throw Self.trouble("read the map of blocks", result) }
        let system = UnsafePointer<goldsmith_file_system>(handle)
        guard let map = system.pointee.block_map, Int(system.pointee.block_size) == superblock.blockSize else {
            throw GuestTrouble(text: "libext2fs keeps its map elsewhere")
        }
        let blockSize = Int64(superblock.blockSize)
        let end = UInt64(superblock.byteCount / blockSize)
        var next = superblock.firstBlock
        while next < end {
            var first: UInt64 = 0
            guard library.findFree(map, next, end - 1, &first) == 0, first >= next, first < end else { return }
            var after: UInt64 = 0
            if library.findUsed(map, first, end - 1, &after) != 0 { after = end }
            guard after > first, after <= end else { throw GuestTrouble(text: "libext2fs's map contradicts itself") }
            try body((Int64(first) * blockSize)..<(Int64(after) * blockSize))
            next = after
        }
    }
}
