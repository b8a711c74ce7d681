import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("A request becomes an image", .timeLimit(.minutes(30)))
struct HappyPathTests {
    @Test("a whole machine becomes Available, whatever the order of its jobs", arguments: 1...20)
    func available(seed: Int) async throws {
        let rig = try await Rig(seed: UInt64(seed))
        rig.request()
        try await rig.run(rig.worker())
        try await rig.expectAvailable("seed \(seed)")
        let image = try await rig.image()
        #expect(image.captures.count == 3 && image.replicas.count == 2)
        #expect(try rig.driver.manifest(of: image.replicas[0].resource) != nil)
        // Without interference, no event is sent twice or out of order.
        let events = rig.broker.events
        #expect(events.compactMap { Int($0.id.split(separator: "/").last ?? "") } == Array(1...Int(image.sequence)))
        let transitions = events.map(\.routingKey).filter { $0.hasPrefix("image.") }
        #expect(transitions == ["pending", "replicating", "available"].map { "image.\($0).acct-1" })
    }

    @Test("the answer goes where the request says, with its correlation id")
    func reply() async throws {
        let rig = try await Rig()
        rig.request()
        try await rig.run(rig.worker())
        let reply = try #require(rig.broker.replies.first)
        #expect(rig.broker.replies.count == 1)
        #expect(reply.routingKey == "answers")
        #expect(reply.correlationID == "corr-r1")
        let image = try await rig.image()
        #expect(try rig.answers() == [.accepted(image.id, .pending)])
    }

    @Test("nobody is answered who did not ask for it")
    func noReply() async throws {
        let rig = try await Rig()
        rig.request(replyTo: nil)
        try await rig.run(rig.worker())
        #expect(rig.broker.replies.isEmpty)
        #expect(try await rig.image().status == .available)
    }

    @Test("an instance may be started again as soon as its disks are captured")
    func unlocked() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request()
        await worker.work(.intake)
        await worker.work(.job(.stopCheck))
        #expect(try await rig.store.locks().count == 4)
        await worker.work(.job(.systemDisk))
        await worker.work(.job(.dataDisk))
        #expect(try await rig.store.locks().count == 4)
        await worker.work(.job(.dataDisk))
        #expect(try await rig.store.locks().isEmpty)
        #expect(try await rig.image().status == .replicating)
        try rig.driver.setStatus(.running, of: InstanceID(known: "i-web1"))
        try await rig.run(worker)
        try await rig.expectAvailable()
    }
}
