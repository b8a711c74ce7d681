import Glibc

/// Whether another try can change a failure: the one table for files and for what `qemu-img` says.
///
/// Decided case by case. A permanent failure ends the work at once, since each further try would cost a whole new copy and
/// end alike. What is not in the table counts as transient: its tries are few.
enum Outlook: Equatable, Sendable {
    case permanent(Cause)
    /// There is no room: transient, and worth its own words.
    case full
    case transient

    /// What has to change before a try can succeed.
    enum Cause: Equatable, Sendable {
        /// The worker may not.
        case rights
        /// The file system below cannot do it, or not at this size.
        case fileSystem
        /// The file system below is damaged.
        case damagedFileSystem
        /// Something else is in that place, or a path does not lead where it should.
        case place
        /// The disk is not what it is said to be, or its content is damaged.
        case disk
        /// The disk needs something that Goldsmith does not give.
        case feature
        /// Another program has the disk open for writing.
        case inUse
    }

    // MARK: Files

    init(errno code: CInt) {
        switch code {
        case EACCES, EPERM, EROFS: self = .permanent(.rights)
        case EFBIG, ENOSYS, EOPNOTSUPP, EXDEV, EMLINK, EOVERFLOW, EINVAL, ENOTTY, ESPIPE, ENODEV, ENXIO:
            self = .permanent(.fileSystem)
        case EUCLEAN, EILSEQ: self = .permanent(.damagedFileSystem)
        case ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EEXIST, ENOTEMPTY, ENOTBLK: self = .permanent(.place)
        case ENOSPC, EDQUOT: self = .full
        // A mount that comes back, a machine that has too much to do, storage behind a network.
        case EIO, ENOENT, EAGAIN, EINTR, EBUSY, ETXTBSY, ENOMEM, EMFILE, ENFILE, ENOLCK, EDEADLK, ESTALE, ETIMEDOUT,
            EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ECONNREFUSED, ECONNRESET, ECONNABORTED, ENOTCONN, EPIPE,
            EREMOTEIO, ESHUTDOWN, ECOMM, ENOMEDIUM, EPROTO:
            self = .transient
        default: self = .transient
        }
    }

    // MARK: qemu-img

    /// - Parameter said: what `qemu-img` wrote when it ended with an error.
    init(qemuImg said: String) {
        let ending = Self.errnos.first { said.hasSuffix($0.text) }.map { Outlook(errno: $0.code) }
        // A table that cannot be read because storage is away says so at its end.
        if ending == .transient || ending == .full {
            self = ending ?? .transient
        } else {
            self = Self.sentences.first { said.contains($0.sentence) }?.outlook ?? ending ?? .transient
        }
    }

    /// QEMU's own sentences, of 7.2 to 10. The first that is found counts.
    private static let sentences: [(sentence: String, outlook: Outlook)] = [
        ("No space left on device", .full), ("Disk quota exceeded", .full),
        // Locks: `Failed to get "write" lock`, `Failed to get shared "write" lock`.
        ("\"write\" lock", .permanent(.inUse)), ("\"consistent read\" lock", .permanent(.inUse)),
        ("\"resize\" lock", .permanent(.inUse)),
        // What is no qcow2 file, or one that is damaged where it begins.
        ("Image is not in qcow2 format", .permanent(.disk)), ("qcow2 header", .permanent(.disk)),
        ("Image is corrupt", .permanent(.disk)), ("Marking image as corrupt", .permanent(.disk)),
        ("Header extension too large", .permanent(.disk)), ("Invalid backing file offset", .permanent(.disk)),
        ("Backing file name too long", .permanent(.disk)),
        ("Image does not contain a reference count table", .permanent(.disk)),
        ("Reference count table", .permanent(.disk)), ("Reference count entry width too large", .permanent(.disk)),
        ("Active L1 table", .permanent(.disk)), ("L1 table is too small", .permanent(.disk)),
        ("Could not read L1 table", .permanent(.disk)), ("L1 size too big", .permanent(.disk)),
        ("Snapshot table", .permanent(.disk)), ("snapshot table", .permanent(.disk)),
        ("Too many snapshots", .permanent(.disk)),
        ("Bitmaps extension", .permanent(.disk)), ("bitmap directory", .permanent(.disk)),
        ("Unsupported cluster size", .permanent(.disk)), ("Image is too big", .permanent(.disk)),
        ("Preallocated cluster is not properly aligned", .permanent(.disk)), ("L2 entry corrupted", .permanent(.disk)),
        ("Could not determine image format", .permanent(.disk)), ("cluster offset", .permanent(.disk)),
        // What is sound, and made in a way that is not taken here.
        ("Unsupported qcow2 version", .permanent(.feature)), ("Unsupported qcow2 feature", .permanent(.feature)),
        ("Unsupported encryption method", .permanent(.feature)), ("compression type", .permanent(.feature)),
        ("Parameter 'encrypt.key-secret' is required", .permanent(.feature)),
        ("'data-file' is required for this image", .permanent(.feature)),
    ]

    /// Each error number in the system's words, as programs put them at the end of their own.
    private static let errnos: [(text: String, code: CInt)] = (1...133).map { (String(cString: strerror($0)), $0) }
        .filter { !$0.text.hasPrefix("Unknown error") }
}
