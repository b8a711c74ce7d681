import ImageCore
import Synchronization

/// Notifies open pages that their content has changed. A page is read once per interval, independent of its number of
/// viewers, and not at all without one.
final class PageChangeNotifier: Sendable {
    private struct Subscription {
        var viewers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var task: Task<Void, Never>?
    }

    private struct State {
        var subscriptions: [Route: Subscription] = [:]
        var next: UInt64 = 0
    }

    private let every: Duration
    private let limit: Int
    private let time: any Timekeeper
    /// A page's content, as a value that differs when it does; `nil` when it is unknown now.
    private let fingerprint: @Sendable (Route) async -> String?
    private let state = Mutex(State())

    init(
        every: Duration,
        limit: Int,
        time: any Timekeeper,
        fingerprint: @escaping @Sendable (Route) async -> String?
    ) {
        self.every = every
        self.limit = limit
        self.time = time
        self.fingerprint = fingerprint
    }

    /// A notice for each change of the page, until the stream is released. `nil` when too many viewers look already.
    func changes(of page: Route) -> AsyncStream<Void>? {
        state.withLock { state in
            guard state.subscriptions.values.reduce(0, { $0 + $1.viewers.count }) < limit else { return nil }
            state.next += 1
            let viewer = state.next
            // A slow viewer needs to know that there was a change, not how many.
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            continuation.onTermination = { [weak self] _ in self?.leave(page, viewer) }
            state.subscriptions[page, default: Subscription()].viewers[viewer] = continuation
            if state.subscriptions[page]?.task == nil {
                state.subscriptions[page]?.task = Task { [weak self] in await self?.poll(page) }
            }
            return stream
        }
    }

    var viewerCount: Int { state.withLock { $0.subscriptions.values.reduce(0) { $0 + $1.viewers.count } } }

    private func leave(_ page: Route, _ viewer: UInt64) {
        let task: Task<Void, Never>? = state.withLock { state in
            state.subscriptions[page]?.viewers[viewer] = nil
            guard state.subscriptions[page]?.viewers.isEmpty == true else { return nil }
            return state.subscriptions.removeValue(forKey: page)?.task
        }
        task?.cancel()
    }

    private func poll(_ page: Route) async {
        var last = await fingerprint(page)
        while !Task.isCancelled {
            guard (try? await time.sleep(for: every)) != nil else { return }
            let current = await fingerprint(page)
            guard let current, current != last else { continue }
            last = current
            let viewers = state.withLock { $0.subscriptions[page].map { Array($0.viewers.values) } ?? [] }
            for viewer in viewers { viewer.yield() }
        }
    }
}
