import CExt2fs

/// libext2fs, as far as it reads.
struct Ext2Library {
    typealias Handle = OpaquePointer
    typealias Visit =
        @convention(c) (
            UnsafeMutablePointer<goldsmith_directory_entry>?, CInt, CInt, UnsafeMutablePointer<CChar>?,
            UnsafeMutableRawPointer?
        ) -> CInt

    let open:
        @convention(c) (
            UnsafePointer<CChar>, UnsafePointer<CChar>?, CInt, CInt, CUnsignedInt,
            UnsafeMutablePointer<goldsmith_io_manager>, UnsafeMutablePointer<Handle?>
        ) -> Int
    let free: @convention(c) (Handle) -> Void
    let checkGroups: @convention(c) (Handle) -> Int
    let isGroupSound: @convention(c) (Handle, UInt32) -> CInt
    let find: @convention(c) (Handle, UInt32, UInt32, UnsafePointer<CChar>, UnsafeMutablePointer<UInt32>) -> Int
    let readInode: @convention(c) (Handle, UInt32, UnsafeMutablePointer<goldsmith_inode>) -> Int
    let list:
        @convention(c) (Handle, UInt32, CInt, UnsafeMutablePointer<CChar>?, Visit, UnsafeMutableRawPointer?) -> Int
    let openFile: @convention(c) (Handle, UInt32, CInt, UnsafeMutablePointer<Handle?>) -> Int
    let readFile:
        @convention(c) (Handle, UnsafeMutableRawPointer?, CUnsignedInt, UnsafeMutablePointer<CUnsignedInt>) -> Int
    let closeFile: @convention(c) (Handle) -> Int
    let readBlockMap: @convention(c) (Handle) -> Int
    let findFree: @convention(c) (UnsafeMutableRawPointer, UInt64, UInt64, UnsafeMutablePointer<UInt64>) -> Int
    let findUsed: @convention(c) (UnsafeMutableRawPointer, UInt64, UInt64, UnsafeMutablePointer<UInt64>) -> Int

    init() throws(GuestTrouble) {
        let library = try SystemLibrary("libext2fs.so.2")
        open = try library.find("ext2fs_open2")
        free = try library.find("ext2fs_free")
        checkGroups = try library.find("ext2fs_check_desc")
        isGroupSound = try library.find("ext2fs_group_desc_csum_verify")
        find = try library.find("ext2fs_namei_follow")
        readInode = try library.find("ext2fs_read_inode")
        list = try library.find("ext2fs_dir_iterate")
        openFile = try library.find("ext2fs_file_open")
        readFile = try library.find("ext2fs_file_read")
        closeFile = try library.find("ext2fs_file_close")
        readBlockMap = try library.find("ext2fs_read_block_bitmap")
        findFree = try library.find("ext2fs_find_first_zero_generic_bmap")
        findUsed = try library.find("ext2fs_find_first_set_generic_bmap")
    }
}
