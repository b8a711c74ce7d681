import Glibc
import SystemPackage

/// What the kernel says of processes that are not our own children.
enum ProcessTable {
    static func children(of parent: pid_t) -> [pid_t] {
        let text = (try? Files.read(FilePath("/proc/\(parent)/task/\(parent)/children"))) ?? ""
        return text.split(separator: " ").compactMap { pid_t($0) }
    }

    /// Waits until none of `processes` runs any more, at most five seconds. One that waits to be collected by its parent
    /// has ended: it holds neither memory nor sockets.
    static func waitForEnd(of processes: [pid_t]) {
        var left = processes
        for _ in 0..<1000 {
            left.removeAll { state(of: $0) == nil || state(of: $0) == "Z" || state(of: $0) == "X" }
            if left.isEmpty { return }
            usleep(5000)
        }
    }

    /// The letter behind the name in brackets; `nil` when there is no such process.
    private static func state(of process: pid_t) -> Character? {
        guard let text = try? Files.read(FilePath("/proc/\(process)/stat")),
            let bracket = text.lastIndex(of: ")")
        else { return nil }
        return text[bracket...].dropFirst(2).first
    }
}
