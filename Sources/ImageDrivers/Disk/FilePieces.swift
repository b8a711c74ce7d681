import Glibc
import ImageCore
import Synchronization

/// A file's bytes in pieces, for what is sent elsewhere. It is read as fast as it is taken.
final class FilePieces: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    let sizeBytes: Int64
    private let file: OpenFile
    private let subject: FailureSubject
    private let stop = Mutex<StepFailure?>(nil)

    /// Why reading stopped before the end. Who takes the pieces may not pass that on.
    var failure: StepFailure? { stop.withLock { $0 } }

    init(_ path: String, _ subject: FailureSubject) throws(FileFailure) {
        let opened = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW)
        sizeBytes = try opened.size()
        file = opened
        self.subject = subject
    }

    struct Iterator: AsyncIteratorProtocol {
        let pieces: FilePieces
        var offset: Int64 = 0

        mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> [UInt8]? {
            let piece = try await pieces.piece(at: offset)
            offset += Int64(piece.count)
            return piece.isEmpty ? nil : piece
        }

        mutating func next() async throws(any Error) -> [UInt8]? { try await next(isolation: #isolation) }
    }

    func makeAsyncIterator() -> Iterator { Iterator(pieces: self) }

    private func piece(at offset: Int64) async throws(StepFailure) -> [UInt8] {
        do throws(StepFailure) {
            return try await OwnThread.run { [self] _ in
                do throws(FileFailure) {
                    var buffer = [UInt8](repeating: 0, count: VerifiedCopy.chunkBytes)
                    let read = buffer.withUnsafeMutableBytes { room -> Result<Int, FileFailure> in
                        do throws(FileFailure) { return .success(try file.read(into: room, at: offset)) } catch {
                            return .failure(error)
                        }
                    }
                    return .success(Array(buffer.prefix(try read.get())))
                } catch {
                    return .failure(.file(error, at: subject))
                }
            }
        } catch {
            stop.withLock { $0 = error }
            throw error
        }
    }
}
