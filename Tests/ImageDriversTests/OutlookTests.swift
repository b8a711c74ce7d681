import Glibc
import Testing

@testable import ImageDrivers

@Suite("Which failures another try can change")
struct OutlookTests {
    @Test(
        "a file's failure lasts when somebody has to change something, and passes when time may",
        arguments: [
            (EACCES, .lasting(.rights)), (EPERM, .lasting(.rights)), (EROFS, .lasting(.rights)),
            (EFBIG, .lasting(.fileSystem)), (EXDEV, .lasting(.fileSystem)), (EOPNOTSUPP, .lasting(.fileSystem)),
            (ENOSYS, .lasting(.fileSystem)), (EINVAL, .lasting(.fileSystem)), (EUCLEAN, .lasting(.damagedFileSystem)),
            (ENOTDIR, .lasting(.place)), (EISDIR, .lasting(.place)), (ENAMETOOLONG, .lasting(.place)),
            (ELOOP, .lasting(.place)), (ENOTEMPTY, .lasting(.place)),
            (ENOSPC, .full), (EDQUOT, .full),
            (EIO, .passing), (ESTALE, .passing), (ENOENT, .passing), (EMFILE, .passing), (ENFILE, .passing),
            (ENOMEM, .passing), (EBUSY, .passing), (ETIMEDOUT, .passing), (EHOSTDOWN, .passing), (EINTR, .passing),
            (EAGAIN, .passing), (ENOLCK, .passing), (ETXTBSY, .passing), (12345, .passing),
        ] as [(CInt, Outlook)]
    )
    func files(code: CInt, outlook: Outlook) { #expect(Outlook(errno: code) == outlook) }

    @Test(
        "what qemu-img says is judged by its sentence, and by the system's words at its end",
        arguments: [
            ("qemu-img: Could not open 'x': Image is not in qcow2 format", .lasting(.disk)),
            ("qemu-img: Could not open 'x': Could not read L1 table: Invalid argument", .lasting(.disk)),
            ("qemu-img: Could not open 'x': Could not read L1 table: Input/output error", .passing),
            ("qemu-img: Could not open 'x': Could not read qcow2 header: Stale file handle", .passing),
            ("qemu-img: Could not open 'x': Active L1 table too large", .lasting(.disk)),
            ("qemu-img: Could not open 'x': qcow2 header exceeds cluster size", .lasting(.disk)),
            ("qemu-img: Could not open 'x': Unsupported qcow2 version 7", .lasting(.feature)),
            (
                "qemu-img: Could not open 'x': Unsupported qcow2 feature(s): Unknown incompatible feature: 8000",
                .lasting(.feature)
            ),
            ("qemu-img: Could not open 'x': Failed to get shared \"write\" lock", .lasting(.inUse)),
            ("qemu-img: Could not open 'x': Permission denied", .lasting(.rights)),
            ("qemu-img: Could not open 'x': No such file or directory", .passing),
            ("qemu-img: Could not open 'x': Too many open files", .passing),
            ("qemu-img: error while reading at byte 0: Input/output error", .passing),
            ("qemu-img: error while writing at byte 9: No space left on device", .full),
            ("qemu-img: error while writing at byte 9: Disk quota exceeded", .full),
            ("qemu-img: error while writing at byte 9: File too large", .lasting(.fileSystem)),
            ("qemu-img: Could not create 'x': Read-only file system", .lasting(.rights)),
            ("qemu-img: something that nobody has met", .passing), ("", .passing),
        ] as [(String, Outlook)]
    )
    func said(text: String, outlook: Outlook) { #expect(Outlook(qemuImg: text) == outlook) }
}
