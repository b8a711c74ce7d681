import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("The local driver captures real disks", .timeLimit(.minutes(2)))
struct LocalCaptureTests {
    @Test("a qcow2 disk and its capture hold the same bytes")
    func sameBytes() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda.qcow2")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
        let capture = try await scratch.captureSystem("i-1")
        #expect(capture.virtualSizeBytes == 64 << 20)
        #expect(capture.sha256.count == 64)
        try await scratch.expectSame(scratch.path("instances", "i-1", "vda.qcow2"), "qcow2", capture)
    }

    @Test("a capture, its copy at a location and the manifest are found, then deleted without a trace")
    func wholeRound() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda.raw", format: "raw")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.raw", format: "raw")])
        let capture = try await scratch.captureSystem("i-1")
        let replica = try known(resource("img-1", .replica, "east", location: "east"))
        let made = try await scratch.driver.replicate(
            [capture],
            manifest: Array("{}".utf8),
            into: replica,
            progress: { _ in }
        )
        #expect(made.files.map(\.name) == ["vda.qcow2"])
        let folder = scratch.path("locations", "east", replica.id.text)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["manifest.json", "vda.qcow2"])
        #expect(Set(try await scratch.driver.inventory()) == [capture.resource, replica])
        try await scratch.driver.delete(replica)
        try await scratch.driver.delete(capture.resource)
        try await scratch.driver.delete(capture.resource)
        #expect(try await scratch.driver.inventory().isEmpty)
    }
}
