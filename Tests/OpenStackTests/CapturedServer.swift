import GoldsmithTestSupport
import ImageCore
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

/// A stopped server of two disks in a test's project, and the captures of both.
struct CapturedServer {
    let driver: any ImageDriver
    let disks: [Disk]
    let owner = Owner(known: "acct-1")
    private(set) var captures: [Capture] = []

    private static let image = ImageID("img-c0ffee")

    /// - Parameters:
    ///   - system: what the system disk is; the data disk is a volume.
    ///   - driver: what captures it.
    ///   - name: its name there, if it is one of several.
    ///   - prepare: gets the server's id before it is captured.
    init(
        _ system: DiskKind,
        in scratch: CloudScratch,
        by driver: any ImageDriver,
        named name: DriverName? = nil,
        prepare: (String) async throws -> Void = { _ in }
    ) async throws {
        self.driver = driver
        disks = try zip(["/dev/vda", "/dev/vdb"], [system, .cloud]).map { name, kind in
            Disk(device: try #require(DeviceName(name)), kind: kind, sizeBytes: 1 << 30)
        }
        let id = InstanceID(known: "i-web1")
        let server = try await scratch.add(Instance(id: id, owner: owner, status: .stopped, disks: disks))
        try await prepare(server)
        for disk in disks {
            let capture = try await driver.capture(
                disk.device,
                of: id.of(name),
                into: Self.resource(disk.kind == .local ? .imageFile : .snapshot, disk.device.shortName, name),
                progress: { _ in }
            )
            captures.append(capture)
        }
    }

    /// - Parameter fence: of the attempt that makes it.
    static func resource(
        _ kind: Resource.Kind,
        _ part: String,
        _ driver: DriverName? = nil,
        fence: Int64 = 1
    ) throws -> Resource {
        let image = try #require(image)
        return Resource(
            id: ResourceID(image: image, part: part, fence: fence),
            kind: kind,
            imageID: image,
            location: kind == .replica ? LocationName(known: part) : nil,
            driver: driver
        )
    }

    /// As the core describes them.
    var manifest: [UInt8] {
        let files = zip(captures, disks).map { capture, disk in
            """
            {"autoDelete": true, "device": "\(capture.device)", "fileSizeBytes": \(capture.fileSizeBytes), \
            "format": "\((capture.format ?? .qcow2).rawValue)", "kind": "\(disk.kind.rawValue)", \
            "resource": "\(capture.resource.id)", "sha256": "\(capture.sha256)", "sizeBytes": 1073741824}
            """
        }
        return Array(
            """
            {"createdAt": "2026-01-01T00:00:00Z", "disks": [\(files.joined(separator: ","))], "imageId": "img-c0ffee", \
            "instanceId": "i-web1", "name": "web", "owner": "acct-1", "rootDeviceType": "localDisk", "version": 1}
            """.utf8
        )
    }

    func replicate(into resource: Resource) async throws -> Replica {
        try await driver.replicate(captures, manifest: manifest, into: resource, progress: { _ in })
    }

    /// Launches a server, or whatever the replica's driver has, from both disks, and looks at it.
    func launch(_ replica: Replica, as id: String) async throws -> Instance {
        let launch = Launch(
            instanceID: InstanceID(known: id),
            owner: owner,
            requestID: RequestID(known: "r1"),
            location: replica.location,
            disks: disks.map {
                LaunchDisk(device: $0.device, kind: $0.kind, sizeBytes: $0.sizeBytes, autoDelete: true, from: $0.device)
            }
        )
        let made = try Self.resource(.instance, "launch", replica.resource.driver)
        try await driver.launch(launch, from: replica, into: made, progress: { _ in })
        try await driver.publishInstance(launch, from: made)
        let launched = try await driver.describe(launch.instanceID)
        #expect(launched.disks.map(\.sizeBytes) == disks.map(\.sizeBytes) && launched.status == .stopped)
        return launched
    }

    /// The ways out of its snapshots are gone, and the snapshots are there.
    func expectNoWaysOut(_ scratch: CloudScratch, _ scope: MarkScope) async throws {
        for capture in captures where capture.format == .cinderSnapshot {
            let marks = scope.marks(of: capture.resource.id)
            #expect(try await scratch.cloud.volumes(with: marks).isEmpty)
            #expect(try await scratch.cloud.images(with: marks).isEmpty)
            #expect(try await scratch.cloud.snapshots(with: marks).count == 1)
        }
    }

    /// What the image of a local system disk says of its machine, and what Cinder stumbles over.
    func describeMachine(_ scratch: CloudScratch, _ scope: MarkScope) async throws {
        guard captures[0].format != .cinderSnapshot else { return }
        let image = try #require(try await scratch.cloud.images(with: scope.marks(of: captures[0].resource.id)).first)
        let properties = ["os_distro": "debian", "hw_rng_model": "virtio", "signature_verified": "True"]
        try await scratch.cloud.setProperties(properties, ofImage: image.id)
    }

    /// What a replica's image says of it.
    func expectMachine(_ image: CloudImage?) throws {
        guard captures[0].format != .cinderSnapshot else { return }
        let properties = try #require(image).properties
        #expect(properties["os_distro"] == "debian" && properties["hw_rng_model"] == "virtio")
        #expect(properties["signature_verified"] == nil)
    }

    func deleteCaptures() async throws {
        for capture in captures { try await driver.delete(capture.resource) }
    }
}
