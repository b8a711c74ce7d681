import Glibc
import Testing

@testable import ImageDrivers

@Suite("Which failures another try can change")
struct OutlookTests {
    @Test(
        "a file's failure lasts when somebody has to change something, and passes when time may",
        arguments: [
            (EACCES, .permanent(.rights)), (EPERM, .permanent(.rights)), (EROFS, .permanent(.rights)),
            (EFBIG, .permanent(.fileSystem)), (EXDEV, .permanent(.fileSystem)), (EOPNOTSUPP, .permanent(.fileSystem)),
            (ENOSYS, .permanent(.fileSystem)), (EINVAL, .permanent(.fileSystem)),
            (EUCLEAN, .permanent(.damagedFileSystem)),
            (ENOTDIR, .permanent(.place)), (EISDIR, .permanent(.place)), (ENAMETOOLONG, .permanent(.place)),
            (ELOOP, .permanent(.place)), (ENOTEMPTY, .permanent(.place)),
            (ENOSPC, .full), (EDQUOT, .full),
            (EIO, .transient), (ESTALE, .transient), (ENOENT, .transient), (EMFILE, .transient), (ENFILE, .transient),
            (ENOMEM, .transient), (EBUSY, .transient), (ETIMEDOUT, .transient), (EHOSTDOWN, .transient),
            (EINTR, .transient),
            (EAGAIN, .transient), (ENOLCK, .transient), (ETXTBSY, .transient), (12345, .transient),
        ] as [(CInt, Outlook)]
    )
    func files(code: CInt, outlook: Outlook) { #expect(Outlook(errno: code) == outlook) }

    @Test(
        "what qemu-img says is judged by its sentence, and by the system's words at its end",
        arguments: [
            ("qemu-img: Could not open 'x': Image is not in qcow2 format", .permanent(.disk)),
            ("qemu-img: Could not open 'x': Could not read L1 table: Invalid argument", .permanent(.disk)),
            ("qemu-img: Could not open 'x': Could not read L1 table: Input/output error", .transient),
            ("qemu-img: Could not open 'x': Could not read qcow2 header: Stale file handle", .transient),
            ("qemu-img: Could not open 'x': Active L1 table too large", .permanent(.disk)),
            ("qemu-img: Could not open 'x': qcow2 header exceeds cluster size", .permanent(.disk)),
            ("qemu-img: Could not open 'x': Unsupported qcow2 version 7", .permanent(.feature)),
            (
                "qemu-img: Could not open 'x': Unsupported qcow2 feature(s): Unknown incompatible feature: 8000",
                .permanent(.feature)
            ),
            ("qemu-img: Could not open 'x': Failed to get shared \"write\" lock", .permanent(.inUse)),
            ("qemu-img: Could not open 'x': Permission denied", .permanent(.rights)),
            ("qemu-img: Could not open 'x': No such file or directory", .transient),
            ("qemu-img: Could not open 'x': Too many open files", .transient),
            ("qemu-img: error while reading at byte 0: Input/output error", .transient),
            ("qemu-img: error while writing at byte 9: No space left on device", .full),
            ("qemu-img: error while writing at byte 9: Disk quota exceeded", .full),
            ("qemu-img: error while writing at byte 9: File too large", .permanent(.fileSystem)),
            ("qemu-img: Could not create 'x': Read-only file system", .permanent(.rights)),
            ("qemu-img: something that nobody has met", .transient), ("", .transient),
        ] as [(String, Outlook)]
    )
    func said(text: String, outlook: Outlook) { #expect(Outlook(qemuImg: text) == outlook) }
}
