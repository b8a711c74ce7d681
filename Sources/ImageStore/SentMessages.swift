import ImageCore
import Synchronization

/// Gathers the keys of sent messages while others are being deleted from the outbox, so that one transaction deletes
/// those of many. A lone caller does not wait; each returns when its own are deleted.
final class SentMessages: Sendable {
    private struct Caller: Sendable {
        var keys: [String]
        var continuation: CheckedContinuation<Turn, Never>
    }

    private enum Turn: Sendable {
        /// Somebody has deleted them, or has failed to.
        case done(StoreError?)
        /// The one before is done: this caller deletes its own, and those of all who wait behind it.
        case lead
    }

    private struct State {
        var isLed = false
        var waiting: [Caller] = []
    }

    private let state = Mutex(State())

    /// - Parameter delete: deletes keys, in one transaction.
    func add(
        _ keys: [String],
        _ delete: ([String]) async throws(StoreError) -> Void
    ) async throws(StoreError) {
        switch await turn(keys) {
        case .done(let failure):
            if let failure { throw failure }
        case .lead:
            let others = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            var failure: StoreError?
            do throws(StoreError) {
                try await delete(keys + others.flatMap(\.keys))
            } catch {
                failure = error
            }
            for other in others { other.continuation.resume(returning: .done(failure)) }
            passOn()
            if let failure { throw failure }
        }
    }

    private func turn(_ keys: [String]) async -> Turn {
        await withCheckedContinuation { continuation in
            let leads = state.withLock { state in
                if state.isLed { state.waiting.append(Caller(keys: keys, continuation: continuation)) }
                defer { state.isLed = true }
                return !state.isLed
            }
            if leads { continuation.resume(returning: .lead) }
        }
    }

    private func passOn() {
        let next = state.withLock { state in
            let next = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
            state.isLed = next != nil
            return next
        }
        next?.continuation.resume(returning: .lead)
    }
}
