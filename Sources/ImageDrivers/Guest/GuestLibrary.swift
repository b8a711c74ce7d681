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

    /// - Throws: when it is not installed, or is something else.
    init() throws(GuestTrouble) {
        guard let library = dlopen(Self.name, RTLD_NOW) else { throw GuestTrouble(text: Self.loaderError) }
        create = try Self.find("guestfs_create", in: library)
        close = try Self.find("guestfs_close", in: library)
        lastError = try Self.find("guestfs_last_error", in: library)
        lastErrno = try Self.find("guestfs_last_errno", in: library)
        setErrorHandler = try Self.find("guestfs_set_error_handler", in: library)
        setBackend = try Self.find("guestfs_set_backend", in: library)
        setBackendSetting = try Self.find("guestfs_set_backend_setting", in: library)
        setMemorySize = try Self.find("guestfs_set_memsize", in: library)
        setNetwork = try Self.find("guestfs_set_network", in: library)
        addDrive = try Self.find("guestfs_add_drive_opts_argv", in: library)
        launch = try Self.find("guestfs_launch", in: library)
        shutDown = try Self.find("guestfs_shutdown", in: library)
        devices = try Self.find("guestfs_list_devices", in: library)
        partitions = try Self.find("guestfs_list_partitions", in: library)
        logicalVolumes = try Self.find("guestfs_lvs", in: library)
        arrays = try Self.find("guestfs_list_md_devices", in: library)
        fileSystems = try Self.find("guestfs_list_filesystems", in: library)
        probe = try Self.find("guestfs_blkid", in: library)
        mount = try Self.find("guestfs_mount", in: library)
        mountReadOnly = try Self.find("guestfs_mount_ro", in: library)
        unmountAll = try Self.find("guestfs_umount_all", in: library)
        status = try Self.find("guestfs_statns", in: library)
        freeStatus = try Self.find("guestfs_free_statns", in: library)
        read = try Self.find("guestfs_pread", in: library)
        write = try Self.find("guestfs_write", in: library)
        remove = try Self.find("guestfs_rm_f", in: library)
        size = try Self.find("guestfs_blockdev_getsize64", in: library)
        readDevice = try Self.find("guestfs_pread_device", in: library)
        logicalVolumeFacts = try Self.find("guestfs_lvs_full", in: library)
        freeLogicalVolumeFacts = try Self.find("guestfs_free_lvm_lv_list", in: library)
        logicalVolumeUUID = try Self.find("guestfs_lvuuid", in: library)
        volumeGroupFacts = try Self.find("guestfs_vgs_full", in: library)
        freeVolumeGroupFacts = try Self.find("guestfs_free_lvm_vg_list", in: library)
        subvolumeFacts = try Self.find("guestfs_btrfs_subvolume_show", in: library)
        glob = try Self.find("guestfs_glob_expand_opts_argv", in: library)
        realPath = try Self.find("guestfs_realpath", in: library)
        attributes = try Self.find("guestfs_get_e2attrs", in: library)
        setAttributes = try Self.find("guestfs_set_e2attrs_argv", in: library)
    }

    private static func find<Function>(
        _ name: String,
        in library: UnsafeMutableRawPointer
    ) throws(GuestTrouble) -> Function {
        guard let symbol = dlsym(library, name) else { throw GuestTrouble(text: loaderError) }
        return unsafeBitCast(symbol, to: Function.self)
    }

    private static var loaderError: String {
        dlerror().map { PlainText.sentence(String(cString: $0)) } ?? "\(name) cannot be loaded"
    }
}
