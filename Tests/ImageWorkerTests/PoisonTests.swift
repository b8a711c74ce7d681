import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageWorker

@Suite("A job that kills its workers ends", .timeLimit(.minutes(30)))
struct PoisonTests {
    @Test("a disk whose capture ends every worker makes the image Error")
    func poison() async throws {
        let rig = try await Rig(deliveryLimit: 3)
        await rig.startCapturing()
        for _ in 0..<100 {
            let worker = rig.worker(plan: CrashPlan(before: "driver.capture /dev/vda"))
            await worker.work(.job(.systemDisk))
            rig.broker.lose(worker.name)
            rig.time.advance(by: .seconds(6))
            rig.broker.turn()
            await rig.worker("other").work(.deadLetters)
        }
        // While the dead worker's lease lives, the recheck sends a fresh message, whose deliveries count from zero: only
        // the take-overs can be counted.
        #expect(try await rig.image().status == .error)
    }
}
