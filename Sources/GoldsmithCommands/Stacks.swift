import CLinux
import Glibc

/// How much stack threads get that libraries start: Dispatch for PostgreSQL and SQLite, Swift's own pool, the web server.
enum Stacks {
    /// In bytes: Linux's default without a limit.
    static let bytes = 8 << 20

    /// Makes it the default of every thread that is started from now on. glibc would take it from the limit that the
    /// process was started under (`ulimit -s`, `LimitSTACK=`): 2 MiB when there is none, and less when it is set lower.
    static func makeOurs() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        // Neither can fail for a size that is whole pages.
        pthread_attr_setstacksize(&attributes, bytes)
        pthread_setattr_default_np(&attributes)
    }
}
