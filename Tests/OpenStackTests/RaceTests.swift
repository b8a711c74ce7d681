import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

/// Two images of one server at once, with a quota that is enough for one: counts what each way leaves behind.
///
/// The quota is the cloud's operator's to set: 4 snapshots, for a server of three volumes.
@Suite(
    "Racing images leave nothing behind",
    .enabled(if: CloudScratch.folder != nil && rounds > 0, "GOLDSMITH_TEST_RACES names no number of rounds"),
    .serialized,
    .timeLimit(.minutes(60))
)
struct RaceTests {
    private struct Count {
        var orphans = 0
        var roundsWithOrphans = 0
        var made = 0
        var refused = 0
    }

    private func server(_ scratch: CloudScratch) async throws -> (InstanceID, String) {
        let id = try #require(InstanceID("i-race"))
        let disks = try (0..<3).map { position in
            Disk(device: try #require(DeviceName(position: position)), kind: .cloud, sizeBytes: 1 << 30)
        }
        let owner = Owner(known: "acct-1")
        let made = try await scratch.add(Instance(id: id, owner: owner, status: .stopped, disks: disks))
        return (id, made)
    }

    @Test("ours", .enabled(if: CloudScratch.folder != nil))
    func ours() async throws {
        let scratch = try await CloudScratch()
        let (instance, _) = try await server(scratch)
        var count = Count()
        for round in 0..<rounds {
            let images = try ["a", "b"].map { try #require(ImageID("img-\($0)\(round)")) }
            let results = await withTaskGroup(of: Bool.self) { group in
                for image in images { group.addTask { await Self.make(image, of: instance, scratch) } }
                return await group.reduce(into: [Bool]()) { $0.append($1) }
            }
            count.made += results.filter { $0 }.count
            count.refused += results.filter { !$0 }.count
            // What the store's clean-up does: it knows the resources of each image by their ids.
            for image in images {
                for resource in try Self.resources(of: image) { try await scratch.driver.delete(resource) }
            }
            let left = try await scratch.cloud.snapshots(with: [:]).count
            let images2 = try await scratch.cloud.images(with: [:]).count
            count.orphans += left + images2
            count.roundsWithOrphans += left + images2 > 0 ? 1 : 0
        }
        print("races: goldsmith \(rounds) rounds, \(count)")
        #expect(count.orphans == 0)
        #expect(try await scratch.driver.inventory().isEmpty)
        #expect(try await scratch.driver.find(instance).server.isLocked == false)
    }

    private static func resources(of image: ImageID) throws -> [Resource] {
        let snapshots = ["vda", "vdb", "vdc"].map {
            Resource(id: ResourceID(image: image, part: $0, fence: 1), kind: .snapshot, imageID: image)
        }
        let east = try #require(LocationName("east"))
        let id = ResourceID(image: image, part: "replica-east", fence: 1)
        return snapshots + [Resource(id: id, kind: .replica, imageID: image, location: east)]
    }

    /// - Returns: whether it was made.
    private static func make(_ image: ImageID, of instance: InstanceID, _ scratch: CloudScratch) async -> Bool {
        do {
            let resources = try resources(of: image)
            let driver = CloudScratch.driver(scratch.cloud)
            var captures: [Capture] = []
            for (position, resource) in resources.dropLast().enumerated() {
                let device = try #require(DeviceName(position: position))
                captures.append(try await driver.capture(device, of: instance, into: resource) { _ in })
            }
            _ = try await driver.replicate(captures, manifest: [], into: resources[3]) { _ in }
            let replica = try #require(try await driver.image(of: resources[3]))
            let snapshots = try await scratch.cloud.snapshots(with: [:])
                .filter { $0.metadata[CloudMark.resource]?.hasPrefix(image.text + ".") == true }
            #expect(replica.status == "active" && snapshots.map(\.status) == Array(repeating: "available", count: 3))
            return true
        } catch {
            return false
        }
    }

    @Test("Nova's createImage, beside it")
    func novas() async throws {
        let scratch = try await CloudScratch()
        let (_, server) = try await server(scratch)
        var count = Count()
        for round in 0..<rounds {
            let made = await withTaskGroup(of: String?.self) { group in
                for name in ["a", "b"] {
                    group.addTask {
                        try? await scratch.cloud.createImage(of: server, name: "\(name)\(round)", metadata: [:])
                    }
                }
                return await group.reduce(into: [String]()) { if let id = $1 { $0.append(id) } }
            }
            count.made += made.count
            count.refused += 2 - made.count
            var named = ""
            for image in try await scratch.cloud.images(with: [:]) {
                named += image.properties["block_device_mapping"] ?? ""
            }
            let snapshots = try await scratch.cloud.snapshots(with: [:])
            let orphans = snapshots.filter { !named.contains($0.id) }.count
            count.orphans += orphans
            count.roundsWithOrphans += orphans > 0 ? 1 : 0
            for image in try await scratch.cloud.images(with: [:]) { try? await scratch.cloud.deleteImage(image.id) }
            try await becomesTrue {
                for snapshot in try await scratch.cloud.snapshots(with: [:]) {
                    try? await scratch.cloud.deleteSnapshot(snapshot.id)
                }
                return try await scratch.cloud.snapshots(with: [:]).isEmpty
            }
        }
        print("races: nova \(rounds) rounds, \(count)")
    }
}

private let rounds = ProcessInfo.processInfo.environment["GOLDSMITH_TEST_RACES"].flatMap { Int($0) } ?? 0
