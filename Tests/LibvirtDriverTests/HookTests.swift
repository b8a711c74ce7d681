import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient
import Testing

@Suite(
    "libvirt refuses to start what carries a mark, and then block devices are captured",
    .enabled(if: TestLibvirt.isPossible, needsHost),
    .serialized,
    .timeLimit(.minutes(30))
)
struct HookTests {
    /// A block device over a file, until it is let go of.
    private final class LoopDevice {
        let path: String

        /// - Throws: when none can be had on this machine.
        init(over file: String) async throws {
            path = try await DriverScratch.run("/sbin/losetup", ["--find", "--show", file])
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }

        func letGo() async throws { try await DriverScratch.run("/sbin/losetup", ["--detach", path]) }
    }

    private static func install(on scratch: LibvirtScratch) async throws {
        let hook = StartHook(folder: scratch.libvirt.path("etc", "hooks", "qemu.d"))
        #expect(try hook.state() == .absent)
        #expect(try await !StartHook.isInForce(on: scratch.host))
        try hook.install()
        try hook.install()
        #expect(try hook.state() == .installed)
        try scratch.libvirt.reload()
        #expect(await eventually { (try? await StartHook.isInForce(on: scratch.host)) == true })
        // The machine that it was asked for was never there.
        #expect(try await scratch.libvirt.virsh(["list", "--all", "--name"]).contains("goldsmith-hook") == false)
    }

    private static func mark(_ domain: String, until: Int, _ scratch: LibvirtScratch) async throws {
        try await scratch.libvirt.virsh([
            "metadata", domain, "urn:goldsmith:capture:vda", "--key", "capture-vda", "--config", "--set",
            "<capture resource='img-1.vda.1' until='\(until)'/>",
        ])
    }

    @Test("a mark that has not run out refuses a start in words; one that has, or says nothing, does not")
    func marks() async throws {
        let scratch = try await LibvirtScratch()
        try await scratch.define("web1", LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"))
        try await Self.install(on: scratch)
        let now = Int(Date().timeIntervalSince1970)
        try await Self.mark("web1", until: now + 600, scratch)
        let refused = await #expect(throws: ConformanceFailure.self) {
            try await scratch.libvirt.virsh(["start", "web1"])
        }
        #expect(refused?.description.contains("goldsmith: its disks are being captured for") == true)
        #expect(try await scratch.describe("web1").status == .stopped)

        try await Self.mark("web1", until: now + 3, scratch)
        #expect(await eventually { (try? await scratch.libvirt.virsh(["start", "web1"])) != nil })
        try await scratch.libvirt.virsh(["destroy", "web1"])
        try await scratch.libvirt.virsh([
            "metadata", "web1", "urn:goldsmith:capture:vda", "--key", "capture-vda", "--config", "--set",
            "<capture resource='img-1.vda.1' until='99999999999999999999'/>",
        ])
        try await scratch.libvirt.virsh(["start", "web1"])
        try await scratch.libvirt.virsh(["destroy", "web1"])

        try await Self.mark("web1", until: now + 600, scratch)
        let hook = StartHook(folder: scratch.libvirt.path("etc", "hooks", "qemu.d"))
        try hook.remove()
        try hook.remove()
        #expect(try await !StartHook.isInForce(on: scratch.host))
        try await scratch.libvirt.virsh(["start", "web1"])
    }

    @Test("a block device is captured while its domain is kept from starting, and only then")
    func device() async throws {
        let scratch = try await LibvirtScratch(copyRate: 1 << 20)
        let file = try await scratch.makeDisk("web1.raw", format: "raw", mebibytes: 32)
        let device = try await LoopDevice(over: file)
        do {
            try await capture(device.path, equalTo: file, scratch)
        } catch {
            try await device.letGo()
            throw error
        }
        try await device.letGo()
    }

    private func capture(_ device: String, equalTo file: String, _ scratch: LibvirtScratch) async throws {
        try await scratch.define(
            "web1",
            "<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='\(device)'/>"
                + "<target dev='vda' bus='virtio'/></disk>"
        )
        #expect(try await scratch.describe("web1").disks.map(\.sizeBytes) == [32 << 20])
        let early = try await refusal { try await scratch.captureSystem("web1") }
        #expect(early.code == .failedPrecondition && early.advice?.contains("goldsmith hook install") == true)
        let unchecked = try await refusal { try await scratch.checkDisk(of: "web1") }
        #expect(unchecked.code == .failedPrecondition)
        #expect(try await scratch.driver.inventory().isEmpty)

        try await Self.install(on: scratch)
        try await scratch.checkDisk(of: "web1")
        let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        async let capturing = scratch.captureSystem("web1") { if $0.doneBytes > 0 { begun.yield() } }
        for await _ in signals { break }
        let refused = await #expect(throws: ConformanceFailure.self) {
            try await scratch.libvirt.virsh(["start", "web1"])
        }
        #expect(refused?.description.contains("goldsmith: its disks are being captured") == true)
        let capture = try await capturing
        let copy = scratch.libvirt.path("data", "images", capture.resource.id.text, "vda.qcow2")
        try await DriverScratch.run("/usr/bin/qemu-img", ["compare", "-q", "-f", "raw", "-F", "qcow2", file, copy])
        #expect(capture.virtualSizeBytes == 32 << 20)
        #expect(try await scratch.libvirt.virsh(["dumpxml", "web1"]).contains("urn:goldsmith:capture") == false)
        try await scratch.driver.delete(capture.resource)

        // Without the mark the domain could be started: what was captured meanwhile does not count.
        let (again, begunAgain) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        async let unmarked = refusal {
            try await scratch.captureSystem("web1") { if $0.doneBytes > 0 { begunAgain.yield() } }
        }
        for await _ in again { break }
        try await scratch.libvirt.virsh(["metadata", "web1", "urn:goldsmith:capture:vda", "--config", "--remove"])
        let broken = try await unmarked
        #expect(broken.code == .failedPrecondition && broken.disposition == .transient)
        #expect(broken.message.contains("was taken away"), "\(broken.message)")

        // One that is cancelled gives the domain back at once.
        let (third, begunThird) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let cancelled = Task { try await scratch.captureSystem("web1") { if $0.doneBytes > 0 { begunThird.yield() } } }
        for await _ in third { break }
        cancelled.cancel()
        _ = await cancelled.result
        try await scratch.libvirt.virsh(["start", "web1"])
        let running = try await refusal { try await scratch.captureSystem("web1") }
        #expect(running.message.contains("Running"), "\(running.message)")
        try await scratch.libvirt.virsh(["destroy", "web1"])
    }
}
