import CGuestfs
import Glibc
import ImageCore

/// What libguestfs said went wrong, fit for a sentence.
struct GuestTrouble: Error {
    var text: String
    /// What it means, as far as the appliance's kernel has said it.
    var failure = GuestFailure.transient
}

extension GuestFailure {
    /// The one place in which an error's number is read.
    init(errno code: CInt) {
        self =
            switch code {
            case EROFS: .readOnly
            case EPERM, EACCES: .denied
            case ENOSPC, EDQUOT, EFBIG: .full
            case EUCLEAN, EBADMSG: .damaged
            case ENODEV, ENOSYS, EOPNOTSUPP: .unsupported
            case ENOENT, ENOTDIR, EISDIR, ELOOP: .changed
            default: .transient
            }
    }

    /// A program of the appliance's has no number, only words.
    init(errno code: CInt, _ text: String) {
        let words: [(String, GuestFailure)] = [
            ("Operation not permitted", .denied), ("Read-only file system", .readOnly),
            ("No space left on device", .full),
        ]
        self = code == 0 ? words.first { text.contains($0.0) }?.1 ?? .transient : GuestFailure(errno: code)
    }
}

/// libguestfs, loaded when it is asked for: where it is not installed, Goldsmith works without it.
struct GuestLibrary {
    static let name = "libguestfs.so.0"

    typealias Handle = OpaquePointer
    typealias Text = UnsafePointer<CChar>
    typealias Texts = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    let create: @convention(c) () -> Handle?
    let close: @convention(c) (Handle) -> Void
    let lastError: @convention(c) (Handle) -> Text?
    let lastErrno: @convention(c) (Handle) -> CInt
    let setErrorHandler: @convention(c) (Handle, UnsafeRawPointer?, UnsafeMutableRawPointer?) -> Void
    let setBackend: @convention(c) (Handle, Text) -> CInt
    let setBackendSetting: @convention(c) (Handle, Text, Text) -> CInt
    let setMemorySize: @convention(c) (Handle, CInt) -> CInt
    let setNetwork: @convention(c) (Handle, CInt) -> CInt
    let addDrive: @convention(c) (Handle, Text, UnsafePointer<goldsmith_add_drive>) -> CInt
    let launch: @convention(c) (Handle) -> CInt
    let shutDown: @convention(c) (Handle) -> CInt
    let devices: @convention(c) (Handle) -> Texts?
    let partitions: @convention(c) (Handle) -> Texts?
    let logicalVolumes: @convention(c) (Handle) -> Texts?
    let arrays: @convention(c) (Handle) -> Texts?
    let fileSystems: @convention(c) (Handle) -> Texts?
    let probe: @convention(c) (Handle, Text) -> Texts?
    let mount: @convention(c) (Handle, Text, Text) -> CInt
    let mountReadOnly: @convention(c) (Handle, Text, Text) -> CInt
    let unmountAll: @convention(c) (Handle) -> CInt
    let status: @convention(c) (Handle, Text) -> UnsafeMutablePointer<goldsmith_statns>?
    let freeStatus: @convention(c) (UnsafeMutablePointer<goldsmith_statns>) -> Void
    let read: @convention(c) (Handle, Text, CInt, Int64, UnsafeMutablePointer<Int>) -> UnsafeMutablePointer<CChar>?
    let write: @convention(c) (Handle, Text, Text, Int) -> CInt
    let remove: @convention(c) (Handle, Text) -> CInt
    let size: @convention(c) (Handle, Text) -> Int64
    let readDevice:
        @convention(c) (Handle, Text, CInt, Int64, UnsafeMutablePointer<Int>) -> UnsafeMutablePointer<CChar>?
    let logicalVolumeFacts: @convention(c) (Handle) -> UnsafeMutablePointer<goldsmith_logical_volumes>?
    let freeLogicalVolumeFacts: @convention(c) (UnsafeMutablePointer<goldsmith_logical_volumes>) -> Void
    let logicalVolumeUUID: @convention(c) (Handle, Text) -> UnsafeMutablePointer<CChar>?
    let volumeGroupFacts: @convention(c) (Handle) -> UnsafeMutablePointer<goldsmith_volume_groups>?
    let freeVolumeGroupFacts: @convention(c) (UnsafeMutablePointer<goldsmith_volume_groups>) -> Void
    let subvolumeFacts: @convention(c) (Handle, Text) -> Texts?
    let glob: @convention(c) (Handle, Text, UnsafePointer<goldsmith_flag>) -> Texts?
    let realPath: @convention(c) (Handle, Text) -> UnsafeMutablePointer<CChar>?
    let attributes: @convention(c) (Handle, Text) -> UnsafeMutablePointer<CChar>?
    let setAttributes: @convention(c) (Handle, Text, Text, UnsafePointer<goldsmith_flag>) -> CInt
    let operatingSystems: @convention(c) (Handle) -> Texts?
    let mountPoints: @convention(c) (Handle, Text) -> Texts?
    let linkStatus: @convention(c) (Handle, Text) -> UnsafeMutablePointer<goldsmith_statns>?
    let find: @convention(c) (Handle, Text) -> Texts?
    let removeTree: @convention(c) (Handle, Text) -> CInt
    let truncate: @convention(c) (Handle, Text) -> CInt
    let makeFolders: @convention(c) (Handle, Text) -> CInt
    let link: @convention(c) (Handle, Text, Text) -> CInt
    let writeAt: @convention(c) (Handle, Text, Text, Int, Int64) -> CInt
    let trim: @convention(c) (Handle, Text, UnsafePointer<goldsmith_trim>) -> CInt
    let zeroFreeBlocks: @convention(c) (Handle, Text) -> CInt
    let zeroFreeSpace: @convention(c) (Handle, Text) -> CInt
    let zeroDevice: @convention(c) (Handle, Text) -> CInt
    let makeSwap: @convention(c) (Handle, Text, UnsafePointer<goldsmith_swap>) -> CInt
    let makeSwapFile: @convention(c) (Handle, Text) -> CInt

    /// - Throws: when it is not installed, or is something else.
    init() throws(GuestTrouble) {
        let library = try SystemLibrary(Self.name)
        create = try library.find("guestfs_create")
        close = try library.find("guestfs_close")
        lastError = try library.find("guestfs_last_error")
        lastErrno = try library.find("guestfs_last_errno")
        setErrorHandler = try library.find("guestfs_set_error_handler")
        setBackend = try library.find("guestfs_set_backend")
        setBackendSetting = try library.find("guestfs_set_backend_setting")
        setMemorySize = try library.find("guestfs_set_memsize")
        setNetwork = try library.find("guestfs_set_network")
        addDrive = try library.find("guestfs_add_drive_opts_argv")
        launch = try library.find("guestfs_launch")
        shutDown = try library.find("guestfs_shutdown")
        devices = try library.find("guestfs_list_devices")
        partitions = try library.find("guestfs_list_partitions")
        logicalVolumes = try library.find("guestfs_lvs")
        arrays = try library.find("guestfs_list_md_devices")
        fileSystems = try library.find("guestfs_list_filesystems")
        probe = try library.find("guestfs_blkid")
        mount = try library.find("guestfs_mount")
        mountReadOnly = try library.find("guestfs_mount_ro")
        unmountAll = try library.find("guestfs_umount_all")
        status = try library.find("guestfs_statns")
        freeStatus = try library.find("guestfs_free_statns")
        read = try library.find("guestfs_pread")
        write = try library.find("guestfs_write")
        remove = try library.find("guestfs_rm_f")
        size = try library.find("guestfs_blockdev_getsize64")
        readDevice = try library.find("guestfs_pread_device")
        logicalVolumeFacts = try library.find("guestfs_lvs_full")
        freeLogicalVolumeFacts = try library.find("guestfs_free_lvm_lv_list")
        logicalVolumeUUID = try library.find("guestfs_lvuuid")
        volumeGroupFacts = try library.find("guestfs_vgs_full")
        freeVolumeGroupFacts = try library.find("guestfs_free_lvm_vg_list")
        subvolumeFacts = try library.find("guestfs_btrfs_subvolume_show")
        glob = try library.find("guestfs_glob_expand_opts_argv")
        realPath = try library.find("guestfs_realpath")
        attributes = try library.find("guestfs_get_e2attrs")
        setAttributes = try library.find("guestfs_set_e2attrs_argv")
        operatingSystems = try library.find("guestfs_inspect_os")
        mountPoints = try library.find("guestfs_inspect_get_mountpoints")
        linkStatus = try library.find("guestfs_lstatns")
        find = try library.find("guestfs_find")
        removeTree = try library.find("guestfs_rm_rf")
        truncate = try library.find("guestfs_truncate")
        makeFolders = try library.find("guestfs_mkdir_p")
        link = try library.find("guestfs_ln_sf")
        writeAt = try library.find("guestfs_pwrite")
        trim = try library.find("guestfs_fstrim_argv")
        zeroFreeBlocks = try library.find("guestfs_zerofree")
        zeroFreeSpace = try library.find("guestfs_zero_free_space")
        zeroDevice = try library.find("guestfs_zero_device")
        makeSwap = try library.find("guestfs_mkswap_opts_argv")
        makeSwapFile = try library.find("guestfs_mkswap_file")
    }
}
