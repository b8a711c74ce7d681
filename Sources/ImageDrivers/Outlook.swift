import Glibc

/// Whether another try can change a failure: the one table for files and for what `qemu-img` says.
///
/// Decided case by case. A lasting failure ends the work at once, since each further try would cost a whole new copy and
/// end alike. What is not in the table counts as passing: its tries are few.
enum Outlook: Equatable, Sendable {
    case lasting(Cause)
    /// There is no room: passing, and worth its own words.
    case full
    case passing

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
        case EACCES, EPERM, EROFS: self = .lasting(.rights)
        case EFBIG, ENOSYS, EOPNOTSUPP, EXDEV, EMLINK, EOVERFLOW, EINVAL, ENOTTY, ESPIPE, ENODEV, ENXIO:
            self = .lasting(.fileSystem)
        case EUCLEAN, EILSEQ: self = .lasting(.damagedFileSystem)
        case ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EEXIST, ENOTEMPTY, ENOTBLK: self = .lasting(.place)
        case ENOSPC, EDQUOT: self = .full
        // A mount that comes back, a machine that has too much to do, storage behind a network.
        case EIO, ENOENT, EAGAIN, EINTR, EBUSY, ETXTBSY, ENOMEM, EMFILE, ENFILE, ENOLCK, EDEADLK, ESTALE, ETIMEDOUT,
            EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ECONNREFUSED, ECONNRESET, ECONNABORTED, ENOTCONN, EPIPE,
            EREMOTEIO, ESHUTDOWN, ECOMM, ENOMEDIUM, EPROTO:
            self = .passing
        default: self = .passing
        }
    }

    // MARK: qemu-img

    /// - Parameter said: what `qemu-img` wrote when it ended with an error.
    init(qemuImg said: String) {
        let ending = Self.errnos.first { said.hasSuffix($0.text) }.map { Outlook(errno: $0.code) }
        // A table that cannot be read because storage is away says so at its end.
        if ending == .passing || ending == .full {
            self = ending ?? .passing
        } else {
            self = Self.sentences.first { said.contains($0.sentence) }?.outlook ?? ending ?? .passing
        }
    }

    /// QEMU's own sentences, of 7.2 to 10. The first that is found counts.
    private static let sentences: [(sentence: String, outlook: Outlook)] = [
        ("No space left on device", .full), ("Disk quota exceeded", .full),
        // Locks: `Failed to get "write" lock`, `Failed to get shared "write" lock`.
        ("\"write\" lock", .lasting(.inUse)), ("\"consistent read\" lock", .lasting(.inUse)),
        ("\"resize\" lock", .lasting(.inUse)),
        // What is no qcow2 file, or one that is damaged where it begins.
        ("Image is not in qcow2 format", .lasting(.disk)), ("qcow2 header", .lasting(.disk)),
        ("Image is corrupt", .lasting(.disk)), ("Marking image as corrupt", .lasting(.disk)),
        ("Header extension too large", .lasting(.disk)), ("Invalid backing file offset", .lasting(.disk)),
        ("Backing file name too long", .lasting(.disk)),
        ("Image does not contain a reference count table", .lasting(.disk)),
        ("Reference count table", .lasting(.disk)), ("Reference count entry width too large", .lasting(.disk)),
        ("Active L1 table", .lasting(.disk)), ("L1 table is too small", .lasting(.disk)),
        ("Could not read L1 table", .lasting(.disk)), ("L1 size too big", .lasting(.disk)),
        ("Snapshot table", .lasting(.disk)), ("snapshot table", .lasting(.disk)),
        ("Too many snapshots", .lasting(.disk)),
        ("Bitmaps extension", .lasting(.disk)), ("bitmap directory", .lasting(.disk)),
        ("Unsupported cluster size", .lasting(.disk)), ("Image is too big", .lasting(.disk)),
        ("Preallocated cluster is not properly aligned", .lasting(.disk)), ("L2 entry corrupted", .lasting(.disk)),
        ("Could not determine image format", .lasting(.disk)), ("cluster offset", .lasting(.disk)),
        // What is sound, and made in a way that is not taken here.
        ("Unsupported qcow2 version", .lasting(.feature)), ("Unsupported qcow2 feature", .lasting(.feature)),
        ("Unsupported encryption method", .lasting(.feature)), ("compression type", .lasting(.feature)),
        ("Parameter 'encrypt.key-secret' is required", .lasting(.feature)),
        ("'data-file' is required for this image", .lasting(.feature)),
    ]

    /// Each error number in the system's words, as programs put them at the end of their own.
    private static let errnos: [(text: String, code: CInt)] = (1...133).map { (String(cString: strerror($0)), $0) }
        .filter { !$0.text.hasPrefix("Unknown error") }
}
