import Crypto
import Dispatch
import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Logging
import Synchronization

@testable import OpenStackClient
@testable import OpenStackDriver

/// The project of a private cloud, emptied for one test: all that is in it is deleted.
///
/// Its servers run nothing: what they boot is random bytes.
final class CloudScratch: Sendable {
    /// The cloud's folder: `clouds.yaml` with the cloud `goldsmith`, `spare.yaml` with one of another project, and Glance's
    /// files in `glance/images` and, of the store `vault`, `glance/vault`. It has the volume types `file1` and `file2`, a
    /// public image, and the flavors `tiny` (with a disk of 1 GiB) and `tiny0` (without).
    static let folder = ProcessInfo.processInfo.environment["GOLDSMITH_TEST_CLOUD"]
    static let locations = ["east", "west"].compactMap { LocationName($0) }

    let cloud: OpenStackCloud
    let driver: OpenStackDriver
    let folder: String

    /// - Parameter credentials: the file in the cloud's folder that says which project.
    init(_ credentials: String = "clouds.yaml", in place: CloudPlace = .captures) async throws {
        guard let folder = Self.folder else { throw ConformanceFailure("there is no cloud") }
        self.folder = folder
        cloud = OpenStackCloud(try Self.access(folder, credentials))
        driver = Self.driver(cloud, in: place)
        try await empty()
    }

    static func access(_ folder: String, _ credentials: String = "clouds.yaml") throws -> CloudAccess {
        let text = try String(contentsOfFile: folder + "/" + credentials, encoding: .utf8)
        return try CloudsFile.access(in: text, cloud: "goldsmith")
    }

    /// Another driver on the same project, as another worker has it.
    static func driver(
        _ cloud: OpenStackCloud,
        locations: [LocationName] = locations,
        in place: CloudPlace = .captures
    ) -> OpenStackDriver {
        OpenStackDriver(
            cloud: cloud,
            scope: "test",
            locations: Dictionary(uniqueKeysWithValues: locations.map { ($0, place) }),
            defaultOwner: Owner(known: "local"),
            network: .none,
            flavor: "tiny0",
            timeout: .seconds(120),
            logger: Logger(label: "test")
        )
    }

    /// Deletes all that the project has.
    private func empty() async throws {
        for server in try await cloud.servers() {
            if server.isLocked { _ = try? await cloud.act(on: server.id, ["unlock": nil]) }
            try? await cloud.deleteServer(server.id)
        }
        try await becomes { try await self.cloud.servers().isEmpty }
        for image in try await cloud.images(with: [:]) { try? await cloud.deleteImage(image.id) }
        for _ in 0..<2 {
            for snapshot in try await cloud.snapshots(with: [:]) { try? await cloud.deleteSnapshot(snapshot.id) }
            try await becomes { try await self.cloud.snapshots(with: [:]).isEmpty }
            for volume in try await cloud.volumes(with: [:]) { try? await cloud.deleteVolume(volume.id) }
            try await becomes { try await self.cloud.volumes(with: [:]).isEmpty }
        }
    }

    private func becomes(_ holds: () async throws -> Bool) async throws {
        guard try await eventually(within: .seconds(120), holds) else {
            throw ConformanceFailure("the project was not empty after 120 seconds")
        }
    }

    // MARK: Servers

    /// The public image of random bytes that servers are made of.
    func publicImage() async throws -> String {
        struct Answer: Decodable {
            var images: [CloudImage]
        }
        let request = CloudRequest(.get, .images, "/images", query: [("visibility", "public")])
        guard let image = try await cloud.send(request).json(Answer.self).images.first else {
            throw ConformanceFailure("the cloud has no public image")
        }
        return image.id
    }

    /// Makes a server with the disks of an instance.
    @discardableResult
    func add(_ instance: Instance, types: [String] = ["file1"]) async throws -> String {
        let image = try await publicImage()
        let devices = instance.disks.enumerated().map { index, disk -> JSONPart in
            let isFirst = index == 0
            guard disk.kind == .cloud else {
                return [
                    "boot_index": 0, "source_type": "image", "uuid": .text(image), "destination_type": "local",
                    "delete_on_termination": true,
                ]
            }
            var device: [String: JSONPart] = [
                "boot_index": .number(isFirst ? 0 : -1), "source_type": isFirst ? "image" : "blank",
                "destination_type": "volume", "volume_size": .number(Int(disk.sizeBytes >> 30)),
                "volume_type": .text(types[index % types.count]), "delete_on_termination": .flag(disk.autoDelete),
            ]
            if isFirst { device["uuid"] = .text(image) }
            return .object(device)
        }
        let flavors = try await cloud.flavors()
        let isLocal = instance.systemDisk?.kind == .local
        guard let flavor = flavors[isLocal ? "tiny" : "tiny0"] else { throw ConformanceFailure("no flavor") }
        var server: [String: JSONPart] = [
            "name": .text(instance.id.text), "flavorRef": .text(flavor.id), "networks": "none",
            "block_device_mapping_v2": .list(devices), "tags": [.text(MarkScope.tag(of: instance.id))],
            "metadata": [
                CloudMark.instance: .text(instance.id.text), CloudMark.owner: .text(instance.owner.text),
            ],
        ]
        if isLocal { server["imageRef"] = .text(image) }
        let id = try await cloud.createServer(.object(server))
        try await becomes("ACTIVE", id)
        if instance.status != .running {
            try await cloud.act(on: id, ["os-stop": nil])
            try await becomes("SHUTOFF", id)
        }
        return id
    }

    /// The SHA-256 of what the guest of a server would read, of each disk in their order.
    func contents(of server: String, _ system: DiskKind) async throws -> [String] {
        var sums = system == .local ? [try await content(of: "\(folder)/nova/instances/\(server)/disk", "qcow2")] : []
        for path in try await volumeFiles(of: server) { sums.append(try await content(of: path, "raw")) }
        return sums
    }

    /// Where Cinder has the volumes of a server, in the order of their devices.
    func volumeFiles(of server: String) async throws -> [String] {
        let attachments = try await cloud.attachments(of: server)
        var files: [String] = []
        for attachment in attachments.sorted(by: { $0.device ?? "" < $1.device ?? "" }) {
            files.append(file(of: try await cloud.volume(attachment.volumeID)))
        }
        return files
    }

    func file(of volume: CloudVolume) -> String { "\(folder)/cinder/\(volume.type ?? "")/volume-\(volume.id)" }

    /// The SHA-256 of a disk's bytes, zeros included.
    func content(of path: String, _ format: String) async throws -> String {
        let raw = FileManager.default.temporaryDirectory.path + "/goldsmith-raw-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: raw) }
        try await DriverScratch.run("/usr/bin/qemu-img", ["convert", "-U", "-f", format, "-O", "raw", path, raw])
        guard let handle = FileHandle(forReadingAtPath: raw) else { throw ConformanceFailure("no \(raw)") }
        var hash = SHA256()
        while let piece = try handle.read(upToCount: 4 << 20), !piece.isEmpty { hash.update(data: piece) }
        return Hexadecimal.text(hash.finalize())
    }

    func becomes(_ status: String, _ id: String) async throws {
        let isDone = try await eventually(within: .seconds(120)) {
            let server = try await self.cloud.server(id)
            guard server.status != "ERROR" else { throw ConformanceFailure("the server \(id) is in error") }
            return server.status == status && server.taskState == nil
        }
        guard isDone else { throw ConformanceFailure("the server \(id) did not become \(status)") }
    }

    /// Waits in place, for callers that cannot wait otherwise.
    private func now<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let (done, answer) = (DispatchSemaphore(value: 0), Answer<Value>())
        Task.detached {
            do { answer.set(.success(try await body())) } catch { answer.set(.failure(error)) }
            done.signal()
        }
        done.wait()
        guard let found = answer.value else { throw ConformanceFailure("no answer") }
        return try found.get()
    }

    private final class Answer<Value: Sendable>: Sendable {
        private let result = Mutex<Result<Value, any Error>?>(nil)
        func set(_ value: Result<Value, any Error>) { result.withLock { $0 = value } }
        var value: Result<Value, any Error>? { result.withLock { $0 } }
    }

    // MARK: The port's rules

    var fixture: DriverFixture {
        DriverFixture(
            driver: driver,
            addInstance: { try await self.add($0) },
            setStatus: { id, status in
                try self.now {
                    let server = try await self.driver.find(id).server.id
                    try await self.cloud.act(on: server, [status == .running ? "os-start" : "os-stop": nil])
                }
            },
            damage: { capture in
                let images = try self.now {
                    try await self.cloud.images(with: self.driver.scope.marks(of: capture.resource.id))
                }
                guard let image = images.first else { throw ConformanceFailure("there is no \(capture.resource.id)") }
                try self.flipByte(of: image.id)
            },
            manifest: { replica in
                let image = try self.now { try await self.driver.image(of: replica) }
                guard let image, image.status == "active" else { return nil }
                return image.properties[CloudMark.manifest].map { Array($0.utf8) }
            },
            diskBytes: 1 << 30,
            hasLocalDataDisks: false,
            anchor: self
        )
    }

    /// Changes what Glance has stored of an image, which it does not notice.
    func flipByte(of image: String) throws {
        let path = folder + "/glance/images/" + image
        guard let handle = FileHandle(forUpdatingAtPath: path) else { throw ConformanceFailure("there is no \(path)") }
        let middle = try handle.seekToEnd() / 2
        try handle.seek(toOffset: middle)
        let byte = try handle.read(upToCount: 1)?.first ?? 0
        try handle.seek(toOffset: middle)
        try handle.write(contentsOf: [byte ^ 0xff])
        try handle.close()
    }
}
