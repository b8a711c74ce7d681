import Foundation
import LibvirtClient
import PrivateServers
import SystemPackage

/// A real libvirt host for one test: its daemons in namespaces of their own, with their own files, on this machine.
///
/// Its machines are emulated, so that it is the same everywhere. All of it ends with this object or this process.
public final class TestLibvirt: Sendable {
    public let root: String
    private let first: ServerProcess
    private let end: CInt

    public struct NotReady: Error, CustomStringConvertible {
        public let description: String
    }

    /// Why there can be none here; `nil` when there can.
    public static let obstacle: String? = {
        guard getuid() == 0 else { return "only root can make namespaces for a libvirt host" }
        let programs = [
            "/usr/sbin/libvirtd", "/usr/sbin/virtlogd", "/usr/bin/virsh", "/usr/bin/qemu-system-x86_64",
            "/usr/bin/unshare",
        ]
        if let missing = programs.first(where: { access($0, X_OK) != 0 }) { return "there is no \(missing)" }
        return canMount ? nil : "nothing can be mounted here"
    }()
    public static var isPossible: Bool { obstacle == nil }

    public init() async throws {
        // Short: the paths of sockets may have 107 bytes.
        root = "/tmp/goldsmith-lv-" + String(UInt64.random(in: .min ... .max), radix: 36)
        for folder in ["run", "etc/qemu", "lib/images", "lib/qemu", "log/qemu", "cache", "pool", "pool2"] {
            try FileManager.default.createDirectory(atPath: root + "/" + folder, withIntermediateDirectories: true)
        }
        for folder in ["", "/lib", "/lib/qemu", "/pool", "/pool2"] { chmod(root + folder, 0o755) }
        for (name, text) in Self.settings {
            guard FileManager.default.createFile(atPath: "\(root)/etc/\(name)", contents: Data(text.utf8)) else {
                throw NotReady(description: "\(root)/etc/\(name) cannot be written")
            }
        }
        var ends: [CInt] = [0, 0]
        // A socket pair, because unlike a pipe it can be made close-on-exec in one step.
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw NotReady(description: "no socket pair") }
        end = ends[1]
        defer { close(ends[0]) }
        first = try ServerProcess(
            "/usr/bin/unshare",
            [
                "--mount", "--uts", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--", "/bin/sh",
                "-c", Self.script, "host", root,
            ],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"],
            input: ends[0],
            output: FilePath(root + "/log/host.log")
        )
        let host = LibvirtHost(uri: uri)
        let isUp = try await eventually {
            guard first.isRunning else { throw NotReady(description: "it ended: \(log)") }
            return (try? await host.run { host throws(LibvirtError) in try host.hostName() }) != nil
        }
        guard isUp else { throw NotReady(description: "it does not answer: \(log)") }
        for pool in ["pool", "pool2"] {
            try await virsh(["pool-define-as", pool, "dir", "--target", root + "/" + pool])
            try await virsh(["pool-start", pool])
        }
    }

    deinit {
        close(end)
        first.killNow()
        try? FileManager.default.removeItem(atPath: root)
    }

    public var uri: String { "qemu+unix:///system?socket=\(root)/run/libvirt-sock" }
    public var log: String { (try? String(contentsOfFile: root + "/log/host.log", encoding: .utf8)) ?? "" }
    public func path(_ parts: String...) -> String { ([root] + parts).joined(separator: "/") }

    /// Stops everything in the host without ending it, as a machine that hangs, or lets it go on.
    public func freeze(_ isFrozen: Bool) async throws {
        let own = try FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(try initProcess())/ns/pid"
        )
        for process in try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap({ pid_t($0) }) {
            let space = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/pid")
            if space == own { kill(process, isFrozen ? SIGSTOP : SIGCONT) }
        }
    }

    /// Lets the host's daemon look for its settings and scripts again, as `systemctl reload` does.
    public func reload() throws {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(try initProcess())/ns/pid")
        for process in try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap({ pid_t($0) }) {
            let space = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/pid")
            let name = try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)
            if space == own, name == "libvirtd\n" { kill(process, SIGHUP) }
        }
    }

    /// Ends everything in the host at once, as a machine that loses its power.
    public func cutPower() async -> Bool {
        first.killNow()
        return await first.hasEnded(within: .seconds(60))
    }

    /// Lets the host have a folder under another path, over what is there.
    public func bind(_ folder: String, at path: String) async throws {
        let space = "--mount=/proc/\(try initProcess())/ns/mnt"
        try await DriverScratch.run("/usr/bin/nsenter", [space, "--", "/usr/bin/mount", "--bind", folder, path])
    }

    /// As this machine counts it, what is process 1 in the host.
    private func initProcess() throws -> pid_t {
        let text = try String(contentsOfFile: "/proc/\(first.pid)/task/\(first.pid)/children", encoding: .utf8)
        guard let child = text.split(separator: " ").first.flatMap({ pid_t($0) }) else {
            throw NotReady(description: "it has no processes")
        }
        return child
    }

    /// - Throws: with what it says when it fails.
    @discardableResult
    public func virsh(_ arguments: [String]) async throws -> String {
        try await DriverScratch.run("/usr/bin/virsh", ["-q", "-c", uri] + arguments)
    }

    /// The same for callers that cannot wait.
    public func virshNow(_ arguments: [String]) throws {
        let log = root + "/log/virsh-" + String(UInt64.random(in: .min ... .max), radix: 36)
        let child = try ServerProcess(
            "/usr/bin/virsh",
            ["-q", "-c", uri] + arguments,
            environment: ["LC_ALL": "C"],
            output: FilePath(log)
        )
        while child.isRunning { usleep(2000) }
        guard child.exitStatus == 0 else {
            throw NotReady(description: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
        }
    }

    private static let settings = [
        "libvirtd.conf": """
        unix_sock_rw_perms = "0700"
        auth_unix_ro = "none"
        auth_unix_rw = "none"
        """,
        // As on Debian, machines run as another user than the daemon. Control groups are the machine's own: two hosts with
        // a domain of one name would meet there. A /dev of each machine's own is made by moving mounts, which the hidden
        // /dev/kvm, itself a mount, does not bear.
        "qemu.conf": """
        user = "nobody"
        group = "nogroup"
        dynamic_ownership = 1
        security_driver = "none"
        cgroup_controllers = [ ]
        namespaces = [ ]
        """,
        "virtlogd.conf": "",
    ]

    /// The host's first process. It collects what is orphaned, and ends when its standard input does. A /dev/kvm that is
    /// there and cannot be used costs libvirt a look at QEMU for each definition, so it is hidden. Without its own name in
    /// /etc/hosts each start of a machine asks a name server that cannot be reached. Debian has the user libvirt-qemu made
    /// by another package than the daemon's, and without it the daemon does not start.
    private static let script = """
        set -e
        root=$1
        mkdir -p /run/libvirt /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
        hostname goldsmith-test
        { cat /etc/hosts; echo '127.0.1.1 goldsmith-test'; } >"$root/hosts"
        cp /etc/passwd "$root/passwd"
        cp /etc/group "$root/group"
        grep -q '^libvirt-qemu:' "$root/group" || echo 'libvirt-qemu:x:64055:' >>"$root/group"
        grep -q '^libvirt-qemu:' "$root/passwd" ||
            echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>"$root/passwd"
        for name in hosts passwd group; do mount --bind "$root/$name" "/etc/$name"; done
        mount --bind "$root/run" /run/libvirt
        mount --bind "$root/etc" /etc/libvirt
        for name in lib log cache; do mount --bind "$root/$name" "/var/$name/libvirt"; done
        if [ -e /dev/kvm ]; then : >"$root/no-kvm"; chmod 0 "$root/no-kvm"; mount --bind "$root/no-kvm" /dev/kvm; fi
        virtlogd --daemon --pid-file /run/libvirt/virtlogd.pid
        libvirtd --daemon --pid-file /run/libvirt/libvirtd.pid
        cat >/dev/null
        """
}
