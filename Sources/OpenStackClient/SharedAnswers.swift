import Synchronization

/// One answer for all that ask the same at the same time.
///
/// Nobody gets an answer whose question was put before it asked itself: what is under way is never joined. So of each
/// question one is under way at most, and one waits behind it, for all who came meanwhile. Its asker is one of them;
/// when it is cancelled, the next takes its place.
public final class SharedAnswers<Question: Hashable & Sendable, Answer: Sendable>: Sendable {
    private enum Turn: Sendable {
        case ask
        case take(Result<Answer, OpenStackError>)
    }
    private struct Waiter {
        var number: Int
        var turn: CheckedContinuation<Turn, Never>
    }
    private struct Line {
        /// They get what is under way.
        var served: [Waiter] = []
        /// They came too late for it.
        var waiting: [Waiter] = []

        mutating func remove(_ number: Int) -> Waiter? {
            if let index = served.firstIndex(where: { $0.number == number }) { return served.remove(at: index) }
            if let index = waiting.firstIndex(where: { $0.number == number }) { return waiting.remove(at: index) }
            return nil
        }
    }
    private struct State {
        var lines: [Question: Line] = [:]
        var lastNumber = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// How many wait for an answer that others ask for.
    var waiting: Int { state.withLock { $0.lines.values.reduce(0) { $0 + $1.served.count + $1.waiting.count } } }

    /// - Parameters:
    ///   - gathering: for how long others may still join before the question is put.
    ///   - ask: puts it. Called at most once.
    public func answer(
        to question: Question,
        gathering: Duration = .zero,
        _ ask: () async throws(OpenStackError) -> Answer
    ) async throws(OpenStackError) -> Answer {
        if case .take(let answer) = await turn(question) { return try answer.get() }
        // A cancelled wait is cut short, and then the question fails.
        if gathering > .zero { try? await Task.sleep(for: gathering) }
        serve(question)
        let answer: Result<Answer, OpenStackError>
        do throws(OpenStackError) { answer = .success(try await ask()) } catch { answer = .failure(error) }
        give(answer, to: question)
        return try answer.get()
    }

    private func turn(_ question: Question) async -> Turn {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let turn: Turn? = state.withLock { state in
                    if Task.isCancelled { return .take(.failure(.stopped)) }
                    guard state.lines[question] != nil else {
                        state.lines[question] = Line()
                        return .ask
                    }
                    state.lines[question]?.waiting.append(Waiter(number: number, turn: continuation))
                    return nil
                }
                if let turn { continuation.resume(returning: turn) }
            }
        } onCancel: {
            let left = state.withLock { $0.lines[question]?.remove(number) }
            left?.turn.resume(returning: .take(.failure(.stopped)))
        }
    }

    /// From now on all that come are too late.
    private func serve(_ question: Question) {
        state.withLock { state in
            guard let line = state.lines[question] else { return }
            state.lines[question] = Line(served: line.waiting)
        }
    }

    private func give(_ answer: Result<Answer, OpenStackError>, to question: Question) {
        let (served, next) = state.withLock { state -> ([Waiter], Waiter?) in
            guard var line = state.lines[question] else { return ([], nil) }
            var served = line.served
            line.served = []
            // The asker was cancelled, and not those who wait for its answer.
            if case .failure(let error) = answer, error.kind == .cancelled {
                line.waiting = served + line.waiting
                served = []
            }
            let next = line.waiting.isEmpty ? nil : line.waiting.removeFirst()
            state.lines[question] = next == nil ? nil : line
            return (served, next)
        }
        for waiter in served { waiter.turn.resume(returning: .take(answer)) }
        next?.turn.resume(returning: .ask)
    }
}
