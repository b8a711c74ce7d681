import Foundation
import GoldsmithTestSupport
import ImageCore
import Logging
import Testing

@testable import ImageDrivers

/// Replicas started in real machines. The guests are boot sectors: they start in a second, also on an emulated processor.
@Suite(
    "The local driver starts replicas",
    .timeLimit(.minutes(30)),
    .enabled(if: BootProver(program: "").obstacle == nil, "scripts/setup installs qemu-system-x86")
)
struct BootProofTests {
    /// What a guest does after its text.
    private enum Ending {
        case halts
        case switchesOff
    }

    /// A boot sector that writes a text to the serial line.
    private static func sector(_ text: String, _ ending: Ending = .halts) -> [UInt8] {
        // cli; ds = 0; si = the text; dx = the port; until a zero: write a byte.
        var code: [UInt8] = [
            0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0xBE, 0, 0x7C, 0xBA, 0xF8, 0x03, 0xAC, 0x84, 0xC0, 0x74, 0x03, 0xEE, 0xEB,
            0xF8,
        ]
        // ACPI's register for the sleep state, on the chipset of the machine `pc`.
        if ending == .switchesOff { code += [0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF] }
        code += [0xF4, 0xEB, 0xFD]
        code[6] = UInt8(code.count)
        code += Array(text.utf8.prefix(400)) + [0]
        return code + [UInt8](repeating: 0, count: 510 - code.count) + [0x55, 0xAA]
    }

    /// A boot sector that writes a text to the screen, and nothing to the serial line.
    private static func screenSector(_ text: String) -> [UInt8] {
        // ds = 0; text mode; es:di = the screen's memory; si = the text; until a zero: write a byte, grey on black.
        var code: [UInt8] = [
            0x31, 0xC0, 0x8E, 0xD8, 0xB8, 0x03, 0x00, 0xCD, 0x10, 0xB8, 0x00, 0xB8, 0x8E, 0xC0, 0x31, 0xFF, 0xBE, 0,
            0x7C,
            0xB4, 0x07, 0xAC, 0x84, 0xC0, 0x74, 0x03, 0xAB, 0xEB, 0xF8, 0xF4, 0xEB, 0xFD,
        ]
        code[17] = UInt8(code.count)
        code += Array(text.utf8.prefix(400)) + [0]
        return code + [UInt8](repeating: 0, count: 510 - code.count) + [0x55, 0xAA]
    }

    /// A location with a replica of a disk, and the driver to start it.
    private final class Place: Sendable {
        let scratch: DriverScratch
        let driver: LocalDriver
        let workplace: String
        let replica: Replica

        init(_ head: [UInt8], limit: Duration = .seconds(120), screenInterval: Duration? = nil) async throws {
            scratch = try DriverScratch()
            workplace = "/tmp/gs-boot-\(UInt32.random(in: 0 ... .max))"
            try FileManager.default.createDirectory(atPath: workplace, withIntermediateDirectories: false)
            chmod(workplace, 0o711)
            let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
            let program = (own as NSString).deletingLastPathComponent + "/goldsmith"
            let east = try known(LocationName("east"))
            driver = LocalDriver(
                root: scratch.root,
                locations: [east: scratch.path("locations", "east")],
                prover: BootProver(
                    program: program,
                    timeLimit: limit,
                    emulatedTimeLimit: limit,
                    workplace: workplace,
                    screenInterval: screenInterval ?? limit
                ),
                logger: Logger(label: "test")
            )
            let folder = scratch.path("instances", "i-1")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(head + [UInt8](repeating: 0, count: (1 << 20) - head.count)).write(
                to: URL(fileURLWithPath: folder + "/vda")
            )
            try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda", format: "raw")])
            let capture = try await scratch.captureSystem("i-1")
            let resource = try known(resource("img-1", .replica, "east", location: "east"))
            replica = try await driver.replicate([capture], manifest: [1], into: resource, progress: { _ in })
        }

        deinit { try? FileManager.default.removeItem(atPath: workplace) }

        func file(_ name: String) -> String { scratch.path("locations", "east", replica.resource.id.text, name) }

        var machines: [Int] { Processes.mentioning(workplace) }

        /// What the proof has left where it worked, and who still runs there.
        func remains() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: workplace) + machines.map(String.init)
        }
    }

    @Test("A login on the serial line is seen, and the replica stays as it is")
    func login() async throws {
        let place = try await Place(Self.sector("\r\nweb1 login: "))
        let before = try Data(contentsOf: URL(fileURLWithPath: place.file("vda.qcow2")))
        let seen = try await place.driver.proveBoot(of: place.replica)
        #expect(seen.end == .sign && seen.sign == .loginPrompt && seen.verdict == .proven)
        #expect(seen.firmware == .bios && seen.console.last == "web1 login:")
        #expect(seen.files == ["boot-console.txt", "boot-screen.png"])
        let text = try String(contentsOfFile: place.file("boot-console.txt"), encoding: .utf8)
        #expect(text.contains("web1 login:") && !text.contains("\u{1b}"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: place.file("vda.qcow2"))) == before)
        #expect(try place.remains().isEmpty)
        try await place.driver.delete(place.replica.resource)
        #expect(try await place.driver.inventory().allSatisfy { $0.kind != .replica })
    }

    @Test("What a guest without a serial console shows is read on its screen")
    func screen() async throws {
        let row = "Debian GNU/Linux 12 web1 tty1"
        let text = row + String(repeating: " ", count: 160 - row.utf8.count) + "web1 login: "
        let place = try await Place(Self.screenSector(text), screenInterval: .seconds(1))
        let seen = try await place.driver.proveBoot(of: place.replica)
        #expect(seen.end == .sign && seen.sign == .loginPrompt && seen.isFromScreen == true, "\(seen)")
        #expect(seen.sentence.hasSuffix(", read on the screen") && seen.console.contains { $0.contains("web1 login") })
        #expect(try place.remains().isEmpty)
    }

    @Test("A panic, and a disk without a boot loader, are seen to fail")
    func failed() async throws {
        let panic = try await Place(Self.sector("[ 1.0] Kernel panic - not syncing: VFS\r\n"))
        let seen = try await panic.driver.proveBoot(of: panic.replica)
        #expect(seen.sign == .kernelPanic && seen.verdict == .failed)
        let empty = try await Place([])
        let firmware = try await empty.driver.proveBoot(of: empty.replica)
        #expect(firmware.sign == .noBootableDevice, "\(firmware.console)")
        #expect(try panic.remains().isEmpty && empty.remains().isEmpty)
    }

    @Test("A guest that says nothing, or switches itself off, proves nothing")
    func unproven() async throws {
        let silent = try await Place(Self.sector(""), limit: .seconds(6))
        let nothing = try await silent.driver.proveBoot(of: silent.replica)
        #expect(nothing.end == .deadline && nothing.sign == nil && nothing.verdict == .notProven)
        let off = try await Place(Self.sector("bye\r\n", .switchesOff))
        let ended = try await off.driver.proveBoot(of: off.replica)
        #expect(ended.end == .switchedOff && ended.verdict == .notProven, "\(ended)")
        #expect(try silent.remains().isEmpty && off.remains().isEmpty)
    }

    @Test("A cancelled proof ends its machine at once, and leaves nothing")
    func cancelled() async throws {
        let place = try await Place(Self.sector(""))
        let proof = Task { try await place.driver.proveBoot(of: place.replica) }
        try await becomesTrue { !place.machines.isEmpty }
        let began = ContinuousClock.now
        proof.cancel()
        let failure = await #expect(throws: StepFailure.self) { try await proof.value }
        #expect(failure?.code == .cancelled)
        #expect(ContinuousClock.now - began < .seconds(20))
        #expect(try place.remains().isEmpty)
    }

    @Test("What a killed worker has left goes with the next machine; what others use stays")
    func leftBehind() async throws {
        let place = try await Place(Self.sector("\r\nweb1 login: "))
        let left = place.workplace + "/goldsmith-place-abcdef"
        let outside = place.scratch.path("outside")
        for folder in [left + "/deep", outside] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        try Data("kept".utf8).write(to: URL(fileURLWithPath: outside + "/file"))
        try Data("layer".utf8).write(to: URL(fileURLWithPath: left + "/deep/layer0.qcow2"))
        try FileManager.default.createSymbolicLink(atPath: left + "/link", withDestinationPath: outside)
        let used = place.workplace + "/goldsmith-place-inuse1"
        try FileManager.default.createDirectory(atPath: used, withIntermediateDirectories: false)
        let descriptor = open(used, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        _ = try await place.driver.proveBoot(of: place.replica)
        #expect(try place.remains() == ["goldsmith-place-inuse1"])
        #expect(FileManager.default.fileExists(atPath: outside + "/file"))
    }

    @Test("A replica that is gone, and a driver without a prover, say so")
    func refused() async throws {
        let place = try await Place(Self.sector(""))
        try await place.driver.delete(place.replica.resource)
        let gone = try await refusal { _ = try await place.driver.proveBoot(of: place.replica) }
        #expect(gone.disposition == .transient && gone.message == "Location east is not there.")
        let without = try await refusal { _ = try await place.scratch.driver.proveBoot(of: place.replica) }
        #expect(without.code == .failedPrecondition)
    }

    @Test("The machine has no network, no way to write the replica, and QEMU's own filter on")
    func machine() throws {
        let uefi = BootMachine.Firmware.uefi(code: "/usr/share/OVMF/OVMF_CODE_4M.fd", variables: "/tmp/s/variables.fd")
        for firmware in [.bios, uefi] {
            for bus in [BootMachine.Bus.virtio, .sata, .scsi, .ide] {
                let machine = BootMachine(scratch: "/tmp/s", layers: ["a", "b"], bus: bus, firmware: firmware)
                let words = machine.arguments
                #expect(words.contains("-nodefaults") && words.contains("-no-user-config"))
                #expect(words.firstIndex(of: "-nic").map { words[$0 + 1] } == "none")
                #expect(words.contains { $0.hasPrefix("on,") && $0.contains("spawn=deny") })
                #expect(!words.contains { $0.contains("netdev") || $0.contains("vfio") })
                let below = words.filter { $0.contains("/dev/fdset/") }
                #expect(below.count == 2 && below.allSatisfy { $0.contains(#""read-only":true"#) })
                #expect(words.count { $0.contains("bootindex") } == 1)
            }
        }
    }

    @Test("Root's rights are given up, and only the group of /dev/kvm is kept")
    func rights() {
        let other = UnprivilegedUser(isOther: true, virtualisation: 108).options
        #expect(other == ["--reuid", "65534", "--regid", "65534", "--groups", "108", "--no-new-privs"])
        #expect(UnprivilegedUser(isOther: true, virtualisation: nil).options.contains("--clear-groups"))
        #expect(UnprivilegedUser(isOther: false, virtualisation: 108).options == ["--no-new-privs"])
    }
}
