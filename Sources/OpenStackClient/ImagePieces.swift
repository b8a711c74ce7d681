import AsyncHTTPClient
import NIOCore
import Synchronization

/// An image's content in pieces of some KiB. It is fetched once, from the first piece on and as fast as they are taken;
/// 60 seconds without a byte end it.
public final class ImagePieces: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    private let cloud: OpenStackCloud
    private let image: String
    private let stop = Mutex<OpenStackError?>(nil)

    public init(_ image: String, in cloud: OpenStackCloud) { (self.image, self.cloud) = (image, cloud) }

    /// Why fetching stopped before the end. Who takes the pieces may not pass that on.
    public var failure: OpenStackError? { stop.withLock { $0 } }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let pieces: ImagePieces
        private var body: HTTPClientResponse.Body.AsyncIterator?

        fileprivate init(_ pieces: ImagePieces) { self.pieces = pieces }

        public mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> [UInt8]? {
            do {
                if body == nil { body = try await pieces.cloud.open(pieces.image).body.makeAsyncIterator() }
                return try await body?.next(isolation: actor).map { Array($0.readableBytesView) }
            } catch {
                let failure = OpenStackError(transport: error)
                pieces.stop.withLock { $0 = failure }
                throw failure
            }
        }

        public mutating func next() async throws(any Error) -> [UInt8]? { try await next(isolation: #isolation) }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(self) }
}
