import Dispatch

/// Checks passwords one at a time on a thread of its own: a hash is made to be slow and large, and neither requests that
/// only look nor the machine's memory may suffer from many who log in at once.
struct PasswordQueue: Sendable {
    private let queue = DispatchQueue(label: "goldsmith.console.passwords")

    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }
}
