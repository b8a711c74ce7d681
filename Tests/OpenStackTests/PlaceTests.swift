import Crypto
import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Synchronization
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

@Suite("What a location in a cloud keeps")
struct CloudPlaceTests {
    @Test("is said by a word and a name, and nothing else is taken")
    func words() {
        #expect(CloudPlace("store:vault") == .store("vault"))
        #expect(CloudPlace("volume-type:ssd-1:eu") == .volumeType("ssd-1:eu"))
        for text in [
            "", "store", "store:", "Store:a", "volume:a", "store:a b", "store:a\r\nX-Token: b", "store:é", "store:a,b",
            "store:" + String(repeating: "a", count: 256), "/srv/vault", "captures:",
        ] {
            #expect(CloudPlace(text) == nil, "\(text)")
        }
    }
}

extension CloudTests {
    @Suite(
        "Locations that keep a copy of all bytes",
        .enabled(if: CloudScratch.folder != nil, "GOLDSMITH_TEST_CLOUD names no cloud"),
        .serialized,
        .timeLimit(.minutes(30))
    )
    struct PlaceTests {
        private static let places = [CloudPlace.store("vault"), .volumeType("file2")]

        @Test(
            "a server's image is the same bytes there, and is launched when the cloud's own snapshots are gone",
            arguments: places,
            [DiskKind.cloud, .local]
        )
        func copies(_ place: CloudPlace, _ system: DiskKind) async throws {
            let scratch = try await CloudScratch(in: place)
            var original: [String] = []
            let server = try await CapturedServer(system, in: scratch, by: scratch.driver) { id in
                let files = try await scratch.volumeFiles(of: id)
                try Self.scribble(try #require(files.last))
                original = try files.map(Self.sum)
            }
            try await server.describeMachine(scratch, scratch.driver.scope)
            let east = try CapturedServer.resource(.replica, "east")
            let replica = try await server.replicate(into: east)
            try server.expectMachine(try await scratch.driver.image(of: east))
            for (file, capture) in zip(replica.files, server.captures) {
                #expect((file.sha256 == capture.sha256) == (capture.format != .cinderSnapshot))
            }
            try await server.expectNoWaysOut(scratch, scratch.driver.scope)
            try await Self.expect(place, east, scratch)
            let described = try #require(try scratch.fixture.manifest(east))
            let manifest = try CanonicalJSON.decode(Manifest.self, from: described)
            #expect(manifest.disks.map(\.sha256) == replica.files.map(\.sha256))
            #expect(manifest.disks.map(\.format) == ["qcow2", "qcow2"])

            try await server.deleteCaptures()
            #expect(try await scratch.driver.inventory() == [east])
            let launched = try await server.launch(replica, as: "i-web2")
            let made = try #require(try await scratch.driver.server(of: launched.id)).id
            let copied = try await scratch.volumeFiles(of: made).map(Self.sum)
            #expect(copied.last == original.last)
            // Nova has begun to start it.
            try await scratch.cloud.deleteServer(made)
            if case .volumeType = place { try await Self.launchByNova(east, scratch) }
            try await scratch.driver.delete(east)
            #expect(try await scratch.driver.inventory().isEmpty)
        }

        /// What the replica consists of, and where that is.
        private static func expect(_ place: CloudPlace, _ replica: Resource, _ scratch: CloudScratch) async throws {
            let marks = scratch.driver.scope.marks(of: replica.id)
            let images = try await scratch.cloud.images(with: marks)
            let volumes = try await scratch.cloud.volumes(with: marks)
            let snapshots = try await scratch.cloud.snapshots(with: marks)
            #expect(images.allSatisfy { $0.status == "active" })
            switch place {
            case .captures: Issue.record("that is no copy")
            case .store(let name):
                #expect(images.count == 2 && images.allSatisfy { $0.stores == [name] } && volumes.isEmpty)
                for image in images {
                    #expect(FileManager.default.fileExists(atPath: "\(scratch.folder)/glance/\(name)/\(image.id)"))
                }
            case .volumeType(let name):
                #expect(images.count == 1 && images.allSatisfy { $0.size ?? 0 == 0 })
                #expect(volumes.count == 2 && volumes.allSatisfy { $0.type == name })
                #expect(Set(snapshots.map(\.volumeID)) == Set(volumes.map(\.id)))
            }
        }

        /// A replica of volumes needs no Goldsmith.
        private static func launchByNova(_ replica: Resource, _ scratch: CloudScratch) async throws {
            let image = try #require(try await scratch.driver.image(of: replica))
            let flavor = try #require(try await scratch.cloud.flavors()["tiny0"])
            let id = try await scratch.cloud.createServer([
                "name": "by-nova", "flavorRef": .text(flavor.id), "networks": "none", "imageRef": .text(image.id),
            ])
            try await scratch.becomes("ACTIVE", id)
            #expect(try await scratch.cloud.attachments(of: id).count == 2)
            try await scratch.cloud.deleteServer(id)
            let isGone = try await eventually(within: .seconds(120)) {
                try await !scratch.cloud.servers().contains { $0.id == id }
            }
            try #require(isGone)
        }

        /// Bytes that are found again.
        private static func scribble(_ path: String) throws {
            let handle = try #require(FileHandle(forUpdatingAtPath: path))
            try handle.seek(toOffset: 100 << 20)
            try handle.write(contentsOf: Data((0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }))
            try handle.close()
        }

        private static func sum(_ path: String) throws -> String {
            let handle = try #require(FileHandle(forReadingAtPath: path))
            var hash = SHA256()
            while let piece = try handle.read(upToCount: 4 << 20), !piece.isEmpty { hash.update(data: piece) }
            return Hexadecimal.text(hash.finalize())
        }

        @Test(
            "a copy that was stopped in the middle is begun anew, or deleted without a trace",
            arguments: places
        )
        func stopped(_ place: CloudPlace) async throws {
            let scratch = try await CloudScratch(in: place)
            let server = try await CapturedServer(.cloud, in: scratch, by: scratch.driver)
            let east = try CapturedServer.resource(.replica, "east")
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
                group.addTask {
                    _ = try await scratch.driver.replicate(server.captures, manifest: server.manifest, into: east) {
                        if $0.doneBytes > 0 { begun.yield() }
                    }
                }
                for await _ in signals { break }
                group.cancelAll()
                await #expect(throws: StepFailure.self) { try await group.next() }
            }
            let images = try await scratch.cloud.images(with: scratch.driver.scope.marks(of: east.id))
            #expect(!images.isEmpty, "it was stopped before anything was made")
            _ = try await server.replicate(into: east)
            try await Self.expect(place, east, scratch)
            try await scratch.driver.delete(east)
            try await server.deleteCaptures()
            #expect(try await scratch.driver.inventory().isEmpty)
            #expect(try await scratch.cloud.images(with: [:]).isEmpty)
            #expect(try await scratch.cloud.snapshots(with: [:]).isEmpty)
        }

        @Test("what the cloud has not is told by name before anything is made, and so is a quota without room")
        func absent() async throws {
            for (place, words) in [
                (CloudPlace.store("fast"), ["no store fast", "files, vault"]),
                (.volumeType("gold"), ["no volume type gold", "file1"]),
            ] {
                let scratch = try await CloudScratch(in: place)
                let told = try await scratch.driver.absentPlaces()
                #expect(told.map(\.location.text) == ["east", "west"])
                let east = try CapturedServer.resource(.replica, "east")
                let server = try await CapturedServer(.local, in: scratch, by: scratch.driver)
                let failure = await #expect(throws: StepFailure.self) { _ = try await server.replicate(into: east) }
                #expect(failure?.code == .failedPrecondition && failure?.disposition == .permanent)
                for word in words { #expect("\(failure?.message ?? "") \(failure?.advice ?? "")".contains(word)) }
                #expect(Set(try await scratch.driver.inventory()) == Set(server.captures.map(\.resource)))
            }
            let scratch = try await CloudScratch(in: .volumeType("file2"))
            #expect(try await scratch.driver.absentPlaces().isEmpty)
            let server = try await CapturedServer(.local, in: scratch, by: scratch.driver)
            let operate = CloudOperator(folder: scratch.folder)
            try await operate("quota", "snapshots_file2", "1")
            let failure = await #expect(throws: StepFailure.self) {
                _ = try await server.replicate(into: try CapturedServer.resource(.replica, "east"))
            }
            try await operate("quota", "snapshots_file2", "-1")
            #expect(failure?.code == .quotaExceeded && failure?.message.contains("snapshots_file2") == true)
            #expect(Set(try await scratch.driver.inventory()) == Set(server.captures.map(\.resource)))
        }
    }
}
