import Crypto
import ImageDrivers
import OpenStackClient
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

    /// Whether they are those of an image. What Glance hashes by another algorithm is left to it.
    func agree(with image: CloudImage) -> Bool { Self.agree(sha256, sha512, with: image) }

    static func agree(_ sha256: String, _ sha512: String, with image: CloudImage) -> Bool {
        switch image.hashAlgorithm {
        case "sha256": image.hashValue == sha256
        case "sha512": image.hashValue == sha512
        default: true
        }
    }
}
