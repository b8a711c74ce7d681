import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Logging
import Subprocess
import SystemPackage
import Testing

/// Stopped instances with real system disks, all made in one start of libguestfs.
final class GuestDisks: Sendable {
    @TaskLocal static var current: GuestDisks?

    let scratch: DriverScratch
    let driver: LocalDriver

    /// For looks that are to succeed, however busy the machine is.
    static func patientDriver(at root: String) -> LocalDriver {
        driver(at: root, GuestInspector(program: program, timeLimit: .seconds(1_800)))
    }

    /// Beside the test bundle, where the package manager puts it.
    static let program: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/goldsmith"
    }()

    init() async throws {
        scratch = try DriverScratch()
        driver = Self.patientDriver(at: scratch.root)
        let drafts = scratch.path("drafts")
        try FileManager.default.createDirectory(atPath: drafts, withIntermediateDirectories: true)
        var script = ""
        for disk in Disk.all {
            try disk.write(to: drafts)
            try FileManager.default.createDirectory(
                atPath: scratch.path("instances", disk.id),
                withIntermediateDirectories: true
            )
            script += "sparse \(scratch.path("instances", disk.id, "base.raw")) \(disk.mebibytes)M\n"
        }
        let half = drafts + "/\(Disk.hostile.id)-half"
        try await DriverScratch.run("/usr/sbin/mkfs.ext4", ["-q", "-F", half, "64M"])
        let file = try #require(FileHandle(forUpdatingAtPath: half))
        try file.truncate(atOffset: 16 << 20)
        try file.close()
        script += "sparse \(drafts)/spare.raw 120M\nrun\n"
        let devices = "abcdefghijklmn".map { "/dev/sd\($0)" }
        for (index, disk) in Disk.all.enumerated() {
            script += disk.script(device: devices[index], spare: devices[Disk.all.count], drafts: drafts)
        }
        try await Self.guestfish(script)
        for disk in Disk.all { try await attach(disk) }
    }

    static func driver(at root: String, _ inspector: GuestInspector?) -> LocalDriver {
        LocalDriver(root: root, locations: [:], inspector: inspector, logger: Logger(label: "test"))
    }

    /// The instance's disk is a raw file, or a layer over one: whatever an instance may have.
    private func attach(_ disk: Disk) async throws {
        let base = scratch.path("instances", disk.id, "base.raw")
        if disk.isLayered {
            let layer = scratch.path("instances", disk.id, "vda.qcow2")
            let arguments = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, layer]
            try await DriverScratch.run("/usr/bin/qemu-img", arguments)
            try scratch.describe(disk.id, disks: [.init("/dev/vda", kind: "cloud", file: "vda.qcow2")])
        } else {
            try scratch.describe(disk.id, disks: [.init("/dev/vda", kind: "local", file: "base.raw", format: "raw")])
        }
    }

    func look(_ id: String) async throws -> GuestFacts {
        let inspection = try await driver.inspectGuest(of: try #require(InstanceID(id)))
        guard case .seen(let facts) = inspection else { throw ConformanceFailure("\(id): \(inspection)") }
        return facts
    }

    /// SHA-256 of every file of an instance.
    func sums(_ id: String) async throws -> String {
        let folder = scratch.path("instances", id)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { folder + "/" + $0 }
        return try await DriverScratch.run("/usr/bin/sha256sum", files)
    }

    /// Runs libguestfs's own shell, so that what it shows is not our reading of it.
    @discardableResult
    static func guestfish(_ script: String, _ arguments: [String] = []) async throws -> String {
        let result = try await Subprocess.run(
            .path("/usr/bin/guestfish"),
            arguments: Arguments(arguments),
            environment: .inherit.updating([
                "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
            ]),
            input: .string(script),
            output: .string(limit: 4 << 20),
            error: .string(limit: 1 << 20)
        )
        guard result.terminationStatus.isSuccess else {
            throw ConformanceFailure("guestfish: \(result.standardError)")
        }
        return result.standardOutput
    }
}

/// Whatever only looks at the disks, or at copies: making them takes a minute.
@Suite("Real disks of guests", WithGuestDisks())
enum GuestDiskTests {}

/// Makes the disks once for a whole suite, and removes them behind it.
struct WithGuestDisks: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing body: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let disks = try await GuestDisks()
        try await GuestDisks.$current.withValue(disks) { try await body() }
    }
}
