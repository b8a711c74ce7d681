/// libblkid, which the appliance asks, too: what it calls a volume here, it calls it there.
struct BlkidLibrary {
    typealias Handle = OpaquePointer
    typealias Text = UnsafePointer<CChar>

    let create: @convention(c) () -> Handle?
    let free: @convention(c) (Handle) -> Void
    let setDevice: @convention(c) (Handle, CInt, Int64, Int64) -> CInt
    let enableSuperblocks: @convention(c) (Handle, CInt) -> CInt
    let setSuperblocksFlags: @convention(c) (Handle, CInt) -> CInt
    let enablePartitions: @convention(c) (Handle, CInt) -> CInt
    let probe: @convention(c) (Handle) -> CInt
    let lookUp: @convention(c) (Handle, Text, UnsafeMutablePointer<Text?>, UnsafeMutablePointer<Int>?) -> CInt
    let partitions: @convention(c) (Handle) -> Handle?
    let table: @convention(c) (Handle) -> Handle?
    let tableType: @convention(c) (Handle) -> Text?
    let count: @convention(c) (Handle) -> CInt
    let partition: @convention(c) (Handle, CInt) -> Handle?
    let tableOfPartition: @convention(c) (Handle) -> Handle?
    let number: @convention(c) (Handle) -> CInt
    let start: @convention(c) (Handle) -> Int64
    let size: @convention(c) (Handle) -> Int64
    let name: @convention(c) (Handle) -> Text?
    let uuid: @convention(c) (Handle) -> Text?
    /// Of MBR's.
    let type: @convention(c) (Handle) -> CInt
    /// Of GPT's.
    let typeText: @convention(c) (Handle) -> Text?
    let isExtended: @convention(c) (Handle) -> CInt

    init() throws(GuestTrouble) {
        let library = try SystemLibrary("libblkid.so.1")
        create = try library.find("blkid_new_probe")
        free = try library.find("blkid_free_probe")
        setDevice = try library.find("blkid_probe_set_device")
        enableSuperblocks = try library.find("blkid_probe_enable_superblocks")
        setSuperblocksFlags = try library.find("blkid_probe_set_superblocks_flags")
        enablePartitions = try library.find("blkid_probe_enable_partitions")
        probe = try library.find("blkid_do_safeprobe")
        lookUp = try library.find("blkid_probe_lookup_value")
        partitions = try library.find("blkid_probe_get_partitions")
        table = try library.find("blkid_partlist_get_table")
        tableType = try library.find("blkid_parttable_get_type")
        count = try library.find("blkid_partlist_numof_partitions")
        partition = try library.find("blkid_partlist_get_partition")
        tableOfPartition = try library.find("blkid_partition_get_table")
        number = try library.find("blkid_partition_get_partno")
        start = try library.find("blkid_partition_get_start")
        size = try library.find("blkid_partition_get_size")
        name = try library.find("blkid_partition_get_name")
        uuid = try library.find("blkid_partition_get_uuid")
        type = try library.find("blkid_partition_get_type")
        typeText = try library.find("blkid_partition_get_type_string")
        isExtended = try library.find("blkid_partition_is_extended")
    }
}
