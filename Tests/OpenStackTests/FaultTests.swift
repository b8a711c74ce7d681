import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

extension CloudTests {
    /// Two to four images of one server at once, with a quota that is enough for one, while something of the cloud fails:
    /// counts what each way leaves behind.
    @Suite(
        "Images of a cloud that fails end once and leave nothing behind",
        .enabled(if: CloudScratch.folder != nil && rounds > 0, "GOLDSMITH_TEST_ROUNDS names no number of rounds"),
        .serialized,
        .timeLimit(.minutes(240))
    )
    struct FaultTests {
        private static let instance = InstanceID(known: "i-faults")

        private func prepare() async throws -> (CloudScratch, CloudOperator, server: String) {
            let scratch = try await CloudScratch()
            let operate = CloudOperator(folder: scratch.folder)
            let disks = try (0..<3).map { position in
                Disk(device: try #require(DeviceName(position: position)), kind: .cloud, sizeBytes: 1 << 30)
            }
            let owner = Owner(known: "acct-1")
            let instance = Instance(id: Self.instance, owner: owner, status: .stopped, disks: disks)
            let server = try await scratch.add(instance, types: ["file1", "file2"])
            // So that there is a time in which a snapshot is being made.
            try await operate("delay", "1")
            return (scratch, operate, server)
        }

        private func finish(_ operate: CloudOperator) async throws {
            try await operate("quota", "snapshots", "-1")
            try await operate("delay", "0")
        }

        /// One round: all requests at once, and the fault in their middle.
        private func round<End: Sendable>(
            _ number: Int,
            _ scratch: CloudScratch,
            _ operate: CloudOperator,
            _ count: inout FaultCount,
            _ make: @escaping @Sendable (Int, CloudWay) async throws -> End
        ) async throws -> [End] {
            let fault = CloudFault.allCases[number % CloudFault.allCases.count]
            // A fall of Cinder can leave some of it reserved for a day.
            let reserved = try await scratch.cloud.volumeQuotas()["snapshots"]?.reserved ?? 0
            try await operate("quota", "snapshots", "\(4 + reserved)")
            let way = try CloudWay(scratch.cloud.access)
            way.add(fault, project: try await scratch.cloud.projectID())
            let watch = EarlyWatch(scratch.cloud, operate)
            let watching = Task { await watch.run() }
            let requests = 2 + number % 3
            let ends = try await withThrowingTaskGroup(of: End?.self) { group in
                for request in 0..<requests { group.addTask { try await make(request, way) } }
                group.addTask {
                    try await Self.happen(fault, scratch, operate)
                    return nil
                }
                return try await group.reduce(into: [End]()) { ends, end in if let end { ends.append(end) } }
            }
            watching.cancel()
            try await watch.look()
            count.early += await watch.count
            count.forgotten += await watch.forgotten.count
            count.requests += requests
            count.faults[fault, default: 0] += [.wrongToken, .lostAnswers].contains(fault) ? way.faults : 1
            return ends
        }

        private static func happen(_ fault: CloudFault, _ scratch: CloudScratch, _ operate: CloudOperator) async throws
        {
            guard fault == .glanceStops || fault == .volumesKilled else { return }
            _ = await eventually(within: .seconds(20)) {
                let snapshots = try? await scratch.cloud.snapshots(with: [:])
                return snapshots?.contains { $0.status == "creating" } == true
            }
            switch fault {
            case .glanceStops:
                try await operate("stop", "glance")
                try await Task.sleep(for: .seconds(3))
                try await operate("start", "glance")
            default:
                try await operate("kill", "cinder-volume")
                try await operate("start", "cinder-volume")
            }
        }

        // MARK: Ours

        @Test("ours")
        func ours() async throws {
            let (scratch, operate, server) = try await prepare()
            var count = FaultCount()
            for number in 0..<rounds {
                let ends = try await round(number, scratch, operate, &count) { request, way in
                    let image = try #require(ImageID("img-f\(number)x\(request)"))
                    let isMade = await Self.make(image, CloudScratch.driver(way.cloud))
                    // What the store's clean-up does: it knows the resources of each image by their ids.
                    if !isMade { try await Self.cleanUp(image, CloudScratch.driver(way.cloud)) }
                    return (image: image, isMade: isMade)
                }
                let made = ends.filter(\.isMade).map(\.image)
                count.made += made.count
                count.refused += ends.count - made.count
                count.unended += 2 + number % 3 - Set(ends.map(\.image)).count
                let snapshots = try await scratch.cloud.snapshots(with: [:])
                let images = try await scratch.cloud.images(with: [:])
                for image in made {
                    let own = snapshots.filter { $0.metadata[CloudMark.resource]?.hasPrefix(image.text + ".") == true }
                    #expect(own.map(\.status) == ["available", "available", "available"])
                }
                let orphans = snapshots.count + images.count - made.count * 4
                if orphans != 0 {
                    print("round \(number): \(snapshots) \(images.map(\.id)), made \(made)")
                    count.orphans += orphans
                    count.roundsWithOrphans += 1
                }
                let volumes = try await scratch.cloud.volumes(with: [:])
                count.stuckVolumes += volumes.filter { $0.status != "in-use" }.count
                count.locked += try await scratch.cloud.server(server).isLocked ? 1 : 0
                for image in made { try await Self.cleanUp(image, scratch.driver) }
                print("round \(number + 1): \(count)")
            }
            try await finish(operate)
            print("faults: goldsmith \(rounds) rounds, \(count)")
            #expect(count.orphans == 0 && count.early == 0 && count.stuckVolumes == 0)
            #expect(count.unended == 0 && count.locked == 0)
            #expect(try await scratch.driver.inventory().isEmpty)
        }

        private static func resources(of image: ImageID) throws -> [Resource] {
            let snapshots = ["vda", "vdb", "vdc"].map {
                Resource(id: ResourceID(image: image, part: $0, fence: 1), kind: .snapshot, imageID: image)
            }
            let id = ResourceID(image: image, part: "replica-east", fence: 1)
            let east = LocationName(known: "east")
            return snapshots + [Resource(id: id, kind: .replica, imageID: image, location: east)]
        }

        /// As workers do it: the captures at once, then the replica, each tried again while that may help.
        /// - Returns: whether it was made.
        private static func make(_ image: ImageID, _ driver: OpenStackDriver) async -> Bool {
            do {
                let resources = try resources(of: image)
                let captures = try await withThrowingTaskGroup(of: Capture.self) { group in
                    for (position, resource) in resources.dropLast().enumerated() {
                        let device = try #require(DeviceName(position: position))
                        group.addTask {
                            try await tried {
                                try await driver.capture(device, of: instance, into: resource) { _ in }
                            }
                        }
                    }
                    return try await group.reduce(into: [Capture]()) { $0.append($1) }
                }
                _ = try await tried { try await driver.replicate(captures, manifest: [], into: resources[3]) { _ in } }
                return true
            } catch {
                return false
            }
        }

        private static func tried<Value>(_ body: () async throws -> Value) async throws -> Value {
            var attempts = 4
            let end = ContinuousClock.now + .seconds(90)
            while true {
                do { return try await body() } catch let failure as StepFailure {
                    if failure.disposition == .transient { attempts -= 1 }
                    guard failure.disposition != .permanent, attempts > 0, ContinuousClock.now < end else {
                        throw failure
                    }
                    try await Task.sleep(for: .seconds(1))
                }
            }
        }

        private static func cleanUp(_ image: ImageID, _ driver: OpenStackDriver) async throws {
            for resource in try resources(of: image).reversed() {
                try await tried { try await driver.delete(resource) }
            }
        }

        // MARK: Nova's

        @Test("Nova's createImage, beside it")
        func novas() async throws {
            let (scratch, operate, server) = try await prepare()
            var count = FaultCount()
            for number in 0..<rounds {
                let ends = try await round(number, scratch, operate, &count) { request, way in
                    do {
                        return try await way.cloud.createImage(of: server, name: "n\(number)x\(request)", metadata: [:])
                    } catch { return "" }
                }
                count.made += ends.filter { !$0.isEmpty }.count
                count.refused += ends.filter(\.isEmpty).count
                _ = try await eventually(within: .seconds(15)) {
                    try await Task.sleep(for: .milliseconds(200))
                    return try await scratch.cloud.snapshots(with: [:]).allSatisfy { !$0.status.hasSuffix("ing") }
                }
                let images = try await scratch.cloud.images(with: [:])
                let named = Set(
                    images.flatMap { EarlyWatch.snapshots(in: $0.properties["block_device_mapping"] ?? "[]") }
                )
                let orphans = try await scratch.cloud.snapshots(with: [:]).filter { !named.contains($0.id) }.count
                count.orphans += orphans
                count.roundsWithOrphans += orphans > 0 ? 1 : 0
                for image in images { try? await scratch.cloud.deleteImage(image.id) }
                for snapshot in try await scratch.cloud.snapshots(with: [:]) where snapshot.status == "creating" {
                    count.forgotten += 1
                    try await operate("fail", snapshot.id)
                }
                _ = try await eventually(within: .seconds(60)) {
                    for snapshot in try await scratch.cloud.snapshots(with: [:]) {
                        try? await scratch.cloud.deleteSnapshot(snapshot.id)
                    }
                    try await Task.sleep(for: .milliseconds(500))
                    return try await scratch.cloud.snapshots(with: [:]).isEmpty
                }
                print("round \(number + 1): nova \(count)")
            }
            try await finish(operate)
            print("faults: nova \(rounds) rounds, \(count)")
        }
    }
}

private let rounds = ProcessInfo.processInfo.environment["GOLDSMITH_TEST_ROUNDS"].flatMap { Int($0) } ?? 0
