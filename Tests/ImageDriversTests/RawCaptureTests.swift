import Crypto
import Foundation
import GoldsmithTestSupport
import Testing

@testable import ImageCore
@testable import ImageDrivers

@Suite("A raw capture from elsewhere, in a folder")
struct RawCaptureTests {
    /// 8 MiB, of which 1 MiB in the middle is not zero.
    private static let bytes: [UInt8] = (0..<8 << 20).map {
        (3 << 20..<4 << 20).contains($0) ? UInt8(truncatingIfNeeded: $0 &* 31 >> 5) | 1 : 0
    }

    /// What another driver sends, piece by piece.
    private struct Elsewhere: CaptureSource {
        func allocatedBytes(of capture: Capture) -> Int64 { capture.fileSizeBytes }

        func copy(
            _ capture: Capture,
            to path: String,
            _ subject: FailureSubject,
            _ gauge: ProgressGauge
        ) async throws(StepFailure) -> FileSum {
            let sink = try FileSink(path, subject)
            for start in stride(from: 0, to: bytes.count, by: 65536) {
                try await sink.write(Array(bytes[start..<start + 65536]), at: Int64(start))
                gauge.add(65536)
            }
            #expect(
                (try? GoldsmithTestSupport.allocatedBytes(path)).map { $0 <= 2 << 20 } == true,
                "the zeros were written"
            )
            return try await sink.finish()
        }

        func machineFile(_ file: MachineFile, beside capture: Capture) -> [UInt8]? { nil }
    }

    private let scratch: DriverScratch
    private let replica: Resource

    init() throws {
        scratch = try DriverScratch()
        let image = try #require(ImageID("img-1"))
        replica = Resource(
            id: ResourceID(image: image, part: "east", fence: 1),
            kind: .replica,
            imageID: image,
            location: LocationName(known: "east")
        )
    }

    private func call(sha256: String) -> ReplicateCall {
        let capture = Capture(
            resource: Resource(
                id: ResourceID(image: replica.imageID, part: "vda", fence: 1),
                kind: .imageFile,
                imageID: replica.imageID
            ),
            device: .system,
            virtualSizeBytes: Int64(Self.bytes.count),
            fileSizeBytes: Int64(Self.bytes.count),
            sha256: sha256,
            format: .raw
        )
        let manifest = """
            {"createdAt": "2026-01-01T00:00:00Z", "disks": [{"autoDelete": true, "device": "/dev/vda", \
            "fileSizeBytes": \(Self.bytes.count), "format": "raw", "kind": "local", "resource": "img-1.vda.1", \
            "sha256": "\(sha256)", "sizeBytes": \(Self.bytes.count)}], "imageId": "img-1", "instanceId": "i-1", \
            "name": "web", "owner": "acct-1", "rootDeviceType": "localDisk", "version": 1}
            """
        return ReplicateCall(
            captures: [capture],
            sources: [],
            manifest: Array(manifest.utf8),
            resource: replica,
            progress: { _ in }
        )
    }

    @Test("is compared, and becomes a qcow2 file of the same disk, which the manifest describes")
    func rewritten() async throws {
        let sum = Hexadecimal.text(SHA256.hash(data: Self.bytes))
        let made = try await scratch.driver.replicate(call(sha256: sum)) { _ in Elsewhere() }
        let folder = scratch.path("locations", "east", replica.id.text)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(names == ["manifest.json", "vda.qcow2"])
        let file = try Data(contentsOf: URL(fileURLWithPath: folder + "/vda.qcow2"))
        #expect(made.files.map(\.sha256) == [Hexadecimal.text(SHA256.hash(data: file))])
        #expect(made.files.map(\.name) == ["vda.qcow2"] && made.files.map(\.sizeBytes) == [Int64(file.count)])
        let written = try Data(contentsOf: URL(fileURLWithPath: folder + "/manifest.json"))
        let disk = try #require(try CanonicalJSON.decode(Manifest.self, from: Array(written)).disks.first)
        #expect(disk.format == "qcow2" && disk.sha256 == made.files[0].sha256)
        let back = scratch.path("back.raw")
        try await DriverScratch.run("/usr/bin/qemu-img", ["convert", "-O", "raw", folder + "/vda.qcow2", back])
        #expect(try Data(contentsOf: URL(fileURLWithPath: back)) == Data(Self.bytes))
    }

    @Test("that is not what was captured is refused, and leaves no manifest")
    func rotten() async throws {
        let failure = await #expect(throws: StepFailure.self) {
            _ = try await scratch.driver.replicate(call(sha256: String(repeating: "0", count: 64))) { _ in Elsewhere() }
        }
        #expect(failure?.code == .unavailable && failure?.disposition == .transient)
        let manifest = scratch.path("locations", "east", replica.id.text, "manifest.json")
        #expect(!FileManager.default.fileExists(atPath: manifest))
        try await scratch.driver.delete(replica)
        #expect(try await scratch.driver.inventory().isEmpty)
    }
}
