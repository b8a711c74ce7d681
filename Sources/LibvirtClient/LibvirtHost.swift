import Synchronization

/// One host's libvirt, whose calls are made on a thread of their own and waited for a bounded time.
///
/// A call of libvirt's cannot be cancelled, and an open to a frozen daemon never ends. So no caller waits for the
/// thread: after the limit the caller gets an error, and the thread stays with its call. Until it returns, every other
/// call fails at once with "does not answer", so that a host which is gone holds one thread and no worker.
public final class LibvirtHost: Sendable {
    /// How long a call may take that only looks.
    public static let standardLimit = Duration.seconds(5)

    public let uri: String
    private let state = Mutex(State())

    private struct State {
        var waiting: [Call] = []
        var connection: LibvirtConnection?
        /// When the present call began; `nil` while there is none.
        var busySince: ContinuousClock.Instant?
        var hasThread = false
    }

    public init(uri: String) { self.uri = uri }

    /// Makes one or more calls, on the thread, one after another.
    ///
    /// - Parameter body: must be able to finish after its caller has stopped waiting.
    /// - Throws: what `body` throws; `unreachable` after `limit`. What has not begun by then is not done later.
    public func run<Value: Sendable>(
        within limit: Duration = standardLimit,
        _ body: @escaping @Sendable (LibvirtConnection) throws(LibvirtError) -> Value
    ) async throws(LibvirtError) -> Value {
        let answer = Answer<Value>()
        let call = Call(
            isWanted: { answer.isOpen },
            make: { connection in
                do throws(LibvirtError) {
                    let value = try body(try connection.get())
                    answer.give(.success(value))
                    return nil
                } catch {
                    answer.give(.failure(error))
                    return error
                }
            }
        )
        let silence = silence
        let timer = Task {
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            answer.give(.failure(silence))
        }
        defer { timer.cancel() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.wait(continuation)
                if let refusal = take(call, limit) { answer.give(.failure(refusal)) }
            }
        } onCancel: {
            answer.give(.failure(LibvirtError(.cancelled, "cancelled")))
        }
        return try result.get()
    }

    private var silence: LibvirtError { LibvirtError(.unreachable, "\(uri) does not answer") }

    /// Lines a call up.
    /// - Returns: why it cannot be.
    private func take(_ call: Call, _ limit: Duration) -> LibvirtError? {
        let needsThread: Bool? = state.withLock { state in
            if let since = state.busySince, ContinuousClock.now - since > limit { return nil }
            state.waiting.append(call)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        guard let needsThread else { return silence }
        guard needsThread else { return nil }
        let started = LibvirtThread.start("libvirt") { self.work() }
        guard started == 0 else {
            state.withLock { state in
                state.waiting = []
                state.hasThread = false
            }
            return LibvirtError(.other, "no thread for libvirt")
        }
        return nil
    }

    /// Makes what is lined up, then ends: a thread is there only while there is work.
    private func work() {
        while let call = next() {
            guard call.isWanted() else { continue }
            let error = call.make(connection())
            // A connection that was lost is never fixed: the next call opens another.
            let isLost = error?.kind == .unreachable
            state.withLock { state in
                state.busySince = nil
                if isLost { state.connection = nil }
            }
        }
    }

    private func next() -> Call? {
        state.withLock { state in
            state.busySince = nil
            guard !state.waiting.isEmpty else {
                state.hasThread = false
                return nil
            }
            state.busySince = .now
            return state.waiting.removeFirst()
        }
    }

    private func connection() -> Result<LibvirtConnection, LibvirtError> {
        if let open = state.withLock({ $0.connection }), open.isAlive { return .success(open) }
        do throws(LibvirtError) {
            let opened = try LibvirtConnection(uri: uri)
            state.withLock { $0.connection = opened }
            return .success(opened)
        } catch {
            return .failure(error)
        }
    }
}

/// A call that is lined up.
private struct Call: Sendable {
    /// Whether its caller still waits.
    let isWanted: @Sendable () -> Bool
    /// Makes it, answers, and tells the error it ended with.
    let make: @Sendable (Result<LibvirtConnection, LibvirtError>) -> LibvirtError?
}

/// Given once, by the thread, the clock or the caller's end, whichever comes first.
private final class Answer<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Result<Value, LibvirtError>, Never>)
        case given(Result<Value, LibvirtError>)
    }
    private let state = Mutex(State.open)

    var isOpen: Bool {
        state.withLock { if case .given = $0 { false } else { true } }
    }

    func wait(_ continuation: CheckedContinuation<Result<Value, LibvirtError>, Never>) {
        let early = state.withLock { state -> Result<Value, LibvirtError>? in
            if case .given(let result) = state { return result }
            state = .awaited(continuation)
            return nil
        }
        if let early { continuation.resume(returning: early) }
    }

    func give(_ result: Result<Value, LibvirtError>) {
        let waiting = state.withLock { state -> CheckedContinuation<Result<Value, LibvirtError>, Never>? in
            defer { if case .given = state {} else { state = .given(result) } }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        waiting?.resume(returning: result)
    }
}
