import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("A worker may die at any moment", .timeLimit(.minutes(30)))
struct CrashTests {
    @Test("an image is made whole, whichever call its worker dies at", arguments: [1, 2])
    func available(seed: Int) async throws {
        try await everyCrash(seed: seed) { rig, story in try await rig.expectAvailable(story) }
    }

    @Test("a failing image leaves nothing behind, whichever call its worker dies at", arguments: [3, 4])
    func failed(seed: Int) async throws {
        // Not a broken disk of the simulated system: the stop-check would find that one before any disk is captured.
        let breakDisk: Interceptor = { call in
            guard call.name == "driver.capture /dev/vdc", call.moment == .before else { return .pass }
            return .fail(StepFailure(.permanent, .failedPrecondition, "the disk cannot be read"))
        }
        try await everyCrash(seed: seed, driver: breakDisk) { rig, story in
            try await rig.expectError(.failedPrecondition, story)
        }
    }

    @Test("nothing is lost or left when workers die again and again", arguments: 1...40)
    func often(seed: Int) async throws {
        let dice = SharedDice(seed: UInt64(seed))
        var faults = SimulatedFaults(seed: UInt64(seed), transientRate: 0.1)
        let isBroken = dice.number(below: 2) == 0
        if isBroken { faults.brokenLocations = [LocationName(known: "west")] }
        let rig = try await Rig(seed: UInt64(seed), faults: faults)
        rig.request()
        var deaths = 0
        let next = {
            deaths += 1
            let plan = CrashPlan(at: deaths <= 12 ? 1 + dice.number(below: 40) : nil)
            return rig.worker("w\(deaths)", plan: plan)
        }
        try await rig.run(next(), then: next)
        let image = try await rig.image()
        // A job whose every attempt fails by chance is out of attempts: that is an end too.
        let code: ErrorCode = image.failure?.cause.code ?? .internal
        if image.status == .available {
            try await rig.expectAvailable("seed \(seed)")
        } else {
            #expect(isBroken || code == .unavailable, "seed \(seed): \(code)")
            try await rig.expectError(code, "seed \(seed)")
        }
    }

    private func everyCrash(
        seed: Int,
        driver: Interceptor? = nil,
        _ holds: (Rig, String) async throws -> Void
    ) async throws {
        for number in 1... {
            let rig = try await Rig(seed: UInt64(seed))
            let plan = CrashPlan(at: number)
            rig.request()
            try await rig.run(rig.worker("mortal", plan: plan, driver: driver)) { rig.worker("heir", driver: driver) }
            try await holds(rig, "seed \(seed), died at \(plan.story)")
            guard plan.isDead else { return }
        }
    }
}
