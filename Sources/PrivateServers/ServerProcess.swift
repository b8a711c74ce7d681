package import Glibc
import Synchronization
package import SystemPackage

/// A process started by path with an argument array, in a session of its own so that a terminal's Ctrl-C does not
/// reach it. Its standard streams are /dev/null unless given; no other descriptor of ours is inherited.
package final class ServerProcess: Sendable {
    package let pid: pid_t
    /// Nil while it runs.
    private let ended = Mutex<CInt?>(nil)

    struct StartFailure: Error, CustomStringConvertible {
        let program: String
        let code: CInt
        var description: String { "cannot start \(program): \(String(cString: strerror(code)))" }
    }

    /// - Parameters:
    ///   - environment: the whole environment; nothing is inherited.
    ///   - input: becomes standard input.
    ///   - output: a file standard output and error are appended to.
    package init(
        _ program: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        input: CInt? = nil,
        output: FilePath? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        let sink = output?.string ?? "/dev/null"
        posix_spawn_file_actions_addopen(&actions, 1, sink, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A server lives long: a pipe's end that it inherited would keep its reader waiting forever.
        for descriptor in Self.openDescriptors where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Threads of a Swift program may block or ignore signals; a server must not inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let newSession: CInt = 0x80  // POSIX_SPAWN_SETSID, hidden by glibc's feature macros.
        let flags = CInt(POSIX_SPAWN_SETSIGMASK) | CInt(POSIX_SPAWN_SETSIGDEF) | newSession
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var argv = ([program] + arguments).map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let status = posix_spawn(&pid, program, &actions, &attributes, &argv, &envp)
        guard status == 0 else { throw StartFailure(program: program, code: status) }
        self.pid = pid
    }

    /// glibc's own way (`addclosefrom_np`) is hidden by its feature macros. One that is closed meanwhile does no harm.
    private static var openDescriptors: [CInt] {
        guard let folder = opendir("/proc/self/fd") else { return [] }
        defer { closedir(folder) }
        var found: [CInt] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let descriptor = CInt(name) { found.append(descriptor) }
        }
        return found
    }

    /// Whether it still runs; takes its exit status when it has ended, so that no zombie stays.
    package var isRunning: Bool {
        ended.withLock { ended in
            if ended == nil { ended = reap(WNOHANG) }
            return ended == nil
        }
    }

    /// The status of an ended process in the shell's manner: 128 and more for a signal. Nil while it runs.
    package var exitStatus: CInt? {
        guard !isRunning, let status = ended.withLock({ $0 }) else { return nil }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
    }

    /// Under the lock, so that the number cannot belong to another process by then.
    package func send(_ signal: CInt) {
        ended.withLock { ended in
            if ended == nil { kill(pid, signal) }
        }
    }

    /// SIGKILL, and waits for the end.
    package func killNow() {
        ended.withLock { ended in
            guard ended == nil else { return }
            kill(pid, SIGKILL)
            ended = reap(0)
        }
    }

    private func reap(_ flags: CInt) -> CInt? {
        var status: CInt = 0
        while true {
            switch waitpid(pid, &status, flags) {
            case pid: return status
            case 0: return nil
            // Another call has taken the status; the process has ended.
            default: if errno != EINTR { return 0 }
            }
        }
    }

    /// Waits for the end; false when `timeout` comes first.
    package func hasEnded(within timeout: Duration) async -> Bool {
        let deadline = ContinuousClock.now + timeout
        while isRunning {
            guard ContinuousClock.now < deadline else { return false }
            // Cancelled: the caller's deadline is now.
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { return !isRunning }
        }
        return true
    }
}
