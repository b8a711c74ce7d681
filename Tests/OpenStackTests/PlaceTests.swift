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
        #expect(CloudPlace("volume-type:Fast, 1:eu") == .volumeType("Fast, 1:eu"))
        for text in [
            "", "store", "store:", "Store:a", "volume:a", "store:a b", "store:a\r\nX-Token: b", "store:é", ":store:a",
            "store:" + String(repeating: "a", count: 256), "/srv/vault", "captures:", "volume-type:",
            "volume-type:a\nb",
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
                try Self.scribble(try #require(try await scratch.volumeFiles(of: id).last))
                original = try await scratch.contents(of: id, system)
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
            #expect(original.count == 2 && Set(original).count == 2)
            #expect(try await Self.contents(place, east, scratch) == original)
            let described = try #require(try scratch.fixture.manifest(east))
            let manifest = try CanonicalJSON.decode(Manifest.self, from: described)
            #expect(manifest.disks.map(\.sha256) == replica.files.map(\.sha256))
            #expect(manifest.disks.map(\.format) == ["qcow2", "qcow2"])

            try await server.deleteCaptures()
            #expect(try await scratch.driver.inventory() == [east])
            let launched = try await server.launch(replica, as: "i-web2")
            let made = try #require(try await scratch.driver.server(of: launched.id)).id
            // The guest of the system disk may have begun to start.
            #expect(try await scratch.contents(of: made, .cloud).last == original.last)
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

        /// What a replica's disks hold, in their order.
        private static func contents(
            _ place: CloudPlace,
            _ replica: Resource,
            _ scratch: CloudScratch
        ) async throws -> [String] {
            let marks = scratch.driver.scope.marks(of: replica.id)
            var sums: [String] = []
            if case .store(let name) = place {
                let images = try await scratch.cloud.images(with: marks)
                for image in images.sorted(by: {
                    $0.properties[CloudMark.part] ?? "" < $1.properties[CloudMark.part] ?? ""
                }) {
                    sums.append(try await scratch.content(of: "\(scratch.folder)/glance/\(name)/\(image.id)", "qcow2"))
                }
            } else {
                let volumes = try await scratch.cloud.volumes(with: marks)
                for volume in volumes.sorted(by: {
                    $0.metadata[CloudMark.device] ?? "" < $1.metadata[CloudMark.device] ?? ""
                }) {
                    sums.append(try await scratch.content(of: scratch.file(of: volume), "raw"))
                }
            }
            return sums
        }

        @Test(
            "a copy that was stopped in the middle is begun anew, or deleted without a trace",
            arguments: places
        )
        func stopped(_ place: CloudPlace) async throws {
            let scratch = try await CloudScratch(in: place)
            let server = try await CapturedServer(.cloud, in: scratch, by: scratch.driver)
            let east = try CapturedServer.resource(.replica, "east")
            let marks = scratch.driver.scope.marks(of: east.id)
            let capture = scratch.driver.scope.marks(of: server.captures[0].resource.id)
            // While Cinder makes the image that is read, while the first bytes are sent, and when there is more.
            for number in 0..<3 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await server.replicate(into: east) }
                    let isThere = try await eventually(within: .seconds(120)) {
                        let images = try await scratch.cloud.images(with: marks)
                        switch number {
                        case 0:
                            return try await scratch.cloud.volumes(with: capture).contains { $0.status == "uploading" }
                        case 1: return !images.isEmpty
                        default:
                            if images.count == 2 { return true }
                            return try await !scratch.cloud.volumes(with: marks).isEmpty
                        }
                    }
                    try #require(isThere)
                    group.cancelAll()
                    await #expect(throws: StepFailure.self) { try await group.next() }
                }
            }
            _ = try await server.replicate(into: east)
            try await Self.expect(place, east, scratch)
            try await scratch.driver.delete(east)
            try await server.deleteCaptures()
            #expect(try await scratch.driver.inventory().isEmpty)
            #expect(try await scratch.cloud.images(with: [:]).isEmpty)
            #expect(try await scratch.cloud.snapshots(with: [:]).isEmpty)
        }

        @Test("a store, a type or a quota that the cloud lacks is named before anything is made")
        func absent() async throws {
            for (place, words) in [
                (CloudPlace.store("fast"), ["no store fast", "files, vault"]),
                (.volumeType("gold"), ["no volume type gold", "file1"]),
            ] {
                let scratch = try await CloudScratch(in: place)
                let absent = try await scratch.driver.absentPlaces()
                #expect(absent.map(\.location.text) == ["east", "west"])
                let east = try CapturedServer.resource(.replica, "east")
                let server = try await CapturedServer(.local, in: scratch, by: scratch.driver)
                let failure = await #expect(throws: StepFailure.self) { _ = try await server.replicate(into: east) }
                #expect(failure?.code == .failedPrecondition && failure?.disposition == .permanent)
                let told = "\(failure?.message ?? "") \(failure?.advice ?? "")"
                for word in words { #expect(told.contains(word)) }
                #expect(Set(try await scratch.driver.inventory()) == Set(server.captures.map(\.resource)))
            }
            let scratch = try await CloudScratch(in: .volumeType("file2"))
            #expect(try await scratch.driver.absentPlaces().isEmpty)
            let server = try await CapturedServer(.local, in: scratch, by: scratch.driver)
            let operate = CloudOperator(folder: scratch.folder)
            // For what is kept, and for the way out of the data disk.
            for quota in ["snapshots_file2", "volumes_file1"] {
                try await operate("quota", quota, "1")
                let failure = await #expect(throws: StepFailure.self) {
                    _ = try await server.replicate(into: try CapturedServer.resource(.replica, "east"))
                }
                try await operate("quota", quota, "-1")
                #expect(failure?.code == .quotaExceeded && failure?.message.contains(quota) == true)
                #expect(Set(try await scratch.driver.inventory()) == Set(server.captures.map(\.resource)))
            }
        }

        @Test("a quota that is short in the middle does not say that nothing was made")
        func middle() async throws {
            let scratch = try await CloudScratch(in: .store("vault"))
            let server = try await CapturedServer(.local, in: scratch, by: scratch.driver)
            let way = CloudCaptures(driver: scratch.driver, replica: try CapturedServer.resource(.replica, "east"))
            let operate = CloudOperator(folder: scratch.folder)
            try await operate("quota", "volumes_file1", "1")
            let failure = await #expect(throws: StepFailure.self) { try await way.reading(server.captures[1]) { _ in } }
            try await operate("quota", "volumes_file1", "-1")
            #expect(failure?.code == .quotaExceeded && failure?.message.contains("volumes_file1") == true)
            #expect(failure?.disposition == .permanent && failure?.madeNothing == nil)
        }

        @Test("of two attempts that read one snapshot the later takes over, and the earlier leaves it alone")
        func overtaken() async throws {
            let scratch = try await CloudScratch(in: .store("vault"))
            let server = try await CapturedServer(.cloud, in: scratch, by: scratch.driver)
            let capture = server.captures[0]
            guard case .snapshot(let snapshot) = try await scratch.driver.find(capture) else {
                throw ConformanceFailure("there is no snapshot")
            }
            let attempts = try [1, 2].map { try CapturedServer.resource(.replica, "east", fence: $0) }
            let ways = attempts.map { CloudCaptures(driver: scratch.driver, replica: $0) }
            let marks = scratch.driver.scope.marks(of: capture.resource.id)
            _ = try await ways[0].export(snapshot, of: capture)
            let later = try await ways[1].export(snapshot, of: capture)
            #expect(try await scratch.cloud.images(with: marks).map(\.id) == [later.id])
            let failure = await #expect(throws: StepFailure.self) { _ = try await server.replicate(into: attempts[0]) }
            #expect(failure?.disposition == .transient && failure?.message.contains("later attempt") == true)
            try await scratch.driver.delete(attempts[0])
            #expect(try await scratch.cloud.images(with: marks).map(\.id) == [later.id])
            #expect(try await scratch.cloud.volumes(with: marks).count == 1)
            // A worker that was killed has left it.
            _ = try await server.replicate(into: attempts[1])
            try await server.expectNoWaysOut(scratch, scratch.driver.scope)
            try await scratch.driver.delete(attempts[1])
            try await server.deleteCaptures()
            #expect(try await scratch.driver.inventory().isEmpty)
        }

        @Test(
            "what its owner makes of a launched server is the owner's, though the cloud hands our marks on to it",
            arguments: [
                (CloudPlace.captures, DiskKind.local), (.store("vault"), .local), (.volumeType("file2"), .cloud),
            ]
        )
        func handedOn(_ place: CloudPlace, _ system: DiskKind) async throws {
            let scratch = try await CloudScratch(in: place)
            let server = try await CapturedServer(system, in: scratch, by: scratch.driver)
            let east = try CapturedServer.resource(.replica, "east")
            let replica = try await server.replicate(into: east)
            let launched = try await server.launch(replica, as: "i-web2")
            let id = try #require(try await scratch.driver.server(of: launched.id)).id
            let mine = try await scratch.cloud.createImage(of: id, name: "mine", metadata: [:])
            let isMade = try await eventually(within: .seconds(120)) {
                let server = try await scratch.cloud.server(id)
                return try await scratch.cloud.image(mine).status == "active" && server.taskState == nil
            }
            try #require(isMade)
            let marks = try await scratch.cloud.image(mine).properties
            #expect(marks[CloudMark.resource] == east.id.text && marks[CloudMark.scope] == scratch.driver.scope.name)

            #expect(try await scratch.driver.image(of: east)?.id != mine)
            // Its name may change, and it is found all the same.
            let made = try #require(try await scratch.driver.image(of: east)).id
            try await scratch.cloud.setProperties(["name": "golden"], ofImage: made)
            #expect(try await scratch.driver.image(of: east)?.id == made)
            try await scratch.driver.delete(east)
            try await server.deleteCaptures()
            #expect(try await scratch.driver.inventory().isEmpty)
            #expect(try await scratch.cloud.images(with: [:]).map(\.id) == [mine])
        }
    }
}
