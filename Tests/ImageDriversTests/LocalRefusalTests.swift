import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("The local driver refuses what it must not capture", .timeLimit(.minutes(30)))
struct LocalRefusalTests {
    /// Something in place of a sound disk, made with the instance's folder as the working place.
    struct Trap: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var code = ErrorCode.failedPrecondition
        /// What the sentence must say.
        var says: String
        var format = "qcow2"
        var set: @Sendable (_ folder: String) async throws -> Void
    }

    private static func backing(_ name: String, _ says: String, format: String? = "raw") -> Trap {
        Trap(testDescription: "a backing file \(name)", says: says) { folder in
            // `-u`: qemu-img writes the name without opening it.
            let named = format.map { ["-F", $0] } ?? []
            try await DriverScratch.run(
                "/usr/bin/qemu-img",
                ["create", "-q", "-u", "-f", "qcow2", "-b", name] + named + [folder + "/vda", "1M"]
            )
        }
    }

    static let traps =
        [
            Trap(testDescription: "no file", code: .notFound, says: "has no file vda") { _ in },
            Trap(testDescription: "a folder", says: "not a regular file") { folder in
                try FileManager.default.createDirectory(atPath: folder + "/vda", withIntermediateDirectories: true)
            },
            Trap(testDescription: "a pipe", says: "not a regular file", format: "raw") { folder in
                try await DriverScratch.run("/usr/bin/mkfifo", [folder + "/vda"])
            },
            Trap(testDescription: "a dangling link", code: .notFound, says: "has no file vda") { folder in
                try FileManager.default.createSymbolicLink(atPath: folder + "/vda", withDestinationPath: "nothing")
            },
            Trap(testDescription: "a link that leads to itself", says: "cannot be followed") { folder in
                try FileManager.default.createSymbolicLink(atPath: folder + "/vda", withDestinationPath: "vda")
            },
            Trap(testDescription: "a link out of the folder", says: "outside", format: "raw") { folder in
                try FileManager.default.createSymbolicLink(atPath: folder + "/vda", withDestinationPath: "/etc/passwd")
            },
            Trap(testDescription: "no qcow2 file at all", says: "/dev/vda of instance i-1 is not in the format") {
                folder in
                try Data("hello".utf8).write(to: URL(fileURLWithPath: folder + "/vda"))
            },
            Trap(testDescription: "a qcow2 file with wrong tables", says: "/dev/vda of instance i-1 is corrupt") {
                folder in
                try await DriverScratch.run(
                    "/usr/bin/qemu-img",
                    ["create", "-q", "-f", "qcow2", folder + "/vda", "8M"]
                )
                try await DriverScratch.run(
                    "/usr/bin/qemu-io",
                    ["-f", "qcow2", "-c", "write -q 0 1M", folder + "/vda"]
                )
                // The block that counts the references to each cluster.
                let handle = try known(FileHandle(forUpdatingAtPath: folder + "/vda"))
                try handle.seek(toOffset: 0x20000)
                try handle.write(contentsOf: [UInt8](repeating: 0, count: 64))
                try handle.close()
            },
            Trap(testDescription: "an encrypted disk", says: "is encrypted") { folder in
                try await DriverScratch.run(
                    "/usr/bin/qemu-img",
                    [
                        "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
                        "encrypt.format=aes,encrypt.key-secret=s", folder + "/vda", "1M",
                    ]
                )
            },
            Trap(testDescription: "a data file outside", says: "outside") { folder in
                let outside = folder + "/../data-\(UUID().uuidString)"
                try await DriverScratch.run(
                    "/usr/bin/qemu-img",
                    ["create", "-q", "-f", "qcow2", "-o", "data_file=\(outside)", folder + "/vda", "1M"]
                )
            },
            Trap(testDescription: "a chain that bites its tail", says: "loop") { folder in
                for (file, below) in [("vda", "b"), ("b", "vda")] {
                    try await DriverScratch.run(
                        "/usr/bin/qemu-img",
                        ["create", "-q", "-u", "-f", "qcow2", "-b", below, "-F", "qcow2", folder + "/" + file, "1M"]
                    )
                }
            },
        ] + [
            backing("/etc/passwd", "outside"),
            backing("../../../../../../../../etc/passwd", "outside"),
            backing("nbd:127.0.0.1:1", "no file"),
            backing("json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}", "no file"),
            backing("file:/etc/passwd", "no file"),
            backing("gone", "has no file gone"),
            backing("x", "whose format is not given", format: "vmdk"),
        ]

    @Test("a disk that is a trap is refused for good, by name, and nothing is left", arguments: traps)
    func trap(_ trap: Trap) async throws {
        let scratch = try DriverScratch()
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda", format: trap.format)])
        try await trap.set(scratch.path("instances", "i-1"))
        let check = try await refusal { try await scratch.driver.checkDisk(.system, of: try known(InstanceID("i-1"))) }
        let capture = try await refusal { _ = try await scratch.captureSystem("i-1") }
        for failure in [check, capture] {
            #expect(failure.disposition == .permanent)
            #expect(failure.message.contains(trap.says), "\(failure.message)")
            #expect(failure.message.contains("/dev/vda"))
            #expect(!failure.message.contains("\n") && failure.message.count < 500)
        }
        #expect(try await scratch.driver.inventory().isEmpty)
    }

    @Test("what qemu-img says of a damaged disk is in the worker's log, and nowhere else")
    func words() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let handle = try known(FileHandle(forUpdatingAtPath: scratch.path("instances", "i-1", "vda")))
        try handle.write(contentsOf: [UInt8](repeating: 0, count: 512))
        try handle.close()
        let log = RecordingLog()
        let driver = LocalDriver(root: scratch.root, locations: [:], logger: log.logger)
        let id = try known(InstanceID("i-1"))
        let asked: [@Sendable () async throws -> Void] = [
            { _ = try await driver.describe(id) }, { try await driver.checkDisk(.system, of: id) },
        ]
        for ask in asked {
            let failure = try await refusal { try await ask() }
            let said = failure.message + (failure.advice ?? "")
            #expect(said.contains("/dev/vda of instance i-1") && !said.contains(scratch.root), "\(said)")
            #expect(!said.contains("json:") && !said.contains("Could not open"), "\(said)")
        }
        #expect(log.text.contains("Could not open") && log.text.contains(scratch.path("instances", "i-1", "vda")))
    }

    @Test("a disk that another program writes is refused, and can still be described", arguments: ["qcow2", "raw"])
    func writer(format: String) async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda", format: format)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda", format: format)])
        let id = try known(InstanceID("i-1"))
        try await withWriter(of: scratch.path("instances", "i-1", "vda"), format: format) {
            let failure = try await refusal { _ = try await scratch.captureSystem("i-1") }
            #expect(failure.disposition == .permanent && failure.code == .failedPrecondition)
            #expect(failure.message.contains("being written"))
            #expect(try await scratch.driver.describe(id).disks.map(\.sizeBytes) == [64 << 20])
        }
        _ = try await scratch.captureSystem("i-1")
    }

    @Test("a disk that is written while it is captured is refused, though its instance says Stopped")
    func changedDuringCopy() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda", format: "raw")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda", format: "raw")])
        let disk = scratch.path("instances", "i-1", "vda")
        let failure = try await refusal {
            _ = try await scratch.captureSystem("i-1") { _ in
                let handle = FileHandle(forUpdatingAtPath: disk)
                try? handle?.seek(toOffset: 1 << 20)
                try? handle?.write(contentsOf: [1, 2, 3])
                try? handle?.close()
            }
        }
        #expect(failure.code == .failedPrecondition && failure.disposition == .permanent)
        #expect(failure.message.contains("was written while it was captured"))
    }

    @Test("a machine cannot be started over a capture, and can as soon as the capture is cancelled")
    func startDuringCopy() async throws {
        let scratch = try DriverScratch(copyRate: 64 << 10)
        try await scratch.makeDisk("i-1", "vda")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let capture = Task { try await scratch.captureSystem("i-1") { if $0.totalBytes > 0 { begun.yield() } } }
        for await _ in signals { break }
        let disk = scratch.path("instances", "i-1", "vda")
        let write = ["-f", "qcow2", "-c", "write -q 0 1M", disk]
        let refused = await #expect(throws: ConformanceFailure.self) {
            try await DriverScratch.run("/usr/bin/qemu-io", write)
        }
        #expect(refused?.description.contains("\"write\" lock") == true, "\(refused?.description ?? "")")
        capture.cancel()
        _ = await capture.result
        try await DriverScratch.run("/usr/bin/qemu-io", write)
    }

    @Test("one broken instance does not hide the others")
    func brokenInstance() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        try scratch.describe("i-2", disks: [.init("/dev/vda", kind: "local", file: "gone")])
        #expect(try await scratch.driver.instances().map(\.id.text) == ["i-1"])
    }
}
