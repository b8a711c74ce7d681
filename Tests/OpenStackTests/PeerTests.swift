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
            "captures that are files become replicas in Glance by every rule",
            arguments: DriverConformance.checksOfReplicas
        )
        func intoTheCloud(_ check: DriverCheck) async throws {
            let (scratch, files) = (try await CloudScratch(), try DriverScratch(locations: []))
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
            let several = DriverSet(
                .init(Self.cloud, cloudAlone),
                [.init(Self.lab, files.driver)],
                logger: Logger(label: "test")
            )
            let disks = try ["/dev/vda", "/dev/vdb"].enumerated().map { index, name in
                Disk(device: try #require(DeviceName(name)), kind: index == 0 ? .local : .cloud, sizeBytes: 1 << 30)
            }
            let server = Instance(
                id: InstanceID(known: "i-web1"),
                owner: Owner(known: "acct-1"),
                status: .stopped,
                disks: disks
            )
            try await scratch.add(server)
            let image = try #require(ImageID("img-c0ffee"))
            var captures: [Capture] = []
            for disk in disks {
                let kind = disk.kind == .local ? Resource.Kind.imageFile : .snapshot
                captures.append(
                    try await several.capture(
                        disk.device,
                        of: server.id.of(Self.cloud),
                        into: Self.resource(kind, disk.device.shortName, Self.cloud, image),
                        progress: { _ in }
                    )
                )
            }
            let manifest = Self.manifest(of: captures, image)
            let east = Self.resource(.replica, "east", Self.lab, image)
            let replica = try await several.replicate(captures, manifest: manifest, into: east, progress: { _ in })
            #expect(replica.files[0].sha256 == captures[0].sha256)
            #expect(replica.files[1].sha256 != captures[1].sha256, "a record's checksum is not that of bytes")
            let left = Set(try await several.inventory().map(\.id.text))
            #expect(left == Set((captures.map(\.resource) + [east]).map(\.id.text)))
            #expect(try await scratch.cloud.volumes(with: cloudAlone.scope.marks(of: captures[1].resource.id)).isEmpty)
            #expect(try await scratch.cloud.images(with: cloudAlone.scope.marks(of: captures[1].resource.id)).isEmpty)

            let written = try Data(
                contentsOf: URL(fileURLWithPath: files.path("locations/east", east.id.text, "manifest.json"))
            )
            let described = try CanonicalJSON.decode(Manifest.self, from: Array(written))
            #expect(described.disks.map(\.sha256) == replica.files.map(\.sha256))
            #expect(described.disks.map(\.format) == ["qcow2", "qcow2"])

            let launch = Launch(
                instanceID: InstanceID(known: "lab/i-web2"),
                owner: server.owner,
                requestID: RequestID(known: "r1"),
                location: LocationName(known: "east"),
                disks: disks.map {
                    LaunchDisk(
                        device: $0.device,
                        kind: $0.kind,
                        sizeBytes: $0.sizeBytes,
                        autoDelete: true,
                        from: $0.device
                    )
                }
            )
            let made = Self.resource(.instance, "launch", Self.lab, image)
            try await several.launch(launch, from: replica, into: made, progress: { _ in })
            try await several.publishInstance(launch, from: made)
            let launched = try await several.describe(launch.instanceID)
            #expect(launched.disks.map(\.sizeBytes) == disks.map(\.sizeBytes))
            for capture in captures { try await several.delete(capture.resource) }
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
            let several = DriverSet(
                .init(Self.cloud, home),
                [.init(Self.spare, spare.driver)],
                logger: Logger(label: "test")
            )
            let disks = try zip(["/dev/vda", "/dev/vdb"], [system, .cloud]).map { name, kind in
                Disk(device: try #require(DeviceName(name)), kind: kind, sizeBytes: 1 << 30)
            }
            let server = Instance(
                id: InstanceID(known: "i-web1"),
                owner: Owner(known: "acct-1"),
                status: .stopped,
                disks: disks
            )
            try await scratch.add(server)
            let image = try #require(ImageID("img-c0ffee"))
            var captures: [Capture] = []
            for disk in disks {
                let capture = try await several.capture(
                    disk.device,
                    of: server.id.of(Self.cloud),
                    into: Self.resource(
                        disk.kind == .local ? .imageFile : .snapshot,
                        disk.device.shortName,
                        Self.cloud,
                        image
                    ),
                    progress: { _ in }
                )
                captures.append(capture)
            }
            let east = Self.resource(.replica, "east", Self.spare, image)
            let manifest = Self.manifest(of: captures, image)
            let replica = try await several.replicate(captures, manifest: manifest, into: east, progress: { _ in })
            for (file, capture) in zip(replica.files, captures) {
                let isSnapshot = capture.format == .cinderSnapshot
                #expect(file.device == capture.device)
                #expect((file.sha256 == capture.sha256) != isSnapshot, "of the bytes, not of a record")
            }
            // The ways out of the snapshots are gone.
            for capture in captures where capture.format == .cinderSnapshot {
                let marks = home.scope.marks(of: capture.resource.id)
                #expect(try await scratch.cloud.volumes(with: marks).isEmpty)
                #expect(try await scratch.cloud.images(with: marks).isEmpty)
            }
            let kept = try await spare.cloud.images(with: spare.driver.scope.marks(of: east.id))
            #expect(kept.count == 2 && kept.allSatisfy { $0.status == "active" })
            let described = try #require(try spare.fixture.manifest(east))
            let sums = try CanonicalJSON.decode(Manifest.self, from: described).disks.map(\.sha256)
            #expect(sums == replica.files.map(\.sha256))

            let launch = Launch(
                instanceID: InstanceID(known: "spare/i-web2"),
                owner: server.owner,
                requestID: RequestID(known: "r1"),
                location: LocationName(known: "east"),
                disks: disks.map {
                    LaunchDisk(
                        device: $0.device,
                        kind: $0.kind,
                        sizeBytes: $0.sizeBytes,
                        autoDelete: true,
                        from: $0.device
                    )
                }
            )
            let made = Self.resource(.instance, "launch", Self.spare, image)
            try await several.launch(launch, from: replica, into: made, progress: { _ in })
            try await several.publishInstance(launch, from: made)
            #expect(try await several.describe(launch.instanceID).disks.map(\.sizeBytes) == disks.map(\.sizeBytes))

            try #require(try await several.describe(launch.instanceID).status == .stopped)
            for capture in captures { try await several.delete(capture.resource) }
            try await several.delete(east)
            #expect(try await several.inventory().isEmpty)
        }

        @Test("a capture that is not what it was is not copied into another project, and nothing is left on the way")
        func damaged() async throws {
            let (scratch, spare) = (try await CloudScratch(), try await CloudScratch("spare.yaml"))
            let home = CloudScratch.driver(scratch.cloud, locations: [])
            let several = DriverSet(
                .init(Self.cloud, home),
                [.init(Self.spare, spare.driver)],
                logger: Logger(label: "test")
            )
            let disks = try zip(["/dev/vda", "/dev/vdb"], [DiskKind.local, .cloud]).map { name, kind in
                Disk(device: try #require(DeviceName(name)), kind: kind, sizeBytes: 1 << 30)
            }
            let server = Instance(
                id: InstanceID(known: "i-web1"),
                owner: Owner(known: "acct-1"),
                status: .stopped,
                disks: disks
            )
            try await scratch.add(server)
            let image = try #require(ImageID("img-c0ffee"))
            var captures: [Capture] = []
            for disk in disks {
                let kind = disk.kind == .local ? Resource.Kind.imageFile : .snapshot
                captures.append(
                    try await several.capture(
                        disk.device,
                        of: server.id.of(Self.cloud),
                        into: Self.resource(kind, disk.device.shortName, Self.cloud, image),
                        progress: { _ in }
                    )
                )
            }
            let stored = try await scratch.cloud.images(with: home.scope.marks(of: captures[0].resource.id))
            try scratch.flipByte(of: try #require(stored.first).id)
            let east = Self.resource(.replica, "east", Self.spare, image)
            let manifest = Self.manifest(of: captures, image)
            let refused = await #expect(throws: StepFailure.self) {
                _ = try await several.replicate(captures, manifest: manifest, into: east, progress: { _ in })
            }
            #expect(refused?.message.contains("SHA-256") == true, "\(refused?.message ?? "")")
            let marks = home.scope.marks(of: captures[1].resource.id)
            #expect(try await scratch.cloud.volumes(with: marks).isEmpty)
            #expect(try await scratch.cloud.images(with: marks).isEmpty)
            let system = try await spare.driver.image(of: east)
            #expect(system?.status != "active")
            for resource in captures.map(\.resource) + [east] { try await several.delete(resource) }
            #expect(try await several.inventory().isEmpty)
        }

        private static func resource(
            _ kind: Resource.Kind,
            _ part: String,
            _ driver: DriverName,
            _ image: ImageID
        ) -> Resource {
            Resource(
                id: ResourceID(image: image, part: part, fence: 1),
                kind: kind,
                imageID: image,
                location: kind == .replica ? LocationName(known: part) : nil,
                driver: driver
            )
        }

        private static func manifest(of captures: [Capture], _ image: ImageID) -> [UInt8] {
            let files = captures.map { capture in
                """
                {"autoDelete": true, "device": "\(capture.device)", "fileSizeBytes": \(capture.fileSizeBytes), \
                "format": "\((capture.format ?? .qcow2).rawValue)", "kind": "cloud", \
                "resource": "\(capture.resource.id)", "sha256": "\(capture.sha256)", "sizeBytes": 1073741824}
                """
            }
            return Array(
                """
                {"createdAt": "2026-01-01T00:00:00Z", "disks": [\(files.joined(separator: ","))], "imageId": "\(image)", \
                "instanceId": "cloud/i-web1", "name": "web", "owner": "acct-1", "rootDeviceType": "localDisk", "version": 1}
                """.utf8
            )
        }
    }
}
