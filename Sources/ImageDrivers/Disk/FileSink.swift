import Glibc
package import ImageCore

/// A file that is written as its bytes come from elsewhere.
package final class FileSink: Sendable {
    private let path: String
    private let file: OpenFile
    private let subject: FailureSubject

    /// Replaces what is there.
    package init(_ path: String, _ subject: FailureSubject) throws(StepFailure) {
        (self.path, self.subject) = (path, subject)
        do throws(FileFailure) {
            file = try OpenFile(path, flags: O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
        } catch {
            throw .file(error, at: subject)
        }
    }

    package func write(_ bytes: [UInt8], at offset: Int64) async throws(StepFailure) {
        try await OwnThread.run { [self] _ in
            do throws(FileFailure) {
                try file.write(bytes[...], at: offset)
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
                do throws(FileFailure) { try file.sync() } catch { throw .file(error) }
                return .success(try VerifiedCopy(flag: flag) { _ in }.sum(of: path))
            } catch {
                return .failure(.copy(error, at: subject))
            }
        }
    }
}
