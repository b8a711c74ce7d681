import GoldsmithTestSupport
import ImageCore
import Synchronization
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

extension CloudTests {
    @Suite(
        "Volumes are captured side by side",
        .enabled(if: CloudScratch.folder != nil, "GOLDSMITH_TEST_CLOUD names no cloud"),
        .timeLimit(.minutes(10))
    )
    struct SpeedTests {
        private static let instance = InstanceID(known: "i-eight")

        @Test("eight volumes whose snapshots take 4 s each take less than twice as long as one")
        func eight() async throws {
            let scratch = try await CloudScratch()
            let operate = CloudOperator(folder: scratch.folder)
            let devices = try (0..<8).map { try #require(DeviceName(position: $0)) }
            let disks = devices.map { Disk(device: $0, kind: .cloud, sizeBytes: 1 << 30) }
            let owner = Owner(known: "acct-1")
            try await scratch.add(Instance(id: Self.instance, owner: owner, status: .stopped, disks: disks))
            try await operate("delay", "4")
            // A first time without a count: tokens, connections, what services keep.
            _ = try await captured([.system], "img-warm", scratch.driver)
            let one = try await captured([.system], "img-one", scratch.driver)
            let eight = try await captured(devices, "img-eight", scratch.driver)
            try await operate("delay", "0")
            print("one volume: \(one.seconds) s, \(one.requests) requests")
            print("eight volumes: \(eight.seconds) s, \(eight.requests) requests")
            #expect(eight.seconds < 2 * one.seconds)
            for resource in try await scratch.driver.inventory() { try await scratch.driver.delete(resource) }
        }

        private func captured(
            _ devices: [DeviceName],
            _ image: String,
            _ driver: OpenStackDriver
        ) async throws -> (seconds: Double, requests: Int) {
            let image = ImageID(known: image)
            let sent = driver.cloud.sent.load(ordering: .relaxed)
            let time = try await ContinuousClock().measure {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for device in devices {
                        let id = ResourceID(image: image, part: device.shortName, fence: 1)
                        let resource = Resource(id: id, kind: .snapshot, imageID: image)
                        group.addTask {
                            _ = try await driver.capture(device, of: Self.instance, into: resource) { _ in }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let seconds = Double(time / .milliseconds(1)).rounded() / 1000
            return (seconds, driver.cloud.sent.load(ordering: .relaxed) - sent)
        }
    }
}
