import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("A sample is a real instance", .timeLimit(.minutes(30)))
struct SampleTests {
    @Test("a sample has a partitioned system disk with a sound ext4 root, and data disks")
    func contents() async throws {
        let scratch = try DriverScratch()
        let seen = ProgressLog()
        let instance = try await scratch.driver.makeSample(
            id: try known(InstanceID("i-sample")),
            owner: try known(Owner("acct-1")),
            systemKind: .cloud,
            dataDisks: 2,
            mebibytes: 16,
            progress: { seen.add($0) }
        )
        #expect(
            instance.disks.map { "\($0.device) \($0.kind)" } == ["/dev/vda cloud", "/dev/vdb cloud", "/dev/vdc cloud"]
        )
        #expect(instance.status == .stopped)
        #expect(seen.isGrowing && seen.isWhole)
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("instances", "i-sample"))
        #expect(names.sorted() == ["instance.json", "vda.qcow2", "vdb.qcow2", "vdc.qcow2"])
        for disk in instance.disks { try await scratch.driver.checkDisk(disk.device, of: instance.id) }

        let raw = scratch.path("vda.raw")
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            ["convert", "-O", "raw", scratch.path("instances", "i-sample", "vda.qcow2"), raw]
        )
        #expect(try await DriverScratch.run("/usr/sbin/sfdisk", ["-V", "-q", raw]).isEmpty)
        #expect(try await DriverScratch.run("/usr/sbin/sfdisk", ["-d", raw]).contains("start=        2048"))
        try await DriverScratch.run("/usr/sbin/e2fsck", ["-fn", raw + "?offset=1048576"])
        let fstab = try await DriverScratch.run("/usr/sbin/debugfs", ["-R", "cat /etc/fstab", raw + "?offset=1048576"])
        #expect(fstab.contains(" / ext4 ") && fstab.contains("/srv/vdb ext4 defaults,nofail"))
        let files = try await DriverScratch.run(
            "/usr/sbin/debugfs",
            ["-R", "ls -p /var/lib/sample", raw + "?offset=1048576"]
        )
        #expect(files.contains("/data-0.bin/16777216/"))
    }

    @Test("a sample does not replace an instance")
    func duplicate() async throws {
        let scratch = try DriverScratch()
        let id = try known(InstanceID("i-1"))
        try scratch.describe("i-1", disks: [])
        let owner = try known(Owner("acct-1"))
        let failure = try await refusal { _ = try await scratch.driver.makeSample(id: id, owner: owner) }
        #expect(failure.code == .duplicate)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("instances")) == ["i-1"])
    }

    @Test("the same id gives the same files, another id gives others")
    func repeatable() async throws {
        var sums: [String] = []
        for (id, root) in [("i-1", 1), ("i-1", 2), ("i-2", 1)] {
            _ = root
            let scratch = try DriverScratch()
            _ = try await scratch.driver.makeSample(
                id: try known(InstanceID(id)),
                owner: try known(Owner("acct-1")),
                mebibytes: 1
            )
            let raw = scratch.path("vda.raw")
            let disk = scratch.path("instances", id, "vda.qcow2")
            try await DriverScratch.run("/usr/bin/qemu-img", ["convert", "-O", "raw", disk, raw])
            let file = scratch.path("data-0.bin")
            try await DriverScratch.run(
                "/usr/sbin/debugfs",
                ["-R", "dump /var/lib/sample/data-0.bin \(file)", raw + "?offset=1048576"]
            )
            sums.append(String((try await DriverScratch.run("/usr/bin/sha256sum", [file])).prefix(64)))
        }
        #expect(sums[0] == sums[1])
        #expect(sums[0] != sums[2])
    }
}
