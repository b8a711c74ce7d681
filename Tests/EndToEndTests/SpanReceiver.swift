import FoundationEssentials
import Hummingbird
import Logging
import Synchronization

@testable import PrivateServers

/// A collector of traces in miniature: takes spans by OTLP over HTTP and keeps them.
final class SpanReceiver: Sendable {
    struct Span: Decodable, Sendable {
        struct Attribute: Decodable, Sendable {
            struct Value: Decodable, Sendable {
                var stringValue: String?
                var intValue: String?
            }
            var key: String
            var value: Value
        }
        var traceId: String
        var spanId: String
        var traceState: String?
        var parentSpanId: String?
        var name: String
        var attributes: [Attribute]

        subscript(_ key: String) -> String? {
            attributes.first { $0.key == key }.flatMap { $0.value.stringValue ?? $0.value.intValue }
        }
    }
    private struct Message: Decodable {
        struct ResourceSpans: Decodable {
            struct ScopeSpans: Decodable { var spans: [Span] }
            var scopeSpans: [ScopeSpans]
        }
        var resourceSpans: [ResourceSpans]
    }

    private struct State {
        var spans: [Span] = []
        var authorizations: Set<String> = []
        var refusals = 0
    }
    private let state = Mutex(State())
    let port: Int

    private init(refusing count: Int) throws {
        port = try Loopback.freePorts(1)[0]
        state.withLock { $0.refusals = count }
    }

    var spans: [Span] { state.withLock { $0.spans } }
    /// The header `Authorization` of what came.
    var authorizations: Set<String> { state.withLock { $0.authorizations } }

    private func take(_ body: [UInt8], _ request: Request) throws -> HTTPResponse.Status {
        let message = try JSONDecoder().decode(Message.self, from: Data(body))
        return state.withLock { state in
            guard state.refusals == 0 else {
                state.refusals -= 1
                return .serviceUnavailable
            }
            state.spans += message.resourceSpans.flatMap(\.scopeSpans).flatMap(\.spans)
            state.authorizations.insert(request.headers[.authorization] ?? "")
            return .ok
        }
    }

    /// - Parameter refusing: how many messages are answered with 503 first.
    static func with(refusing count: Int = 0, _ body: @Sendable (SpanReceiver) async throws -> Void) async throws {
        let receiver = try SpanReceiver(refusing: count)
        let router = Router()
        router.post("v1/traces") { request, _ in
            let bytes = [UInt8](buffer: try await request.body.collect(upTo: 8 << 20))
            return try receiver.take(bytes, request)
        }
        let server = Application(
            router: router,
            configuration: .init(address: .hostname("127.0.0.1", port: receiver.port)),
            logger: Logger(label: "receiver") { _ in SwiftLogNoOpLogHandler() }
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            try await body(receiver)
            group.cancelAll()
        }
    }
}
