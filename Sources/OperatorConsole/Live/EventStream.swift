import HTTPTypes
import Hummingbird
import ImageCore
import ServiceLifecycle

/// Server-sent events: a notice for each change, and a sign of life between them.
struct EventStream: Sendable {
    /// Often enough to find out that a viewer has gone, and that proxies keep the connection.
    static let heartbeat = Duration.seconds(15)

    let changes: AsyncStream<Void>
    let time: any Timekeeper
    /// Whether the viewer may still look.
    let isWelcome: @Sendable () -> Bool

    private enum Turn { case changed, quiet, over }

    func response(to request: Request) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
                let (ends, end) = AsyncStream.makeStream(of: Void.self)
                try await request.body.consumeWithInboundCloseHandler { _ in
                    for await turn in turns(until: ends) {
                        guard turn != .over, isWelcome() else { break }
                        try await writer.write(
                            ByteBuffer(string: turn == .changed ? "event: changed\ndata: 1\n\n" : ": quiet\n\n")
                        )
                    }
                } onInboundClosed: {
                    end.finish()
                }
                try await writer.finish(nil)
            }
        )
    }

    /// Changes and heartbeats, until the viewer has gone or the console stops.
    private func turns(until ends: AsyncStream<Void>) -> AsyncStream<Turn> {
        AsyncStream { continuation in
            let task = Task {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { for await _ in changes { continuation.yield(.changed) } }
                    group.addTask {
                        while (try? await time.sleep(for: Self.heartbeat)) != nil { continuation.yield(.quiet) }
                    }
                    group.addTask { for await _ in ends {} }
                    group.addTask { try? await gracefulShutdown() }
                    await group.next()
                    continuation.yield(.over)
                    continuation.finish()
                    group.cancelAll()
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
