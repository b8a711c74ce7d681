import ServiceLifecycle
import UnixSignals

/// What SIGTERM and SIGINT mean for a process that has work to finish: the first lets it finish, the second ends it
/// now.
enum StopSignals {
    private enum Ended {
        case group
        case repeated
    }

    /// Runs a group of services until it ends.
    /// - Parameter hurry: called at the second signal, for what does not end by a cancellation.
    static func run(_ group: ServiceGroup, hurry: @escaping @Sendable () -> Void = {}) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        try await withThrowingTaskGroup(of: Ended.self) { tasks in
            tasks.addTask {
                try await group.run()
                return .group
            }
            tasks.addTask {
                var isFirst = true
                for await _ in signals {
                    guard isFirst else { return .repeated }
                    isFirst = false
                    await group.triggerGracefulShutdown()
                }
                return .group
            }
            let first = try await tasks.next()
            tasks.cancelAll()
            guard first == .repeated else { return }
            hurry()
            do {
                while try await tasks.next() != nil {}
            } catch is CancellationError {
                // Stopped by the signal, as requested.
            }
        }
    }
}
