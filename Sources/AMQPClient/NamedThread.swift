import CRabbitMQ
import Glibc

/// A detached OS thread that runs one body; it keeps what the body holds alive until that returns.
enum NamedThread {
    /// In bytes. Ours, because the default is whatever limit the process was started under.
    ///
    /// librabbitmq takes tables apart by recursion without a bound of its own. The bound is the frame: its 128 KiB hold
    /// 26,000 arrays within arrays, for which Debian 12's librabbitmq 0.11 takes between 2 and 3 MiB. Memory is taken only
    /// as it is used.
    static let stackBytes = 16 << 20

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
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        let status = pthread_create(
            &thread,
            &attributes,
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
