import CRabbitMQ
import Glibc

/// A detached OS thread that runs one body; it keeps what the body holds alive until that returns.
enum NamedThread {
    private final class Work: Sendable {
        let name: StaticString
        let body: @Sendable () -> Void

        init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// - Parameter name: as `top` shows it, at most 15 characters.
    static func start(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
                work.name.withUTF8Buffer { bytes in
                    bytes.withMemoryRebound(to: CChar.self) { goldsmith_name_thread($0.baseAddress) }
                }
                work.body()
                return nil
            },
            Unmanaged.passRetained(Work(name, body)).toOpaque()
        )
        precondition(status == 0, "no thread left for a connection")
        pthread_detach(thread)
    }
}
