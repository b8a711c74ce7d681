package import Glibc
import Synchronization

/// Kills processes when we die without stopping them, be it by SIGKILL.
///
/// A small shell reads process ids from a socket, each line replacing the one before. We hold the only other end, so
/// end of file means that we are gone. (A parent-death signal would not do: it follows the thread which started the
/// child, and is lost to grandchildren.)
package final class ParentMonitor: Sendable {
    private let shell: ServerProcess
    private let end: Mutex<CInt>

    package init() throws {
        var ends: [CInt] = [0, 0]
        // A socket pair, because unlike a pipe it can be made close-on-exec in one step.
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw ServerProcess.StartFailure(program: "a socket pair", code: errno)
        }
        defer { close(ends[0]) }
        end = Mutex(ends[1])
        let script = "while read -r line; do pids=$line; done; for pid in $pids; do kill -9 \"$pid\"; done"
        do {
            shell = try ServerProcess("/bin/sh", ["-c", script], input: ends[0])
        } catch {
            close(ends[1])
            throw error
        }
    }

    deinit { dismiss() }

    /// Replaces the processes to be killed.
    package func watch(_ pids: [pid_t]) {
        let line = Array((pids.map(String.init).joined(separator: " ") + "\n").utf8)
        // The shell reads all the time, and a line is far smaller than the socket's buffer.
        end.withLock { end in
            if end >= 0 { _ = send(end, line, line.count, CInt(MSG_NOSIGNAL)) }
        }
    }

    /// Ends the shell without it killing anything.
    package func dismiss() {
        watch([])
        hangUp()
        shell.killNow()
    }

    /// What the kernel does when we die.
    func hangUp() {
        end.withLock { end in
            guard end >= 0 else { return }
            close(end)
            end = -1
        }
    }
}
