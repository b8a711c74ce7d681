import CLibvirt
import Glibc

/// A detached thread for libvirt's calls, which block.
///
/// libvirt writes to its sockets as to files, and a write to a daemon that has ended would end this process. Here it fails.
enum LibvirtThread {
    /// Ours, because the default is whatever limit the process was started under. libvirt's calls are not deep.
    private static let stackBytes = 8 << 20

    private final class Work: Sendable {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// - Parameter name: as `top` shows it, at most 15 characters.
    /// - Returns: 0, or the error number of `pthread_create`; `body` then never runs.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> CInt {
        let work = Unmanaged.passRetained(Work(name, body))
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        let result = pthread_create(
            &thread,
            &attributes,
            { pointer in
                guard let pointer else { return nil }
                let work = Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue()
                goldsmith_name_this_thread(work.name)
                var brokenPipe = sigset_t()
                sigemptyset(&brokenPipe)
                sigaddset(&brokenPipe, SIGPIPE)
                pthread_sigmask(SIG_BLOCK, &brokenPipe, nil)
                work.body()
                return nil
            },
            work.toOpaque()
        )
        if result == 0 { pthread_detach(thread) } else { work.release() }
        return result
    }
}
