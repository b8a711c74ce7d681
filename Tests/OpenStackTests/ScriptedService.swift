import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A small HTTP server on this machine that answers as a test says: Keystone, and one service beside it.
final class ScriptedService: Sendable {
    enum Answer: Sendable {
        case say(Int, String, type: String = "application/json")
        /// Reads the request and closes the connection.
        case cut
        /// Reads the request and never answers.
        case hang
    }

    struct Request: Sendable {
        var line: String
        var token: String?
        var body = ""
    }

    private let channel: any Channel
    private let script: Script

    /// - Parameter answer: to each request but those for tokens, by its number from 0.
    init(_ answer: @escaping @Sendable (Int, Request) -> Answer) async throws {
        let script = Script(answer)
        self.script = script
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        script.port.store(channel.localAddress?.port ?? 0, ordering: .releasing)
    }

    deinit { channel.close(promise: nil) }

    var address: String { "http://127.0.0.1:\(script.port.load(ordering: .acquiring))" }
    /// Without those for tokens.
    var requests: [Request] { script.seen.withLock { $0 } }
    var tokens: Int { script.tokens.withLock { $0 } }

    private final class Script: Sendable {
        let answer: @Sendable (Int, Request) -> Answer
        let seen = Mutex<[Request]>([])
        let tokens = Mutex(0)
        let port = Atomic(0)

        init(_ answer: @escaping @Sendable (Int, Request) -> Answer) { self.answer = answer }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let script: Script
        private var head: HTTPRequestHead?
        private var body = ByteBuffer()

        init(_ script: Script) { self.script = script }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): (self.head, body) = (head, ByteBuffer())
            case .body(var part): body.writeBuffer(&part)
            case .end:
                guard let head else { return }
                answer(head, context)
            }
        }

        private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
            if head.uri == "/v3/auth/tokens" {
                let number = script.tokens.withLock { count in
                    count += 1
                    return count
                }
                return write(201, Self.token(script.port.load(ordering: .acquiring)), context, token: "token-\(number)")
            }
            let request = Request(
                line: "\(head.method) \(head.uri)",
                token: head.headers.first(name: "X-Auth-Token"),
                body: String(buffer: body)
            )
            let number = script.seen.withLock { seen in
                seen.append(request)
                return seen.count - 1
            }
            switch script.answer(number, request) {
            case .say(let status, let body, let type): write(status, body, context, type: type)
            case .cut: context.close(promise: nil)
            case .hang: break
            }
        }

        private func write(
            _ status: Int,
            _ body: String,
            _ context: ChannelHandlerContext,
            type: String = "application/json",
            token: String? = nil
        ) {
            var headers = HTTPHeaders([("Content-Type", type), ("Content-Length", "\(body.utf8.count)")])
            if let token { headers.add(name: "X-Subject-Token", value: token) }
            let head = HTTPResponseHead(
                version: .http1_1,
                status: HTTPResponseStatus(statusCode: status),
                headers: headers
            )
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }

        private static func token(_ port: Int) -> String {
            let services = ["compute", "volumev3", "image"].map { type in
                """
                {"type": "\(type)", "endpoints": [
                  {"interface": "public", "region": "one", "url": "http://127.0.0.1:\(port)/\(type)"},
                  {"interface": "internal", "region": "one", "url": "http://127.0.0.1:1/\(type)"}]}
                """
            }
            return """
                {"token": {"expires_at": "2999-01-01T00:00:00.000000Z", "project": {"id": "p1"},
                 "catalog": [\(services.joined(separator: ","))]}}
                """
        }
    }
}
