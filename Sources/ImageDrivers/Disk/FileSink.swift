import Glibc
package import ImageCore
import Synchronization

/// A file that is written as its bytes come from elsewhere. Pieces of zeros stay holes.
package final class FileSink: Sendable {
    private let path: String
    private let file: OpenFile
    private let subject: FailureSubject
    private let end = Atomic<Int64>(0)

    /// Replaces what is there.
    package init(_ path: String, _ subject: FailureSubject) throws(StepFailure) {
        (self.path, self.subject) = (path, subject)
        do throws(FileFailure) {
            file = try OpenFile(path, flags: O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
        } catch {
            throw .file(error, at: subject)
        }
    }

    /// One piece after the other, from the first byte on.
    package func write(_ bytes: [UInt8], at offset: Int64) async throws(StepFailure) {
        try await OwnThread.run { [self] _ in
            do throws(FileFailure) {
                end.store(offset + Int64(bytes.count), ordering: .relaxed)
                if !bytes.withUnsafeBytes(DiskOutline.isZero) { try file.write(bytes[...], at: offset) }
                return .success(())
            } catch {
                return .failure(.file(error, at: subject))
            }
        }
    }

    /// - Returns: the sum of what can be read back.
    package func finish() async throws(StepFailure) -> FileSum {
        try await OwnThread.run { [self] flag in
            do throws(CopyStop) {
                do throws(FileFailure) {
                    // A last hole was not written.
                    try file.setSize(end.load(ordering: .relaxed))
                    try file.sync()
                } catch {
                    throw .file(error)
                }
                return .success(try VerifiedCopy(flag: flag) { _ in }.sum(of: path))
            } catch {
                return .failure(.copy(error, at: subject))
            }
        }
    }
}
