import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("The orphan sweep deletes nothing that is somebody's", .timeLimit(.minutes(30)))
struct OrphanTests {
    @Test("an instance that is published while the sweep looks stays")
    func published() async throws {
        let rig = try await Rig()
        rig.request()
        try await rig.run(rig.worker())
        let id = try await rig.image().id
        rig.request(.launch, id: "l1", ["imageId": .string(id.text)])
        let worker = rig.worker()
        await worker.work(.intake)
        // Put together, and not yet in place.
        await worker.work(.job(.launch))
        let built = try await rig.driver.inventory().filter { $0.kind == .instance }
        #expect(built.count == 1)
        // The sweep has seen it there; then it is published.
        try await rig.run(worker)
        let launched = try #require(try rig.answers().last?.instanceId)
        for resource in built { try await rig.driver.delete(resource) }
        #expect(try await rig.driver.describe(launched, for: nil).status == .stopped)
    }
}
