import GoldsmithTestSupport
import Synchronization
import Testing

@testable import OpenStackClient

@Suite("Those who ask the same at the same time share an answer", .timeLimit(.minutes(1)))
struct SharedAnswersTests {
    /// Counts questions, and answers each when the test says so.
    private final class Oracle: Sendable {
        let shared = SharedAnswers<String, Int>()
        private let state = Mutex((asked: 0, open: [Int: CheckedContinuation<Void, Never>]()))

        var asked: Int { state.withLock { $0.asked } }

        func ask() async throws(OpenStackError) -> Int {
            try await shared.answer(to: "q") { () async throws(OpenStackError) in
                let number = state.withLock { state in
                    state.asked += 1
                    return state.asked
                }
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        let isCancelled = state.withLock { state in
                            if !Task.isCancelled { state.open[number] = continuation }
                            return Task.isCancelled
                        }
                        if isCancelled { continuation.resume() }
                    }
                } onCancel: {
                    answer(number)
                }
                if Task.isCancelled { throw .stopped }
                return number
            }
        }

        /// Waits until that question is open, unless it was cancelled.
        func answer(_ number: Int) {
            state.withLock { $0.open.removeValue(forKey: number) }?.resume()
        }

        func isOpen(_ number: Int) -> Bool { state.withLock { $0.open[number] != nil } }
    }

    private let oracle = Oracle()

    private func opens(_ number: Int) async throws {
        try #require(await eventually(within: .seconds(20)) { oracle.isOpen(number) })
    }

    private func waits(_ count: Int) async throws {
        try #require(await eventually(within: .seconds(20)) { oracle.shared.waiting == count })
    }

    @Test("nobody gets the answer to a question that was put before it came; all who came meanwhile get the next")
    func next() async throws {
        let first = Task { [oracle] in try await oracle.ask() }
        try await opens(1)
        let others = (0..<5).map { _ in Task { [oracle] in try await oracle.ask() } }
        try await waits(5)
        oracle.answer(1)
        #expect(try await first.value == 1)
        try await opens(2)
        oracle.answer(2)
        for other in others { #expect(try await other.value == 2) }
        #expect(oracle.asked == 2 && oracle.shared.waiting == 0)
        let last = Task { [oracle] in try await oracle.ask() }
        try await opens(3)
        oracle.answer(3)
        #expect(try await last.value == 3)
    }

    @Test("when the asker is cancelled, another asks for those who wait")
    func cancelledAsker() async throws {
        let first = Task { [oracle] in try await oracle.ask() }
        try await opens(1)
        let second = Task { [oracle] in try await oracle.ask() }
        try await waits(1)
        oracle.answer(1)
        try await opens(2)
        let others = (0..<3).map { _ in Task { [oracle] in try await oracle.ask() } }
        try await waits(3)
        second.cancel()
        await #expect(throws: OpenStackError.stopped) { try await second.value }
        try await opens(3)
        oracle.answer(3)
        #expect(try await first.value == 1)
        for other in others { #expect(try await other.value == 3) }
    }

    @Test("one who waits can be cancelled, and the others are not")
    func cancelledWaiter() async throws {
        let first = Task { [oracle] in try await oracle.ask() }
        try await opens(1)
        let waiters = (0..<2).map { _ in Task { [oracle] in try await oracle.ask() } }
        try await waits(2)
        waiters[0].cancel()
        await #expect(throws: OpenStackError.stopped) { try await waiters[0].value }
        oracle.answer(1)
        try await opens(2)
        oracle.answer(2)
        #expect(try await waiters[1].value == 2)
        #expect(try await first.value == 1)
    }
}
