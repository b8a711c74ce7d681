import Glibc
import ImageCore
import Synchronization

/// Tells a loop on another thread that its result is not wanted any more.
final class CancellationFlag: Sendable {
    private let raised = Atomic<Bool>(false)
    var isRaised: Bool { raised.load(ordering: .relaxed) }
    func raise() { raised.store(true, ordering: .relaxed) }
}

/// Runs blocking work on a thread made for it.
///
/// A copy keeps a thread busy for minutes. On the cooperative pool, which has one thread per processor, two copies would
/// stop every timer, heartbeat and lease of the process.
enum OwnThread {
    /// In bytes. Ours, because the default is whatever limit the process was started under. What runs here are loops over
    /// one buffer, and libraries without recursion over what comes from outside.
    static let stackBytes = 8 << 20

    /// Waits for `body` even when cancelled: `body` looks at the flag before each chunk and returns early.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable (CancellationFlag) -> Result<Value, StepFailure>
    ) async throws(StepFailure) -> Value {
        let flag = CancellationFlag()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<Value, StepFailure>, Never>) in
                let started = start { continuation.resume(returning: body(flag)) }
                if started != 0 {
                    continuation.resume(
                        returning: .failure(
                            StepFailure(
                                .transient,
                                .unavailable,
                                "no thread for a copy: \(String(cString: strerror(started)))"
                            )
                        )
                    )
                }
            }
        } onCancel: {
            flag.raise()
        }
        return try result.get()
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Returns: 0, or the error number of `pthread_create`; `body` then never runs.
    static func start(_ body: @escaping @Sendable () -> Void) -> CInt {
        let work = Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        let result = pthread_create(
            &thread,
            &attributes,
            { pointer in
                if let pointer { Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().body() }
                return nil
            },
            work.toOpaque()
        )
        if result == 0 { pthread_detach(thread) } else { work.release() }
        return result
    }
}
