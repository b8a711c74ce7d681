package import ImageCore
import Synchronization

/// Turns what threads and child processes say into progress that only ever grows and comes a few times a second.
package final class ProgressGauge: Sendable {
    private struct State {
        var doneBytes: Int64 = 0
        var reportedAt: ContinuousClock.Instant?
    }
    private let state = Mutex(State())
    private let totalBytes: Int64
    private let report: @Sendable (CopyProgress) -> Void

    package init(totalBytes: Int64, _ report: @escaping @Sendable (CopyProgress) -> Void) {
        self.totalBytes = max(0, totalBytes)
        self.report = report
    }

    package func add(_ bytes: Int64) { advance { $0 + bytes } }

    package func reach(_ bytes: Int64) { advance { max($0, bytes) } }

    package func finish() {
        state.withLock { state in
            state.doneBytes = totalBytes
            report(CopyProgress(doneBytes: totalBytes, totalBytes: totalBytes))
        }
    }

    /// The report is made under the lock: reports from two threads must not overtake each other.
    private func advance(_ change: (Int64) -> Int64) {
        state.withLock { state in
            state.doneBytes = min(totalBytes, max(state.doneBytes, change(state.doneBytes)))
            let now = ContinuousClock.now
            if let last = state.reportedAt, now - last < .milliseconds(100) { return }
            state.reportedAt = now
            report(CopyProgress(doneBytes: state.doneBytes, totalBytes: totalBytes))
        }
    }
}
