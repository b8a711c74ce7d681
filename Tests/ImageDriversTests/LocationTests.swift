import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite(
    "The local driver says what is wrong with a place",
    .timeLimit(.minutes(30)),
    .enabled(if: canMount, "needs the right to mount")
)
struct LocationTests {
    private func captured(mebibytes: Int, copyRate: Int64? = nil) async throws -> (DriverScratch, Capture, Resource) {
        let scratch = try DriverScratch(copyRate: copyRate)
        try await scratch.makeDisk("i-1", "vda", mebibytes: mebibytes)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let capture = try await scratch.captureSystem("i-1")
        return (scratch, capture, try known(resource("img-1", .replica, "east", location: "east")))
    }

    @Test("a location without room is refused before any byte is copied, and tried again")
    func full() async throws {
        let (scratch, capture, replica) = try await captured(mebibytes: 16)
        let failure = try await withMount("size=8m", at: scratch.path("locations", "east")) {
            try await refusal {
                _ = try await scratch.driver.replicate([capture], manifest: [1], into: replica, progress: { _ in })
            }
        }
        #expect(failure.disposition == .transient && failure.code == .unavailable)
        #expect(failure.message.contains("Location east is full (8 MiB free, 16"), "\(failure.message)")
    }

    @Test("a location that fills up during the copy is said to be full")
    func fillsUp() async throws {
        let (scratch, capture, replica) = try await captured(mebibytes: 16)
        let east = scratch.path("locations", "east")
        let failure = try await withMount("size=24m", at: east) {
            try await refusal {
                _ = try await scratch.driver.replicate([capture], manifest: [1], into: replica) { _ in
                    // 9 MiB more than there is room for, at the first report.
                    _ = FileManager.default.createFile(atPath: east + "/ballast", contents: Data(count: 17 << 20))
                }
            }
        }
        #expect(failure.disposition == .transient && failure.code == .unavailable)
        #expect(failure.message.contains("Location east is full"), "\(failure.message)")
    }

    @Test("a full image storage is said to be full")
    func storageFull() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda", mebibytes: 16)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let failure = try await withMount("size=8m", at: scratch.path("images")) {
            try await refusal { _ = try await scratch.captureSystem("i-1") }
        }
        #expect(failure.disposition == .transient && failure.code == .unavailable)
        #expect(failure.message.contains("The image storage is full (8 MiB free"), "\(failure.message)")
    }

    @Test("an image storage that fills up during the capture is said to be full")
    func storageFillsUp() async throws {
        let scratch = try DriverScratch(copyRate: 4 << 20)
        try await scratch.makeDisk("i-1", "vda", mebibytes: 16)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let images = scratch.path("images")
        let failure = try await withMount("size=24m", at: images) {
            try await refusal {
                _ = try await scratch.captureSystem("i-1") { _ in
                    _ = FileManager.default.createFile(atPath: images + "/ballast", contents: Data(count: 17 << 20))
                }
            }
        }
        #expect(failure.disposition == .transient && failure.code == .unavailable)
        #expect(failure.message.contains("The image storage is full"), "\(failure.message)")
    }

    @Test("a location that cannot be written to is refused for good")
    func readOnly() async throws {
        let (scratch, capture, replica) = try await captured(mebibytes: 1)
        let failure = try await withMount("size=8m,ro", at: scratch.path("locations", "east")) {
            try await refusal {
                _ = try await scratch.driver.replicate([capture], manifest: [1], into: replica, progress: { _ in })
            }
        }
        #expect(failure.disposition == .permanent && failure.code == .failedPrecondition)
        #expect(failure.message.contains("Location east") && failure.message.contains("Read-only"))
        #expect(failure.advice != nil)
    }

    @Test("a location that is not mounted is waited for, and its replicas are not taken for deleted")
    func missing() async throws {
        let (scratch, capture, replica) = try await captured(mebibytes: 1)
        try FileManager.default.removeItem(atPath: scratch.path("locations", "east"))
        let copy = try await refusal {
            _ = try await scratch.driver.replicate([capture], manifest: [1], into: replica, progress: { _ in })
        }
        let deletion = try await refusal { try await scratch.driver.delete(replica) }
        for failure in [copy, deletion] {
            #expect(failure.disposition == .transient && failure.code == .unavailable)
            #expect(failure.message == "Location east is not there.")
        }
    }
}
