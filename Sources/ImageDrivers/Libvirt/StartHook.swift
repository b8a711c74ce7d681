import Glibc
public import ImageCore
public import LibvirtClient

/// The script by which a host's libvirt refuses to start a domain whose disks are being captured, as long as the domain
/// carries a mark that has not run out.
///
/// QEMU's lock bytes protect files. They do not protect block devices, of which each machine has a device file of its own
/// in a /dev of its own; the script does, and it says in words why a start is refused. libvirt keeps a domain locked while
/// the script runs, so it asks nobody and runs two programs at most. Where it cannot tell, it lets the start go on: a fault
/// in it must not keep the host's machines from starting, and a capture asks before and after whether starts are refused.
public struct StartHook: Sendable {
    /// Where libvirt looks for it, from 6.5 on.
    public static let standardFolder = "/etc/libvirt/hooks/qemu.d"
    public static let fileName = "goldsmith"

    /// The namespace of a mark is this and the disk's target: each disk's capture has one of its own.
    static let namespace = "urn:goldsmith:capture:"
    /// What a refusal begins with.
    static let refusal = "goldsmith: its disks are being captured"

    public static let script = """
        #!/bin/sh
        # Installed by `goldsmith hook install`. libvirt runs it before it starts a domain, with the domain's description as
        # its input. It refuses the start of a domain whose disks are being captured, which a mark in the description says
        # together with the time, in seconds since 1970, at which it runs out. Whatever it cannot read counts as no mark.
        [ "$2" = prepare ] || exit 0
        marks=$(sed -n "s/.*<[a-z0-9-]*:capture [^>]*until=[\\"']\\([0-9]\\{1,12\\}\\)[\\"'].*/\\1/p")
        [ -n "$marks" ] || exit 0
        now=$(date +%s) || exit 0
        for until in $marks; do
            [ "$until" -gt "$now" ] || continue
            echo "\(refusal) for $((until - now)) s or longer; cancel the image to start it now" >&2
            exit 1
        done
        exit 0

        """

    public enum State: Equatable, Sendable {
        case absent
        case installed
        /// Something else is there under its name, or an earlier version of it.
        case different
    }

    public var folder: String
    private var path: String { folder + "/" + Self.fileName }

    public init(folder: String = Self.standardFolder) { self.folder = folder }

    public func state() throws(StepFailure) -> State {
        try filing(at: .storage) { () throws(FileFailure) -> State in
            guard let status = try FileCalls.status(path) else { return .absent }
            guard status.kind == .regular, status.size < 1 << 16 else { return .different }
            let bytes = try FileCalls.read(path, limit: 1 << 16)
            return bytes == Array(Self.script.utf8) ? .installed : .different
        }
    }

    /// Writes it, in place of an earlier version. The folders are made where they are missing.
    public func install() throws(StepFailure) {
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.makeFolder(folder)
            for made in [FileCalls.folder(of: folder), folder] { chmod(made, 0o755) }
            try FileCalls.writeAtomically(Array(Self.script.utf8), to: path)
            guard chmod(path, 0o755) == 0 else { throw FileFailure("make executable", path) }
        }
    }

    /// Deletes it. Not there already is success.
    public func remove() throws(StepFailure) {
        try filing(at: .storage) { () throws(FileFailure) in _ = try FileCalls.deleteTree(path) }
    }

    /// Whether a host's libvirt runs the script, and is kept by it from starting a domain. It is asked to: a machine without
    /// disks that carries a mark, and that cannot start whatever comes of the mark.
    public static func isInForce(on host: LibvirtHost) async throws(StepFailure) -> Bool {
        let description = """
            <domain type='qemu'><name>goldsmith-hook-\(UInt64.random(in: .min ... .max))</name>
            <metadata><g:capture xmlns:g='\(namespace)none' until='\(time(nil) + StartMark.holds)'/></metadata>
            <memory unit='MiB'>16</memory><os><type>hvm</type><kernel>/nonexistent/goldsmith</kernel></os></domain>
            """
        do throws(LibvirtError) {
            let words = try await host.run(within: .seconds(20)) { host throws(LibvirtError) in
                try host.refusalOfStart(description)
            }
            return words?.contains(refusal) == true
        } catch {
            throw .libvirt(error, "say whether it refuses starts")
        }
    }
}
