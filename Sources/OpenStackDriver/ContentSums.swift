import Crypto
import ImageDrivers
import Synchronization

/// The checksums of a content as it passes by.
final class ContentSums: Sendable {
    private let sums = Mutex((SHA256(), SHA512()))

    func add(_ piece: UnsafeRawBufferPointer) {
        sums.withLock { sums in
            sums.0.update(bufferPointer: piece)
            sums.1.update(bufferPointer: piece)
        }
    }

    var sha256: String { sums.withLock { Hexadecimal.text($0.0.finalize()) } }
    var sha512: String { sums.withLock { Hexadecimal.text($0.1.finalize()) } }
}
