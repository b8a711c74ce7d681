import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient
import Testing

@Suite(
    "A launched domain has its source's hardware and nothing of its identity",
    .enabled(if: TestLibvirt.isPossible, needsHost),
    .serialized,
    .timeLimit(.minutes(30))
)
struct LaunchTests {
    private func published(_ id: String, _ scratch: LibvirtScratch) async throws -> (DomainXML, Resource) {
        let (launch, replica) = try await scratch.replicated(id)
        let made = try resource(.instance, "launch")
        try await scratch.driver.launch(launch, from: replica, into: made, progress: { _ in })
        try await scratch.driver.publishInstance(launch, from: made)
        return (try DomainXML(try await scratch.libvirt.virsh(["dumpxml", "--inactive", "web2"])), made)
    }

    @Test("MAC addresses, serial numbers, the host's devices and passwords stay behind, and the domain starts")
    func identity() async throws {
        let scratch = try await LibvirtScratch()
        let path = try await scratch.makeDisk("web1.qcow2")
        try await scratch.define(
            "web1",
            LibvirtScratch.disk(path, "sda", bus: "scsi", "<serial>sys-1</serial>")
                + """
                <controller type='scsi' model='virtio-scsi'/>
                <interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>
                <interface type='network'><mac address='52:54:00:11:22:44'/><source network='blue'/><model type='virtio'/></interface>
                <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0x6' slot='0x2' function='0'/></source></hostdev>
                <filesystem type='mount'><source dir='/etc'/><target dir='etc'/></filesystem>
                <serial type='file'><source path='/tmp/goldsmith-serial'/></serial>
                <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
                <graphics type='vnc' port='5999' passwd='secret' listen='0.0.0.0'/>
                <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
                """
        )
        let (xml, _) = try await published("web1", scratch)
        let devices = try known(xml.root.first("devices"))
        #expect(devices.first("hostdev") == nil && devices.first("filesystem") == nil)
        #expect(!devices.all("serial").contains { $0["type"] == "file" })
        #expect(devices.first("channel", "target")?["name"] == "org.qemu.guest_agent.0")
        #expect(
            devices.all("graphics").map { [$0["listen"], $0["passwd"], $0["port"]] } == [[nil, nil, "-1"]]
        )
        #expect(devices.first("rng") != nil)
        let addresses = devices.all("interface").compactMap { $0.first("mac")?["address"] }
        #expect(addresses.count == 2 && addresses.allSatisfy { !$0.hasPrefix("52:54:00:11:22") })
        #expect(devices.all("interface").last?.first("source")?["network"] == "blue")
        let disk = try known(devices.first("disk"))
        #expect(disk.first("serial") == nil && disk.first("target")?["dev"] == "sda")
        #expect(xml.disks.map(\.bus) == ["scsi"])
        #expect(try await scratch.describe("web2").owner.text == "acct-7")

        // Its user is not root, and can get at its disks. (There is no network "blue" here.)
        try await scratch.libvirt.virsh(["detach-interface", "web2", "network", "--config"])
        try await scratch.libvirt.virsh(["start", "web2"])
        #expect(try await scratch.describe("web2").status == .running)
    }

    @Test("the variables of a UEFI firmware go with the image, and each domain has its own", arguments: [true, false])
    func firmware(isKept: Bool) async throws {
        let scratch = try await LibvirtScratch()
        let variables = scratch.libvirt.path("pool", "web1_VARS.fd")
        let bytes = Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        if isKept { try bytes.write(to: URL(fileURLWithPath: variables)) }
        try await scratch.define(
            "web1",
            LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"),
            os: """
                <os><type arch='x86_64' machine='q35'>hvm</type>
                <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
                <nvram template='/etc/shadow'>\(variables)</nvram></os><features><acpi/></features>
                """
        )
        let (xml, made) = try await published("web1", scratch)
        let copy = scratch.libvirt.path("disks", made.id.text, "nvram.fd")
        let os = try known(xml.root.first("os"))
        #expect(os.first("loader")?.text == "/usr/share/OVMF/OVMF_CODE_4M.fd")
        #expect(os.first("nvram")?["template"] != "/etc/shadow")
        #expect(os.first("nvram")?.text == copy, "its own, also where libvirt is still to make it")
        #expect(FileManager.default.contents(atPath: copy) == (isKept ? bytes : nil))
    }

    @Test("a description that somebody has put into a location opens nothing of the host")
    func hostile() async throws {
        let scratch = try await LibvirtScratch()
        try await scratch.define("web1", LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"))
        let (launch, replica) = try await scratch.replicated("web1")
        let sheet = scratch.libvirt.path("data", "locations", "east", replica.resource.id.text, "machine.xml")
        let evil = """
            <domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>evil</name>
            <memory unit='MiB'>64</memory><vcpu>1</vcpu>
            <os><type arch='x86_64' machine='q35'>hvm</type><kernel>/etc/shadow</kernel><loader type='rom'>/etc/shadow</loader></os>
            <devices><emulator>/bin/sh</emulator>
            <disk type='block' device='disk'><source dev='/dev/sda'/><target dev='vda' bus='virtio'/></disk>
            <disk type='file' device='cdrom'><source file='/etc/shadow'/><target dev='sdz' bus='sata'/></disk>
            <rng model='virtio'><backend model='random'>/etc/shadow</backend></rng>
            </devices>
            <qemu:commandline><qemu:arg value='-drive'/><qemu:arg value='file=/etc/shadow'/></qemu:commandline></domain>
            """
        try Data(evil.utf8).write(to: URL(fileURLWithPath: sheet))
        let made = try resource(.instance, "launch")
        try await scratch.driver.launch(launch, from: replica, into: made, progress: { _ in })
        try await scratch.driver.publishInstance(launch, from: made)
        let xml = try await scratch.libvirt.virsh(["dumpxml", "--inactive", "web2"])
        for word in ["shadow", "/dev/sda", "/bin/sh", "commandline", "evil"] { #expect(!xml.contains(word)) }

        try Data("<domain>&x;</domain>".utf8).write(to: URL(fileURLWithPath: sheet))
        let other = try resource(.instance, "other")
        let broken = try await refusal {
            try await scratch.driver.launch(launch, from: replica, into: other, progress: { _ in })
        }
        #expect(broken.code == .failedPrecondition)
        try FileManager.default.removeItem(atPath: sheet)
        let missing = try await refusal {
            try await scratch.driver.launch(launch, from: replica, into: other, progress: { _ in })
        }
        #expect(missing.message.contains("nothing of the machine"))
        try await scratch.driver.delete(other)
        #expect(!(try await scratch.driver.inventory().contains { $0.kind == .instance }))
    }

    @Test("an undefined domain keeps its disks, and a message that comes twice does not bring it back")
    func undefined() async throws {
        let scratch = try await LibvirtScratch()
        try await scratch.define("web1", LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"))
        let (launch, replica) = try await scratch.replicated("web1")
        let made = try resource(.instance, "launch")
        try await scratch.driver.launch(launch, from: replica, into: made, progress: { _ in })
        try await scratch.driver.publishInstance(launch, from: made)
        try await scratch.libvirt.virsh(["undefine", "web2"])
        let late = try await refusal { try await scratch.driver.publishInstance(launch, from: made) }
        #expect(late.code == .notFound)
        let disk = scratch.libvirt.path("disks", made.id.text, "vda.qcow2")
        #expect(FileManager.default.fileExists(atPath: disk))
        #expect(!(try await scratch.driver.inventory().contains(made)))
        try await scratch.driver.delete(made)
        #expect(FileManager.default.fileExists(atPath: disk))
    }

    @Test("a failed launch whose domain was started waits until it is shut down, and then goes without a trace")
    func rolledBack() async throws {
        let scratch = try await LibvirtScratch()
        try await scratch.define("web1", LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"))
        let (_, made) = try await published("web1", scratch)
        try await scratch.libvirt.virsh(["start", "web2"])
        let busy = try await refusal { try await scratch.driver.rollBackLaunch(made) }
        #expect(busy.disposition == .transient && busy.message.contains("was started"))
        try await scratch.libvirt.virsh(["destroy", "web2"])
        try await scratch.driver.rollBackLaunch(made)
        await #expect(throws: StepFailure.noInstance(try known(InstanceID("web2")))) {
            _ = try await scratch.describe("web2")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.libvirt.path("disks")) == [".launches"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.libvirt.path("disks", ".launches")).isEmpty)
    }
}
