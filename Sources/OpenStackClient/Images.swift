import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
import Synchronization

/// What Glance keeps. Its content may be a disk, or nothing but a list of snapshots in its properties.
public struct CloudImage: Decodable, Sendable {
    public var id: String
    public var name: String?
    /// For example `active`.
    public var status: String
    public var owner: String?
    /// In bytes; `nil` while it has no content.
    public var size: Int64?
    public var diskFormat: String?
    /// In GiB, of the disk that it needs.
    public var minDisk: Int
    public var hashAlgorithm: String?
    public var hashValue: String?
    public var isProtected: Bool
    /// Where its content is; empty where Glance has one store alone.
    public var stores: [String] { properties["stores"]?.split(separator: ",").map(String.init) ?? [] }
    /// All members that are texts, Glance's own included.
    public var properties: [String: String]

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        properties = container.allKeys.reduce(into: [:]) { found, key in
            if let text = try? container.decode(String.self, forKey: key) { found[key.stringValue] = text }
        }
        let text = { [properties] (name: String) in properties[name] }
        let size = try? container.decodeIfPresent(Int64.self, forKey: Key(stringValue: "size"))
        let minDisk = try? container.decodeIfPresent(Int.self, forKey: Key(stringValue: "min_disk"))
        let isProtected = try? container.decodeIfPresent(Bool.self, forKey: Key(stringValue: "protected"))
        guard let id = text("id"), let status = text("status") else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "an image without id or status")
            )
        }
        (self.id, self.status, name, owner) = (id, status, text("name"), text("owner"))
        (diskFormat, hashAlgorithm, hashValue) = (text("disk_format"), text("os_hash_algo"), text("os_hash_value"))
        (self.size, self.minDisk, self.isProtected) = (
            size ?? nil, (minDisk ?? nil) ?? 0, (isProtected ?? nil) ?? false
        )
    }
}

extension OpenStackCloud {
    public func image(_ id: String) async throws(OpenStackError) -> CloudImage {
        try await send(CloudRequest(.get, .images, "/images/" + id)).json(CloudImage.self)
    }

    /// The project's own images that have all of `properties`. Another project could share one with the same ones.
    public func images(with properties: [String: String]) async throws(OpenStackError) -> [CloudImage] {
        struct Answer: Decodable {
            var images: [CloudImage]
            /// Absent on the last page.
            var next: String?
        }
        let project = try await projectID()
        let wanted = properties.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } + [("owner", project)]
        let found = try await everything(id: \CloudImage.id) { page async throws(OpenStackError) in
            let request = CloudRequest(.get, .images, "/images", query: wanted + page)
            let answer = try await send(request).json(Answer.self)
            return (answer.images, answer.next != nil)
        }
        return found.filter { image in
            image.owner == project && properties.allSatisfy { image.properties[$0.key] == $0.value }
        }
    }

    /// - Throws: `conflict` when there is one of that id.
    @discardableResult
    public func createImage(_ image: JSONPart) async throws(OpenStackError) -> CloudImage {
        try await send(CloudRequest(.post, .images, "/images", body: try JSONText.encode(image))).json(CloudImage.self)
    }

    /// Adds or replaces properties, as often as it takes: a second time changes nothing.
    public func setProperties(_ properties: [String: String], ofImage id: String) async throws(OpenStackError) {
        try await repeating { () async throws(OpenStackError) in try await setOnce(properties, ofImage: id) }
    }

    private func setOnce(_ properties: [String: String], ofImage id: String) async throws(OpenStackError) {
        // Glance refuses to add what is there.
        let present = try await image(id).properties
        let changes = properties.sorted { $0.key < $1.key }.map { name, value -> JSONPart in
            ["op": present[name] == nil ? "add" : "replace", "path": .text("/" + name), "value": .text(value)]
        }
        let request = CloudRequest(
            .patch,
            .images,
            "/images/" + id,
            body: try JSONText.encode(JSONPart.list(changes)),
            contentType: "application/openstack-images-v2.1-json-patch"
        )
        _ = try await send(request)
    }

    public func deleteImage(_ id: String) async throws(OpenStackError) {
        _ = try await send(CloudRequest(.delete, .images, "/images/" + id))
    }

    /// Makes a queued image active with nothing in it.
    public func uploadNothing(to image: String) async throws(OpenStackError) {
        let request = CloudRequest(
            .put,
            .images,
            "/images/\(image)/file",
            body: [],
            contentType: "application/octet-stream"
        )
        _ = try await send(request)
    }

    // MARK: Content

    /// The stores that content can be sent to; `nil`: Glance has one alone.
    public func imageStores() async throws(OpenStackError) -> [String]? {
        struct Answer: Decodable {
            var stores: [Store]
            struct Store: Decodable { var id: String }
        }
        do throws(OpenStackError) {
            return try await send(CloudRequest(.get, .images, "/info/stores")).json(Answer.self).stores.map(\.id)
        } catch  where error.kind == .notFound {
            return nil
        }
    }

    /// The content as a stream, in pieces of some KiB. Its time is not bounded as a whole; 60 seconds without a byte
    /// end it.
    public func download(_ image: String, each: (UnsafeRawBufferPointer) throws -> Void) async throws(OpenStackError) {
        let response = try await open(image)
        do {
            for try await buffer in response.body { try buffer.withUnsafeReadableBytes(each) }
        } catch {
            throw OpenStackError(transport: error)
        }
    }

    /// Copies one image's content into another, which is queued, by way of this machine.
    /// - Parameters:
    ///   - each: gets every piece before it is sent.
    ///   - isWanted: asked when all was read, and before the end is sent. Otherwise the target gets no content.
    /// - Throws: `contentRefused` when it is not wanted.
    public func copyContent(
        from source: String,
        to target: String,
        bytes: Int64,
        each: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        isWanted: @escaping @Sendable () -> Bool
    ) async throws(OpenStackError) {
        let response = try await open(source)
        try await put(response.body, to: target, bytes: bytes, each: each, isWanted: isWanted)
    }

    /// Sends what this machine has into a queued image, as `copyContent` does.
    /// - Parameter store: one of `imageStores`; `nil`: Glance's default.
    public func upload<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces,
        to target: String,
        in store: String? = nil,
        bytes: Int64,
        each: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        isWanted: @escaping @Sendable () -> Bool
    ) async throws(OpenStackError) where Pieces.Element == [UInt8] {
        // Renews a token that is not taken any more.
        _ = try await image(target)
        try await put(
            pieces.map { ByteBuffer(bytes: $0) },
            to: target,
            in: store,
            bytes: bytes,
            each: each,
            isWanted: isWanted
        )
    }

    private func put<Content: AsyncSequence & Sendable>(
        _ content: Content,
        to target: String,
        in store: String? = nil,
        bytes: Int64,
        each: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        isWanted: @escaping @Sendable () -> Bool
    ) async throws(OpenStackError) where Content.Element == ByteBuffer {
        let token = try await freshToken()
        var request = try prepared(.put, .images, "/images/\(target)/file", [], token)
        request.headers.add(name: "Content-Type", value: "application/octet-stream")
        if let store { request.headers.add(name: "X-Image-Meta-Store", value: store) }
        let isRefused = Atomic(false)
        let pieces = HeldBack(
            base: content,
            look: { $0.withUnsafeReadableBytes(each) },
            isWanted: {
                let wanted = isWanted()
                if !wanted { isRefused.store(true, ordering: .releasing) }
                return wanted
            }
        )
        request.body = .stream(pieces, length: .known(bytes))
        let answer: CloudAnswer
        do throws(OpenStackError) {
            answer = try await Self.perform(request, http, within: .seconds(7 * 24 * 3600))
        } catch {
            guard isRefused.load(ordering: .acquiring) else { throw error }
            throw OpenStackError(.contentRefused, "the content is not the wanted one")
        }
        guard (200..<300).contains(answer.status) else {
            throw OpenStackError(status: answer.status, body: answer.body)
        }
    }

    func open(_ image: String) async throws(OpenStackError) -> HTTPClientResponse {
        // Renews a token that is not taken any more.
        _ = try await self.image(image)
        let request = try prepared(.get, .images, "/images/\(image)/file", [], try await freshToken())
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, deadline: .distantFuture)
        } catch {
            throw OpenStackError(transport: error)
        }
        // 204: there is no content yet.
        guard response.status == .ok else { throw OpenStackError(status: Int(response.status.code), body: []) }
        return response
    }
}

/// A stream whose last piece is given away only when all of it was wanted.
struct HeldBack<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable where Base.Element == ByteBuffer {
    typealias Element = ByteBuffer

    let base: Base
    let look: @Sendable (ByteBuffer) -> Void
    let isWanted: @Sendable () -> Bool

    func makeAsyncIterator() -> Iterator {
        Iterator(base: base.makeAsyncIterator(), look: look, isWanted: isWanted)
    }

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        let look: @Sendable (ByteBuffer) -> Void
        let isWanted: @Sendable () -> Bool
        var held: ByteBuffer?

        mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> ByteBuffer? {
            while let piece = try await base.next(isolation: actor) {
                look(piece)
                guard let earlier = held else {
                    held = piece
                    continue
                }
                held = piece
                return earlier
            }
            guard let last = held else { return nil }
            guard isWanted() else {
                throw OpenStackError(.contentRefused, "the content is not the wanted one")
            }
            held = nil
            return last
        }
    }
}
