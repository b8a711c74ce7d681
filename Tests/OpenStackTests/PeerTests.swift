import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Logging
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

extension CloudTests {
    @Suite(
        "A cloud beside a driver of files",
        .enabled(if: CloudScratch.folder != nil, "GOLDSMITH_TEST_CLOUD names no cloud"),
        .serialized,
        .timeLimit(.minutes(30))
    )
    struct PeerTests {
        private static let (lab, cloud) = (DriverName(known: "lab"), DriverName(known: "cloud"))
        private static let spare = DriverName(known: "spare")

        @Test(
            "captures that are files become replicas in a cloud by every rule, whatever its location keeps",
            arguments: DriverConformance.checksOfReplicas,
            [CloudPlace.captures, .store("vault"), .volumeType("file2")]
        )
        func intoTheCloud(_ check: DriverCheck, _ place: CloudPlace) async throws {
            let (scratch, files) = (try await CloudScratch(in: place), try DriverScratch(locations: []))
            let cloudSide = scratch.fixture
            try await check.run(
                DriverFixture(
                    driver: DriverSet(
                        .init(Self.lab, files.driver),
                        [.init(Self.cloud, scratch.driver)],
                        logger: Logger(label: "test")
                    ),
                    addInstance: { instance in
                        for disk in instance.disks {
                            try await files.makeDisk(
                                instance.id.name.text,
                                disk.device.shortName + ".qcow2",
                                virtualMebibytes: Int(disk.sizeBytes >> 20),
                                pattern: disk.device.position + 1
                            )
                        }
                        try files.describe(
                            instance.id.name.text,
                            status: instance.status.description,
                            disks: instance.disks.map {
                                .init("\($0.device)", kind: $0.kind.rawValue, file: $0.device.shortName + ".qcow2")
                            }
                        )
                    },
                    setStatus: { try files.setStatus($0.name.text, "\($1)") },
                    damage: { capture in
                        let folder = capture.resource.kind == .imageFile ? "images" : "snapshots"
                        let name = capture.device.shortName + ".qcow2"
                        try Self.flipByte(files.path(folder, capture.resource.id.text, name))
                    },
                    manifest: cloudSide.manifest,
                    diskBytes: 1 << 30,
                    hasLocalDataDisks: false,
                    maker: Self.lab,
                    keeper: Self.cloud,
                    anchor: files
                )
            )
            withExtendedLifetime(scratch) {}
        }

        private static func flipByte(_ path: String) throws {
            let handle = try #require(FileHandle(forUpdatingAtPath: path))
            let middle = try handle.seekToEnd() / 2
            try handle.seek(toOffset: middle)
            let byte = try handle.read(upToCount: 1)?.first ?? 0
            try handle.seek(toOffset: middle)
            try handle.write(contentsOf: [byte ^ 0xff])
            try handle.close()
        }

        @Test("a server's image becomes files, is launched from them, and nothing is left in the cloud")
        func outOfTheCloud() async throws {
            let (scratch, files) = (try await CloudScratch(), try DriverScratch())
            let cloudAlone = CloudScratch.driver(scratch.cloud, locations: [])
            let several = Self.several(cloudAlone, .init(Self.lab, files.driver))
            let server = try await CapturedServer(.local, in: scratch, by: several, named: Self.cloud)
            let captures = server.captures
            let east = try CapturedServer.resource(.replica, "east", Self.lab)
            let replica = try await server.replicate(into: east)
            #expect(replica.files[0].sha256 == captures[0].sha256)
            #expect(replica.files[1].sha256 != captures[1].sha256, "a record's checksum is not that of bytes")
            let left = Set(try await several.inventory().map(\.id.text))
            #expect(left == Set((captures.map(\.resource) + [east]).map(\.id.text)))
            try await server.expectNoWaysOut(scratch, cloudAlone.scope)

            let written = try Data(
                contentsOf: URL(fileURLWithPath: files.path("locations/east", east.id.text, "manifest.json"))
            )
            let described = try CanonicalJSON.decode(Manifest.self, from: Array(written))
            #expect(described.disks.map(\.sha256) == replica.files.map(\.sha256))
            #expect(described.disks.map(\.format) == ["qcow2", "qcow2"])

            _ = try await server.launch(replica, as: "lab/i-web2")
            try await server.deleteCaptures()
            try await several.delete(east)
            #expect(try await several.inventory().isEmpty)
        }

        @Test(
            "a server's image is copied into another project and launched there",
            arguments: [DiskKind.cloud, .local]
        )
        func intoAnotherProject(_ system: DiskKind) async throws {
            let (scratch, spare) = (try await CloudScratch(), try await CloudScratch("spare.yaml"))
            let home = CloudScratch.driver(scratch.cloud, locations: [])
            let several = Self.several(home, .init(Self.spare, spare.driver))
            let server = try await CapturedServer(system, in: scratch, by: several, named: Self.cloud)
            try await server.describeMachine(scratch, home.scope)
            let east = try CapturedServer.resource(.replica, "east", Self.spare)
            let replica = try await server.replicate(into: east)
            try server.expectMachine(try await spare.driver.image(of: east))
            for (file, capture) in zip(replica.files, server.captures) {
                let isSnapshot = capture.format == .cinderSnapshot
                #expect(file.device == capture.device)
                #expect((file.sha256 == capture.sha256) != isSnapshot, "of the bytes, not of a record")
            }
            try await server.expectNoWaysOut(scratch, home.scope)
            let kept = try await spare.cloud.images(with: spare.driver.scope.marks(of: east.id))
            #expect(kept.count == 2 && kept.allSatisfy { $0.status == "active" })
            let described = try #require(try spare.fixture.manifest(east))
            let sums = try CanonicalJSON.decode(Manifest.self, from: described).disks.map(\.sha256)
            #expect(sums == replica.files.map(\.sha256))

            _ = try await server.launch(replica, as: "spare/i-web2")
            try await server.deleteCaptures()
            try await several.delete(east)
            #expect(try await several.inventory().isEmpty)
        }

        @Test("a capture that is not what it was is not copied into another project, and nothing is left on the way")
        func damaged() async throws {
            let (scratch, spare) = (try await CloudScratch(), try await CloudScratch("spare.yaml"))
            let home = CloudScratch.driver(scratch.cloud, locations: [])
            let several = Self.several(home, .init(Self.spare, spare.driver))
            let server = try await CapturedServer(.local, in: scratch, by: several, named: Self.cloud)
            let marks = home.scope.marks(of: server.captures[0].resource.id)
            try scratch.flipByte(of: try #require(try await scratch.cloud.images(with: marks).first).id)
            let east = try CapturedServer.resource(.replica, "east", Self.spare)
            let refused = await #expect(throws: StepFailure.self) { _ = try await server.replicate(into: east) }
            #expect(refused?.message.contains("SHA-256") == true, "\(refused?.message ?? "")")
            try await server.expectNoWaysOut(scratch, home.scope)
            let system = try await spare.driver.image(of: east)
            #expect(system?.status != "active")
            try await server.deleteCaptures()
            try await several.delete(east)
            #expect(try await several.inventory().isEmpty)
        }

        private static func several(_ cloud: OpenStackDriver, _ other: DriverSet.Member) -> DriverSet {
            DriverSet(.init(Self.cloud, cloud), [other], logger: Logger(label: "test"))
        }
    }
}
