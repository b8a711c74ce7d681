import AMQPClient
import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Testing

/// The parts of an event that tests look at.
struct SeenEvent: Decodable, Sendable {
    struct Content: Decodable, Sendable {
        var imageId: String?
        var status: String?
        var step: String?
    }

    var id: String
    var type: String
    var sequence: String?
    var data: Content
}

@Suite("The built program under kill -9", .serialized, .timeLimit(.minutes(15)))
struct KillTests {
    /// What a run with one data disk and one location announces, in order of first appearance. The worker is killed when
    /// it says so, which is right after the commit that the event belongs to, and mostly before its acknowledgement.
    static let boundaries = [
        "goldsmith.image.pending",
        "goldsmith.step.stop-check.started", "goldsmith.step.stop-check.done",
        "goldsmith.step.system-disk.started", "goldsmith.step.system-disk.done",
        "goldsmith.step.data-disk.started", "goldsmith.step.data-disk.done",
        "goldsmith.image.replicating",
        "goldsmith.step.replicate.started", "goldsmith.step.replicate.done",
    ]

    @Test("the only worker killed at any step boundary ends in Available, equal to its source, with no leftovers")
    func killedAtEveryBoundary() async throws {
        try await Dev.with(workers: 1, copyRate: 64) { dev in
            let facts = try #require(dev.facts)
            _ = try await dev.run("quota", "set", "--images", "100", "--snapshots", "100")
            _ = try await dev.run("instance", "sample", "--id", "i-kill", "--data-disks", "1", "--mib", "24")
            let events = try await EventTap(facts.amqpUrl)
            var owned: [String] = []
            for boundary in Self.boundaries {
                let before = try #require(dev.facts?.pids.workers.first)
                let answer = try await dev.run(
                    "image",
                    "create",
                    "--instance",
                    "i-kill",
                    "--name",
                    "killed",
                    "--data-disk",
                    "/dev/vdb",
                    "--replicate-to",
                    "east",
                    "--json"
                )
                // The first boundary passes while the request is still being answered.
                let accepted = try JSONDecoder().decode(Accepted.self, from: Data(answer.output.utf8))
                #expect(await events.waits(for: boundary, of: accepted.imageId), "\(boundary)")
                kill(before, SIGKILL)
                let ended = await eventually(within: .seconds(120)) {
                    let image = try? await dev.json(ShownImage.self, "image", "show", accepted.imageId)
                    return image?.status == "Available" || image?.status == "Error"
                }
                #expect(ended, "killed at \(boundary)")
                let image = try await dev.json(ShownImage.self, "image", "show", accepted.imageId)
                #expect(image.status == "Available", "killed at \(boundary): \(String(describing: image.failure))")
                for disk in image.deviceMapping {
                    let resource = try #require(disk.resource)
                    let name = disk.device.dropFirst("/dev/".count) + ".qcow2"
                    let shelf = disk.device == "/dev/vda" ? "images" : "snapshots"
                    _ = try await DriverScratch.run(
                        "/usr/bin/qemu-img",
                        [
                            "compare", "-q", "\(dev.data)/instances/i-kill/\(name)",
                            "\(dev.data)/\(shelf)/\(resource)/\(name)",
                        ]
                    )
                }
                owned = (owned + image.owned).sorted()
                #expect(
                    await eventually { dev.leftovers == owned },
                    "killed at \(boundary): \(dev.leftovers) should be \(owned)"
                )
                let instance = try await dev.json(ShownInstance.self, "instance", "show", "i-kill")
                #expect(instance.lockedBy == nil)
            }
            await events.close()
            let quota = try await dev.json(ShownQuota.self, "quota", "show")
            #expect(quota.used == .init(images: Self.boundaries.count, snapshots: Self.boundaries.count))
            #expect(try await dev.json([ShownLetter].self, "parked", "list", "--state", "all").isEmpty)
        }
    }

    /// Nobody closes the connection of a worker that stands still: the broker gives up on it after three times 15 s
    /// without a heartbeat, and hands its deliveries to others then, which find the lease lapsed.
    @Test("a worker that stands still, like one whose machine is lost, loses its job within 50 seconds")
    func standingStill() async throws {
        try await Dev.with(workers: 2, copyRate: 4) { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-still", "--mib", "64")
            let answer = try await dev.run("image", "create", "--instance", "i-still", "--name", "still", "--json")
            let image = try JSONDecoder().decode(Accepted.self, from: Data(answer.output.utf8)).imageId
            let isCopying = try await eventually(within: .seconds(60)) { try await capturer(dev) != nil }
            #expect(isCopying)
            let stopped = try #require(try await capturer(dev))
            kill(stopped, SIGSTOP)
            let began = ContinuousClock.now
            let isSuspected = await eventually {
                (try? await dev.run("doctor", "--quick"))?.output.contains("2 alive; ") == true
            }
            #expect(isSuspected, "it counts as alive for 30 seconds, and doctor says how old its last sign is")
            let isTakenOver = try await eventually(within: .seconds(90)) {
                guard let now = try await capturer(dev) else { return false }
                return now != stopped
            }
            let took = ContinuousClock.now - began
            kill(stopped, SIGCONT)
            // Five seconds beside the fifty for what a busy machine takes to ask.
            #expect(isTakenOver && took < .seconds(55), "\(took)")
            let ended = await eventually(within: .seconds(120)) {
                (try? await dev.json(ShownImage.self, "image", "show", image))?.status == "Available"
            }
            #expect(ended)
        }
    }

    /// The process that captures a system disk now.
    private func capturer(_ dev: Dev) async throws -> Int32? {
        try await dev.json(ShownWorkers.self, "worker", "list").workers.first { worker in
            worker.works.contains { $0.step == "system-disk" }
        }?.pid
    }

    private struct Accepted: Decodable { var imageId: String }
}

struct ShownQueue: Decodable, Sendable {
    var name: String
    var ready: Int?
    var consumers: Int?
    var unacked: Int?
}

/// Listens to every event of a broker.
actor EventTap {
    private let consumer: AMQPConsumer
    private var seen: [SeenEvent] = []
    private var reading: Task<Void, Never>?

    init(_ url: String) async throws {
        let endpoint = try AMQPEndpoint(parsing: url)
        let connection = AMQPConnection(endpoint: endpoint, name: "test events", logger: testLogger)
        try await connection.open()
        _ = try await connection.declareQueue("test.events", arguments: ["x-queue-type": "quorum"])
        try await connection.bindQueue("test.events", to: "goldsmith.events", routingKey: "#")
        await connection.close()
        consumer = AMQPConsumer(endpoint: endpoint, name: "test events", logger: testLogger)
        let deliveries = try await consumer.deliveries(from: "test.events", prefetch: 100)
        reading = Task { [weak self] in
            for await delivery in deliveries {
                if let event = try? JSONDecoder().decode(SeenEvent.self, from: Data(delivery.message.body)) {
                    await self?.add(event)
                }
                delivery.ack()
            }
        }
    }

    private func add(_ event: SeenEvent) { seen.append(event) }

    func events(of image: String) -> [SeenEvent] { seen.filter { $0.data.imageId == image } }

    nonisolated func waits(for type: String, of image: String) async -> Bool {
        await eventually(within: .seconds(60)) { await self.events(of: image).contains { $0.type == type } }
    }

    func close() async {
        await consumer.close()
        await reading?.value
    }
}
