import ImageCore
import Synchronization

/// The last progress a driver reported, from any of its threads.
final class LatestProgress: Sendable {
    private let latest = Mutex<CopyProgress?>(nil)
    private let moved: @Sendable (Int64) -> Void

    /// - Parameter moved: gets the bytes done since the last call.
    init(moved: @escaping @Sendable (Int64) -> Void) { self.moved = moved }

    var value: CopyProgress? { latest.withLock { $0 } }
    func set(_ progress: CopyProgress) {
        let before = latest.withLock { latest in
            defer { latest = progress }
            return latest?.doneBytes ?? 0
        }
        moved(progress.doneBytes - before)
    }
}

/// Tells the world how far a job is: one event at a time, and what comes while the broker is busy is dropped.
final class ProgressAnnouncer: Sendable {
    private let publisher: any MessagePublisher
    private let isBusy = Atomic(false)
    private let last = Mutex<CopyProgress?>(nil)

    init(publisher: any MessagePublisher) { self.publisher = publisher }

    func offer(_ event: CloudEvent, _ trace: TraceContext?) {
        let isNews = last.withLock { last in
            defer { last = event.data.progress }
            return last != event.data.progress
        }
        guard isNews, !isBusy.exchange(true, ordering: .acquiring) else { return }
        // Unstructured on purpose: lease renewal must not wait for a broker.
        Task {
            var message = event.outgoing()
            message.trace = trace
            _ = await publisher.publish([message])
            isBusy.store(false, ordering: .releasing)
        }
    }
}
