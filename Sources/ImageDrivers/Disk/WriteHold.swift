import Glibc
import ImageCore

/// Holds a disk's files so that no machine can be started over them, until it is released or its process ends.
///
/// Nothing else keeps a stopped instance stopped: libvirt has no such call. But QEMU does not open a disk for writing
/// when its lock bytes forbid it, so a start fails as long as this is held, and works at once when the worker has died.
final class WriteHold: Sendable {
    private final class HeldFile: Sendable {
        let file: OpenFile
        init(_ path: String) throws(FileFailure) { file = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW) }
    }
    private let files: [HeldFile]

    init(_ disk: SourceDisk, _ subject: FailureSubject) throws(StepFailure) {
        var files: [HeldFile] = []
        for path in disk.files.keys.sorted() {
            let (held, isHeld) = try filing(at: subject) { () throws(FileFailure) in
                let held = try HeldFile(path)
                return (held, try held.file.keepFromWriters())
            }
            guard isHeld else { throw .beingWritten(subject) }
            files.append(held)
        }
        self.files = files
    }

    /// Says until when it is held.
    func letGo() { withExtendedLifetime(files) {} }
}
