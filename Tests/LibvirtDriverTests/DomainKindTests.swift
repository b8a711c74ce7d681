import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient
import Testing

@Suite(
    "Every kind of domain is captured as its guest sees it, or refused with its reason",
    .enabled(if: TestLibvirt.isPossible, needsHost),
    .serialized,
    .timeLimit(.minutes(30))
)
struct DomainKindTests {
    /// The content of the system disk's capture.
    private func expectCaptured(_ id: String, as source: String, _ format: String, _ scratch: LibvirtScratch)
        async throws
    {
        let capture = try await scratch.captureSystem(id)
        let path = scratch.libvirt.path("data", "images", capture.resource.id.text, "vda.qcow2")
        try await DriverScratch.run("/usr/bin/qemu-img", ["compare", "-f", format, "-F", "qcow2", source, path])
        #expect(try await scratch.driver.inventory() == [capture.resource])
        try await scratch.driver.delete(capture.resource)
    }

    @Test("what is made of files is captured: backing files, snapshots, raw files, volumes, other buses, shared disks")
    func captured() async throws {
        let scratch = try await LibvirtScratch()
        let base = try await scratch.makeDisk("base.qcow2")
        let over = try await scratch.makeDisk("over.qcow2", pattern: 1, ["-F", "qcow2", "-b", base])
        try await scratch.define("backed", LibvirtScratch.disk(over, "vda"))
        try await expectCaptured("backed", as: over, "qcow2", scratch)

        let inner = try await scratch.makeDisk("inner.qcow2")
        try await scratch.define("inner", LibvirtScratch.disk(inner, "vda"))
        try await scratch.libvirt.virsh(["snapshot-create-as", "inner", "s1"])
        try await expectCaptured("inner", as: inner, "qcow2", scratch)

        let outer = try await scratch.makeDisk("outer.qcow2")
        try await scratch.define("outer", LibvirtScratch.disk(outer, "vda"))
        try await scratch.libvirt.virsh(["snapshot-create-as", "outer", "x1", "--disk-only"])
        try await expectCaptured("outer", as: scratch.libvirt.path("pool", "outer.x1"), "qcow2", scratch)

        // A guest can write any header to its raw disk.
        let raw = try await scratch.makeDisk("raw.raw", format: "raw")
        try await DriverScratch.run(
            "/usr/bin/dd",
            ["if=\(inner)", "of=\(raw)", "conv=notrunc", "bs=64K", "count=4", "status=none"]
        )
        try await scratch.define(
            "raw",
            "<disk type='file' device='disk'><source file='\(raw)'/><target dev='vda' bus='virtio'/></disk>"
        )
        try await expectCaptured("raw", as: raw, "raw", scratch)

        let scsi = try await scratch.makeDisk("scsi.qcow2")
        try await scratch.define(
            "scsi",
            LibvirtScratch.disk(scsi, "sda", bus: "scsi") + "<controller type='scsi' model='virtio-scsi'/>"
                + "<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>"
        )
        try await expectCaptured("scsi", as: scsi, "qcow2", scratch)

        let shared = try await scratch.makeDisk("shared.raw", format: "raw")
        try await scratch.define("shared", LibvirtScratch.disk(shared, "vda", format: "raw", "<shareable/>"))
        try await expectCaptured("shared", as: shared, "raw", scratch)

        let volume = try await scratch.makeDisk("volume.qcow2")
        try await scratch.libvirt.virsh(["pool-refresh", "pool"])
        try await scratch.define(
            "volume",
            "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
                + "<source pool='pool' volume='volume.qcow2'/><target dev='vda' bus='virtio'/></disk>"
        )
        #expect(try await scratch.describe("volume").disks.map(\.sizeBytes) == [64 << 20])
        try await expectCaptured("volume", as: volume, "qcow2", scratch)
        try await scratch.libvirt.virsh(["pool-destroy", "pool"])
        let inactive = try await refusal { try await scratch.checkDisk(of: "volume") }
        #expect(inactive.code == .unavailable && inactive.disposition == .transient)
        #expect(inactive.message.contains("pool that is not active"))
    }

    @Test("what cannot be captured is refused, and described all the same")
    func refused() async throws {
        let scratch = try await LibvirtScratch()
        let one = try await scratch.makeDisk("one.qcow2")
        let source = { (xml: String) in
            "<disk \(xml)<target dev='vda' bus='virtio'/></disk>"
        }
        let kinds: [(name: String, disk: String, says: String)] = [
            (
                "network",
                source(
                    "type='network' device='disk'><source protocol='rbd' name='p/v'><host name='10.0.0.1'/></source>"
                ), "network (rbd)"
            ),
            (
                "block", source("type='block' device='disk'><source dev='/dev/null'/>"),
                "is captured only where the host's libvirt asks"
            ),
            (
                "blockqcow2",
                source("type='block' device='disk'><driver name='qemu' type='qcow2'/><source dev='/dev/zero'/>"),
                "of which raw alone is captured"
            ),
            (
                "gone",
                source(
                    "type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='\(scratch.libvirt.path("pool", "gone"))' startupPolicy='optional'/>"
                ), "has no file"
            ),
            (
                "vmdk",
                source("type='file' device='disk'><driver name='qemu' type='vmdk'/><source file='\(one).vmdk'/>"),
                "vmdk"
            ),
            (
                "empty", source("type='volume' device='disk'><source pool='pool' volume='none'/>"),
                "pool or volume that is not there"
            ),
            (
                "slice",
                source(
                    "type='file' device='disk'><source file='\(one).s'><slices><slice type='storage' offset='0' size='1048576'/></slices></source>"
                ), "slice"
            ),
            (
                "luks",
                source(
                    "type='file' device='disk'><driver name='qemu' type='raw'/><source file='\(one).l'><encryption format='luks'><secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption></source>"
                ), "encrypted"
            ),
        ]
        for kind in kinds { try await scratch.define(kind.name, kind.disk) }
        for kind in kinds {
            let failure = try await refusal { try await scratch.captureSystem(kind.name) }
            #expect(failure.message.contains(kind.says), "\(kind.name): \(failure.message)")
            #expect(failure.disposition == .permanent, "\(kind.name)")
            #expect(try await scratch.describe(kind.name).status == .stopped)
        }
        #expect(try await scratch.driver.instances().map(\.id.text) == kinds.map(\.name).sorted())
        #expect(try await scratch.driver.inventory().isEmpty)
    }

    @Test("a file that two domains have, or that lies elsewhere, is refused")
    func strangers() async throws {
        let scratch = try await LibvirtScratch()
        let shared = try await scratch.makeDisk("shared.qcow2")
        try await scratch.define("left", LibvirtScratch.disk(shared, "vda"))
        let link = scratch.libvirt.path("pool2", "link.qcow2")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: shared)
        try await scratch.define("right", LibvirtScratch.disk(link, "vda"))
        for id in ["left", "right"] {
            let failure = try await refusal { try await scratch.checkDisk(of: id) }
            #expect(failure.message.contains("also a disk of another domain"))
        }

        let other = try await scratch.makeDisk("other.qcow2")
        try FileManager.default.moveItem(atPath: other, toPath: scratch.libvirt.path("lib", "other.qcow2"))
        let outside = try await scratch.makeDisk(
            "outside.qcow2",
            [
                "-u", "-F", "qcow2", "-b", scratch.libvirt.path("lib", "other.qcow2"),
            ]
        )
        try await scratch.define("outside", LibvirtScratch.disk(outside, "vda"))
        let failure = try await refusal { try await scratch.checkDisk(of: "outside") }
        #expect(failure.message.contains("outside its folder and the host's active storage pools"))

        // Another active pool is no stranger.
        let base = try await scratch.makeDisk("base.qcow2")
        let elsewhere = scratch.libvirt.path("pool2", "base.qcow2")
        try FileManager.default.moveItem(atPath: base, toPath: elsewhere)
        let over = try await scratch.makeDisk("over.qcow2", ["-F", "qcow2", "-b", elsewhere])
        try await scratch.define("over", LibvirtScratch.disk(over, "vda"))
        try await scratch.checkDisk(of: "over")
    }

    @Test("a domain that runs, sleeps or is gone when it stops is told from one that is stopped")
    func states() async throws {
        let scratch = try await LibvirtScratch()
        try await scratch.define("saved", LibvirtScratch.disk(try await scratch.makeDisk("saved.qcow2"), "vda"))
        try await scratch.libvirt.virsh(["start", "saved"])
        #expect(try await scratch.describe("saved").status == .running)
        try await scratch.libvirt.virsh(["suspend", "saved"])
        #expect(try await scratch.describe("saved").status == .other("Paused"))
        let paused = try await refusal { try await scratch.captureSystem("saved") }
        #expect(paused.message.contains("Paused"))
        try await scratch.libvirt.virsh(["managedsave", "saved"])
        #expect(try await scratch.describe("saved").status == .other("Saved"))
        let saved = try await refusal { try await scratch.captureSystem("saved") }
        #expect(saved.code == .failedPrecondition && saved.message.contains("saved memory"))
        try await scratch.libvirt.virsh(["managedsave-remove", "saved"])
        #expect(try await scratch.describe("saved").status == .stopped)
        try await scratch.captureSystem("saved")

        try await scratch.libvirt.virsh(["start", "saved"])
        try await scratch.libvirt.virsh(["undefine", "saved"])
        let transient = try await refusal { try await scratch.captureSystem("saved") }
        #expect(transient.message.contains("transient domain"))
    }

    @Test("a domain is found by its name, or by its UUID when its name is no id; nobody sees another owner's")
    func names() async throws {
        let scratch = try await LibvirtScratch()
        let odd = [
            "web server", "ünïcode", "-leading", "a&amp;b&lt;c&gt;", "semi;colon $(x) `y`",
            String(repeating: "n", count: 80),
        ]
        for (index, name) in odd.enumerated() {
            let path = try await scratch.makeDisk("odd-\(index).qcow2")
            try await scratch.define(name, LibvirtScratch.disk(path, "vda"))
        }
        try await scratch.define(
            "plain",
            LibvirtScratch.disk(try await scratch.makeDisk("plain.qcow2"), "vda"),
            owner: nil
        )
        try await scratch.define(
            "wrong",
            LibvirtScratch.disk(try await scratch.makeDisk("wrong.qcow2"), "vda"),
            owner: "a.b"
        )
        let found = try await scratch.driver.instances()
        // What has an owner that cannot be one is left out, and the others are not.
        #expect(found.count == odd.count + 1)
        for instance in found {
            #expect(try await scratch.driver.describe(instance.id) == instance)
            try await scratch.driver.checkDisk(.system, of: instance.id)
        }
        let plain = try known(found.first { $0.id.text == "plain" })
        #expect(plain.owner.text == "local")
        let uuid = try await scratch.libvirt.virsh(["domuuid", "plain"]).trimmingCharacters(in: .whitespacesAndNewlines)
        await #expect(throws: StepFailure.noInstance(try known(InstanceID(uuid)))) {
            _ = try await scratch.describe(uuid)
        }
        // A wrong owner is put right by adoption, and what else is said of a domain stays.
        try await scratch.define(
            "told",
            LibvirtScratch.disk(try await scratch.makeDisk("told.qcow2"), "vda"),
            metadata: "<g:disk target='vda' kind='cloud' autoDelete='no'/>"
        )
        for id in ["wrong", "told", "plain"] {
            try await scratch.driver.adopt(try known(InstanceID(id)), by: try known(Owner("acct-9")))
            #expect(try await scratch.describe(id).owner.text == "acct-9")
        }
        let told = try await scratch.describe("told").disks
        #expect(told.map(\.kind) == [.cloud] && told.map(\.autoDelete) == [false])
        let stranger = try known(Owner("acct-2"))
        for instance in found + [try known(found.first)] {
            await #expect(throws: StepFailure.noInstance(instance.id)) {
                _ = try await scratch.driver.describe(instance.id, for: stranger)
            }
        }
    }
}
