import Foundation
import PrivateServers
import SystemPackage

/// A location with little space: a file system in memory that can be filled to the last byte.
final class SmallDisk: Sendable {
    /// Inside the mount, as every location should be.
    let folder: FilePath
    private let mountPoint: FilePath
    private var balloon: FilePath { mountPoint.appending("balloon") }

    /// - Returns: `nil` when this user may not mount anything.
    static func mount(at mountPoint: FilePath, mebibytes: Int) async throws -> SmallDisk? {
        try FileManager.default.createDirectory(atPath: mountPoint.string, withIntermediateDirectories: true)
        let mount = try ServerProcess(
            "/usr/bin/mount",
            ["-t", "tmpfs", "-o", "size=\(mebibytes)m,mode=0700", "tmpfs", mountPoint.string]
        )
        guard await mount.hasEnded(within: .seconds(10)), mount.exitStatus == 0 else { return nil }
        return try SmallDisk(mountPoint)
    }

    private init(_ mountPoint: FilePath) throws {
        self.mountPoint = mountPoint
        folder = mountPoint.appending("images")
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    }

    func fill() throws {
        let file = try FileDescriptor.open(
            balloon,
            .writeOnly,
            options: [.create, .truncate],
            permissions: [.ownerReadWrite]
        )
        let chunk = [UInt8](repeating: 0x55, count: 1 << 20)
        do {
            while true { _ = try file.writeAll(chunk) }
        } catch Errno.noSpace {
            try file.close()
        }
    }

    func empty() throws {
        guard FileManager.default.fileExists(atPath: balloon.string) else { return }
        try FileManager.default.removeItem(atPath: balloon.string)
    }

    func unmount() async {
        guard let umount = try? ServerProcess("/usr/bin/umount", ["--lazy", mountPoint.string]) else { return }
        _ = await umount.hasEnded(within: .seconds(10))
    }
}
