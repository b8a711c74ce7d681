import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("The local driver captures real disks", .timeLimit(.minutes(30)))
struct LocalCaptureTests {
    @Test("a disk and its capture hold the same bytes", arguments: ["qcow2", "raw"])
    func sameBytes(format: String) async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "disk", format: format)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "disk", format: format)])
        let capture = try await scratch.captureSystem("i-1")
        #expect(capture.virtualSizeBytes == 64 << 20)
        try await scratch.expectSame(scratch.path("instances", "i-1", "disk"), format, capture)
        let sum = try await DriverScratch.run("/usr/bin/sha256sum", [scratch.file(of: capture)])
        #expect(sum.hasPrefix(capture.sha256))
        let size = try FileManager.default.attributesOfItem(atPath: scratch.file(of: capture))[.size] as? Int64
        #expect(size == capture.fileSizeBytes)
    }

    @Test("a disk on a backing chain inside its folder is captured whole, and stands alone")
    func backingChain() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "base.raw", format: "raw", pattern: 1)
        let folder = scratch.path("instances", "i-1")
        for (file, below, format) in [("mid", "base.raw", "raw"), ("top", folder + "/mid", "qcow2")] {
            try await DriverScratch.run(
                "/usr/bin/qemu-img",
                ["create", "-q", "-f", "qcow2", "-b", below, "-F", format, folder + "/" + file]
            )
            let offset = file == "mid" ? "8M" : "16M"
            try await DriverScratch.run(
                "/usr/bin/qemu-io",
                ["-f", "qcow2", "-c", "write -q -P 7 \(offset) 1M", folder + "/" + file]
            )
        }
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "top")])
        let capture = try await scratch.captureSystem("i-1")
        try await scratch.expectSame(folder + "/top", "qcow2", capture)
        let info = try await DriverScratch.run("/usr/bin/qemu-img", ["info", scratch.file(of: capture)])
        #expect(!info.contains("backing"))
    }

    @Test("a disk with its data file inside its folder is captured whole")
    func dataFile() async throws {
        let scratch = try DriverScratch()
        let folder = scratch.path("instances", "i-1")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            ["create", "-q", "-f", "qcow2", "-o", "data_file=\(folder)/data", folder + "/vda", "16M"]
        )
        try await DriverScratch.run("/usr/bin/qemu-io", ["-f", "qcow2", "-c", "write -q -P 7 1M 1M", folder + "/vda"])
        try await scratch.expectSame(folder + "/vda", "qcow2", try await scratch.captureSystem("i-1"))
    }

    @Test("a raw disk that begins like a qcow2 file on /etc/passwd stays the bytes it is")
    func rawIsNeverProbed() async throws {
        let scratch = try DriverScratch()
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda", format: "raw")])
        let disk = scratch.path("instances", "i-1", "vda")
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            ["create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", disk, "1M"]
        )
        let capture = try await scratch.captureSystem("i-1")
        try await scratch.expectSame(disk, "raw", capture)
    }

    @Test("a large disk that holds little costs little, captured and replicated")
    func sparse() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda", format: "raw", virtualMebibytes: 100 << 10, mebibytes: 8)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda", format: "raw")])
        let capture = try await scratch.captureSystem("i-1")
        #expect(capture.virtualSizeBytes == 100 << 30)
        let replica = try known(resource("img-1", .replica, "east", location: "east"))
        _ = try await scratch.driver.replicate([capture], manifest: [1], into: replica, progress: { _ in })
        for file in [scratch.file(of: capture), scratch.path("locations", "east", replica.id.text, "vda.qcow2")] {
            #expect(try allocatedBytes(file) < 12 << 20)
        }
    }

    @Test(
        "a disk may have any plain file name",
        arguments: ["-rf", "nbd:localhost:1", "json:{}", #"a "b" \c"#, "größe", "50%s,driver=nbd", "vda.qcow2:x"]
    )
    func strangeNames(name: String) async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "disk", virtualMebibytes: 8, mebibytes: 1)
        let disk = scratch.path("instances", "i-1", name)
        try FileManager.default.moveItem(atPath: scratch.path("instances", "i-1", "disk"), toPath: disk)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: name)])
        let capture = try await scratch.captureSystem("i-1")
        try await scratch.expectSame(disk, "qcow2", capture)
    }

    @Test("a link to a file beside it is followed")
    func innerLink() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "real.qcow2")
        let link = scratch.path("instances", "i-1", "vda.qcow2")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "real.qcow2")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
        try await scratch.expectSame(link, "qcow2", try await scratch.captureSystem("i-1"))
    }

    @Test("a capture whose copy failed leaves a partial that is found and deleted")
    func partials() async throws {
        let scratch = try DriverScratch()
        let image = try known(resource("img-1", .imageFile, "vda"))
        let replica = try known(resource("img-1", .replica, "west", location: "west"))
        let snapshot = try known(resource("img-1", .snapshot, "vdb"))
        let partials = [
            (image, scratch.path("images", image.id.text)), (snapshot, scratch.path("snapshots", snapshot.id.text)),
            (replica, scratch.path("locations", "west", replica.id.text)),
        ]
        for (_, folder) in partials {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data([1]).write(to: URL(fileURLWithPath: folder + "/vda.qcow2.partial"))
        }
        // Foreign files there are not ours.
        let foreign = ["images/not a resource", "images/backup", "locations/east/lost+found", "locations/west/a.b.c"]
        for name in foreign { try Data().write(to: URL(fileURLWithPath: scratch.path(name))) }
        #expect(try await scratch.driver.inventory() == [image, snapshot, replica])
        for (resource, folder) in partials {
            try await scratch.driver.delete(resource)
            #expect(!FileManager.default.fileExists(atPath: folder))
        }
        #expect(try await scratch.driver.inventory().isEmpty)
        for name in foreign { #expect(FileManager.default.fileExists(atPath: scratch.path(name))) }
    }
}
