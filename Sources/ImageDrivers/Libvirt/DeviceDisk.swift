import Glibc
import ImageCore
import LibvirtClient

/// A block device as the source of a capture, kept from being mounted meanwhile.
final class DeviceDisk: Sendable {
    let source: SourceDisk
    private let held: Held

    private final class Held: Sendable {
        let file: OpenFile
        init(_ path: String) throws(FileFailure) {
            file = try OpenFile(path, flags: O_RDONLY | O_EXCL | O_NOFOLLOW)
        }
    }

    /// - Throws: when there is no such device, or this host itself uses it: a file system on it is mounted, or it is part of
    ///   a volume group or an array.
    init(_ path: String, _ subject: FailureSubject) throws(StepFailure) {
        let found = try filing(at: subject) { () throws(FileFailure) in try FileCalls.status(path) }
        guard var status = found, status.kind == .device else {
            throw .notCapturable(subject, "is described as a block device, and there is none")
        }
        let held: Held
        do throws(FileFailure) {
            held = try Held(path)
            status.size = try held.file.end()
        } catch {
            guard error.code != EBUSY else {
                throw .notCapturable(
                    subject,
                    "is in use by the host itself",
                    advice: "Unmount it there, or take it out of its volume group or array."
                )
            }
            throw .file(error, at: subject)
        }
        self.held = held
        // Which parts hold data is not known.
        status.allocatedBytes = status.size
        source = SourceDisk(
            files: [path: status],
            node: .device(path: path),
            virtualSizeBytes: status.size,
            layers: []
        )
    }

    /// Says until when it is kept.
    func letGo() { withExtendedLifetime(held) {} }
}

extension DomainDisk {
    var isBlockDevice: Bool { if case .block = source { true } else { false } }
}
