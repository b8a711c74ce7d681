import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

/// What systemd makes of a fixed `/etc/fstab`, asked of its own generator where one is installed.
@Suite("systemd agrees with a fix")
struct GeneratorTests {
    private static let generator = "/usr/lib/systemd/system-generators/systemd-fstab-generator"
    /// Where /sys is read-only, the generator takes the machine for a container and passes over every device.
    private static let seesDevices: Bool = {
        var sys = statvfs()
        return access(generator, X_OK) == 0 && statvfs("/sys", &sys) == 0 && sys.f_flag & UInt(ST_RDONLY) == 0
    }()

    private static let fstab = """
        UUID=aaaa-1 / ext4 defaults 0 1
        UUID=dddd-1 /data ext4 defaults 0 2
        /data/www /var/www none bind 0 0
        UUID=aaaa-1 /data/cache ext4 defaults 0 2
        UUID=aaaa-1 /data/later ext4 x-systemd.automount 0 2
        /data/disk.img /mnt/img ext4 loop 0 0
        overlay /merged overlay lowerdir=/data/low,upperdir=/srv/up,workdir=/srv/work 0 0
        UUID=aaaa-1 /opt/a ext4 x-systemd.requires=/data 0 0
        UUID=dddd-2 /auto ext4 x-systemd.automount 0 2
        UUID=aaaa-1 /own ext4 defaults 0 2
        UUID=dddd-3 none swap sw 0 0

        """

    private func required(_ fstab: [UInt8], _ scratch: DriverScratch, _ name: String) async throws -> Set<String> {
        let (file, folder) = (scratch.path("\(name).fstab"), scratch.path(name))
        try Data(fstab).write(to: URL(fileURLWithPath: file))
        for part in ["", "/early", "/late"] {
            try FileManager.default.createDirectory(atPath: folder + part, withIntermediateDirectories: true)
        }
        try await DriverScratch.run(
            "/usr/bin/env",
            [
                "SYSTEMD_FSTAB=\(file)", "SYSTEMD_IN_INITRD=0", Self.generator, folder, folder + "/early",
                folder + "/late",
            ]
        )
        let found = ["local-fs.target.requires", "swap.target.requires"].flatMap { target in
            (try? FileManager.default.contentsOfDirectory(atPath: folder + "/" + target)) ?? []
        }
        return Set(found)
    }

    @Test("nothing that is missing is required any more", .enabled(if: seesDevices))
    func required() async throws {
        let scratch = try DriverScratch()
        let facts = GuestFacts(
            volumes: [.init(device: "/dev/sda1", type: "ext4", uuid: "aaaa-1")],
            systems: [.init(root: "/dev/sda1", fstab: .bytes(Array(Self.fstab.utf8)))]
        )
        let before = try await required(Array(Self.fstab.utf8), scratch, "before")
        #expect(before.isSuperset(of: ["data.mount", "var-www.mount", "data-later.automount"]))
        let fixed = try #require(facts.edits.first?.bytes)
        let after = try await required(fixed, scratch, "after")
        #expect(after == ["-.mount", "own.mount", "auto.automount"])
    }
}
