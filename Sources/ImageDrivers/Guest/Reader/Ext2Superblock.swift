/// What the superblock of ext2, ext3 and ext4 says on whether the kernel would read the file system as it stands there.
struct Ext2Superblock {
    static let offset: Int64 = 1024
    static let size = 1024

    /// In bytes.
    var byteCount: Int64
    /// The first block that the map of blocks covers.
    var firstBlock: UInt64
    var groupCount: Int
    var blockSize: Int
    var hasJournal: Bool

    /// - Parameter bytes: `size` of them.
    /// - Throws: unless it was unmounted cleanly and has only features that change nothing in how names and files are
    ///   found and read.
    init(_ bytes: [UInt8]) throws(GuestTrouble) {
        guard bytes.count == Self.size, Self.number(bytes, 0x38, 2) == 0xef53 else { throw Self.odd("no superblock") }
        let (compatible, incompatible, readOnly) = (
            Self.number(bytes, 0x5c, 4), Self.number(bytes, 0x60, 4), Self.number(bytes, 0x64, 4)
        )
        // Journals are the kernel's to replay, orphans its to remove.
        guard incompatible & 0x4 == 0, Self.number(bytes, 0x3a, 2) == 1, Self.number(bytes, 0xe8, 4) == 0,
            readOnly & 0x10000 == 0
        else { throw GuestTrouble(text: "it was not unmounted cleanly") }
        // File types, extents, 64 bits, flexible and meta block groups, a seed of checksums.
        guard incompatible & ~(0x2 | 0x40 | 0x80 | 0x200 | 0x10 | 0x2000) == 0 else {
            throw GuestTrouble(text: "it has features that few file systems have")
        }
        let shift = Self.number(bytes, 0x18, 4)
        // The appliance's kernel has pages of 4 KiB, and no block may be larger.
        guard shift <= 2, Self.number(bytes, 0x4c, 4) <= 1 else { throw Self.odd("an odd block size") }
        blockSize = 1024 << Int(shift)
        hasJournal = compatible & 0x4 != 0
        if hasJournal {
            guard Self.number(bytes, 0xe0, 4) == Self.journalInode, Self.number(bytes, 0xe4, 4) == 0 else {
                throw Self.odd("a journal elsewhere")
            }
        }
        let high = incompatible & 0x80 != 0 ? Self.number(bytes, 0x150, 4) : 0
        let blocks = high << 32 | Self.number(bytes, 0x4, 4)
        let (first, perGroup) = (Self.number(bytes, 0x14, 4), Self.number(bytes, 0x20, 4))
        guard (1...(1 << 40)).contains(blocks), perGroup >= 8, first <= 1, first < blocks else {
            throw Self.odd("a size that cannot be")
        }
        firstBlock = first
        byteCount = Int64(blocks) * Int64(blockSize)
        groupCount = Int((blocks - first + perGroup - 1) / perGroup)
        guard groupCount <= Self.groupLimit else { throw Self.odd("too many block groups") }
    }

    static let journalInode: UInt64 = 8
    /// 128 TiB of the usual ones.
    private static let groupLimit = 1 << 20

    /// Whether a journal's own superblock, which is big-endian, says that nothing is to be replayed.
    func isEmptyJournal(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 1024 else { return false }
        let word = { (offset: Int) in bytes[offset..<(offset + 4)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        return word(0) == 0xc03b_3998 && [3, 4].contains(word(4)) && word(12) == UInt64(blockSize) && word(28) == 0
            && word(32) == 0
    }

    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        bytes[start..<(start + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func odd(_ what: String) -> GuestTrouble { GuestTrouble(text: "its file system has \(what)") }
}
