import Foundation
import GoldsmithTestSupport
import ImageCore
import Logging
import Testing

@testable import ImageDrivers

@Suite("Disks of many files, and disks that were not closed", .timeLimit(.minutes(30)))
struct ChainTests {
    private let qemuImg = QemuImg(program: "/usr/bin/qemu-img", logger: Logger(label: "test"))

    /// A chain in an instance's folder, each file with a little of its own.
    /// - Returns: the topmost file.
    private func makeChain(_ scratch: DriverScratch, files: Int, base: String = "raw") async throws -> String {
        try await scratch.makeDisk("i-1", "f1", format: base, virtualMebibytes: 8, mebibytes: 1)
        let folder = scratch.path("instances", "i-1")
        for number in 2...files {
            let format = number == 2 ? base : "qcow2"
            try await DriverScratch.run(
                "/usr/bin/qemu-img",
                ["create", "-q", "-f", "qcow2", "-F", format, "-b", "f\(number - 1)", "\(folder)/f\(number)"]
            )
            if number % 20 == 0 {
                try await DriverScratch.run(
                    "/usr/bin/qemu-io",
                    ["-f", "qcow2", "-c", "write -q -P \(number) \(number * 64)k 64k", "\(folder)/f\(number)"]
                )
            }
        }
        return "\(folder)/f\(files)"
    }

    @Test("a chain of any legal length can be looked into and captured", arguments: [2, 11, 64])
    func long(files: Int) async throws {
        let scratch = try DriverScratch()
        let top = try await makeChain(scratch, files: files)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "f\(files)")])
        let id = try known(InstanceID("i-1"))
        let reader = SourceDiskReader(qemuImg: qemuImg, folder: scratch.path("instances", "i-1"), instance: id)
        let source = try await reader.open(
            .init(device: .system, kind: .local, file: "f\(files)", format: .qcow2, autoDelete: true)
        )
        let place = scratch.path("layers")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        var stack = LayerStack(in: place)
        let layer = try await stack.put(over: source.node, qemuImg)
        try await DriverScratch.run("/usr/bin/qemu-img", ["compare", "-f", "qcow2", "-F", "qcow2", top, layer])
        // What is written goes into the layer, as the look of a guest's file system may have it.
        try await DriverScratch.run("/usr/bin/qemu-io", ["-f", "qcow2", "-c", "write -q -P 9 0 64k", layer])
        #expect(reader.isUnchanged(source))
        try await scratch.expectSame(top, "qcow2", try await scratch.captureSystem("i-1"))
    }

    @Test("long paths take no room in a layer's header")
    func longPaths() async throws {
        let scratch = try DriverScratch()
        let deep = scratch.path("instances", "i-1") + "/" + String(repeating: "d", count: 200)
        let name = String(repeating: "n", count: 200)
        try FileManager.default.createDirectory(atPath: deep, withIntermediateDirectories: true)
        var node: BlockNode?
        for number in 1...12 {
            let path = "\(deep)/\(name)\(number)"
            var arguments = ["create", "-q", "-f", "qcow2", path]
            if number > 1 { arguments += ["-F", "qcow2", "-b", "\(name)\(number - 1)"] } else { arguments += ["8M"] }
            try await DriverScratch.run("/usr/bin/qemu-img", arguments)
            node = .qcow2(path: path, dataFile: nil, backing: node)
        }
        let place = scratch.path("layers")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        var stack = LayerStack(in: place)
        let layer = try await stack.put(over: try known(node), qemuImg)
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            ["compare", "-f", "qcow2", "-F", "qcow2", "\(deep)/\(name)12", layer]
        )
    }

    /// Makes a qcow2 file whose writer ended without closing it.
    private func makeUnclosed(_ path: String, backing: String? = nil) async throws {
        var arguments = ["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on"]
        if let backing { arguments += ["-F", "qcow2", "-b", backing] }
        try await DriverScratch.run("/usr/bin/qemu-img", arguments + [path, "32M"])
        _ = try? await DriverScratch.run(
            "/usr/bin/qemu-io",
            ["-f", "qcow2", "-c", "write -q -P 7 1M 3M", "-c", "flush", "-c", "abort", path]
        )
    }

    @Test("a disk that was not closed is told so, with the file and the command, and is captured after it")
    func unclosed() async throws {
        let scratch = try DriverScratch()
        let disk = scratch.path("instances", "i-1", "vda.qcow2")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
        try await makeUnclosed(disk)
        let failure = try await refusal { _ = try await scratch.captureSystem("i-1") }
        #expect(failure.disposition == .permanent && failure.code == .failedPrecondition)
        #expect(failure.message.contains("was not closed properly") && failure.message.contains("vda.qcow2"))
        #expect(!failure.message.contains("corrupt"))
        #expect(failure.advice?.contains("qemu-img check -r all") == true)
        try await DriverScratch.run("/usr/bin/qemu-img", ["check", "-q", "-r", "all", disk])
        try await scratch.expectSame(disk, "qcow2", try await scratch.captureSystem("i-1"))
    }

    @Test("of a chain the file that was not closed is named")
    func unclosedBelow() async throws {
        let scratch = try DriverScratch()
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "top.qcow2")])
        try await makeUnclosed(scratch.path("instances", "i-1", "base.qcow2"))
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            [
                "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2",
                scratch.path("instances", "i-1", "top.qcow2"),
            ]
        )
        let failure = try await refusal {
            try await scratch.driver.checkDisk(.system, of: try known(InstanceID("i-1")))
        }
        #expect(failure.message.contains("not closed properly") && failure.message.contains("base.qcow2"))
    }

    @Test("a dirty bit over tables that are right keeps nobody from capturing")
    func dirtyAndRight() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let disk = scratch.path("instances", "i-1", "vda")
        // The lowest bit of the incompatible features, at byte 72 to 79.
        let handle = try known(FileHandle(forUpdatingAtPath: disk))
        try handle.seek(toOffset: 79)
        try handle.write(contentsOf: [1])
        try handle.close()
        _ = try await scratch.captureSystem("i-1")
    }

    @Test("a disk that QEMU has marked as corrupt is called so, whether it was closed or not", arguments: [2, 3])
    func corrupt(features: UInt8) async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let handle = try known(FileHandle(forUpdatingAtPath: scratch.path("instances", "i-1", "vda")))
        try handle.seek(toOffset: 79)
        try handle.write(contentsOf: [features])
        try handle.close()
        let failure = try await refusal { _ = try await scratch.captureSystem("i-1") }
        #expect(failure.message.contains("is corrupt") && !failure.message.contains("not closed"))
    }
}
