import FoundationEssentials
import Glibc

/// Ends a QEMU of this process that does not get its appliance started, so that `guestfs_launch`, which has no limit of
/// its own, returns with an error.
struct LaunchMonitor {
    /// With a processor's virtualisation that works, a start takes some three seconds, and ten on a busy host.
    static let limit = Duration.seconds(30)

    private let hasEnded = CancellationFlag()

    init(limit: Duration = limit) {
        let hasEnded = hasEnded
        // Without a thread the look's own time limit is what remains.
        _ = OwnThread.start {
            let deadline = ContinuousClock.now + limit
            while ContinuousClock.now < deadline {
                if hasEnded.isRaised { return }
                usleep(100_000)
            }
            if !hasEnded.isRaised { for process in Self.machines() { kill(process, SIGKILL) } }
        }
    }

    func end() { hasEnded.raise() }

    /// The QEMUs that this process has started. libguestfs forks another child, which cleans up after this one: not
    /// that.
    private static func machines() -> [pid_t] {
        let threads = (try? FileCalls.names(in: "/proc/self/task")) ?? []
        let children = threads.flatMap { thread in
            ((try? String(contentsOfFile: "/proc/self/task/\(thread)/children", encoding: .utf8)) ?? "").split(
                separator: " "
            )
        }
        return children.compactMap { pid_t($0) }.filter { child in
            var path = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = readlink("/proc/\(child)/exe", &path, path.count)
            guard length > 0 else { return false }
            let name = String(decoding: path[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
            return name.split(separator: "/").last?.hasPrefix("qemu") == true
        }
    }
}
