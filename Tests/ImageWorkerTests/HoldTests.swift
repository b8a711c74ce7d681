import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("Long work holds no delivery", .timeLimit(.minutes(30)))
struct HoldTests {
    @Test("a recheck takes the delivery's place, the work goes on and commits at once, and the rechecks end")
    func recheck() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.before, "driver.capture /dev/vda")
        let worker = rig.worker(driver: gate.interceptor)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        try await rig.passRenewing(seconds: 59, sleepers: 2)
        #expect(rig.broker.unacked == 1)
        try await rig.passRenewing(seconds: 1, sleepers: 1)
        try await becomesTrue { rig.broker.unacked == 0 }
        let recheck = try #require(rig.broker.retryQueues.first)
        #expect(rig.broker.retryQueues.count == 1 && recheck.delay == .seconds30)
        #expect(recheck.entry.message.messageID == "\(try await rig.image().id)/system-disk/1")

        // The recheck goes round while the lease lives, and uses no attempt.
        try await rig.passRenewing(seconds: 30, sleepers: 1)
        rig.broker.turn()
        await rig.worker("w2").work(.job(.systemDisk))
        #expect(rig.broker.retryQueues.count == 1 && rig.broker.unacked == 0)

        gate.open()
        await copying.value
        let state = try await rig.image().jobs[.systemDisk]
        #expect(state?.phase == .done && state?.attempt == 1 && state?.fence == 2)
        try await rig.run(rig.worker("w3"))
        try await rig.expectAvailable()
    }

    @Test("when a lease lapses the next fence takes over, and the late worker's output is deleted, never adopted")
    func takeOver() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.after, "driver.capture /dev/vda")
        let outage = Outage()
        outage.begin(["store.renew"])
        let late = rig.worker("late", store: outage.interceptor, driver: gate.interceptor)
        let copying = Task { await late.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        try await rig.pass(seconds: 60) { rig.time.sleepers >= 1 }
        try await becomesTrue { rig.broker.unacked == 0 && rig.broker.retryQueues.count == 1 }
        try await rig.pass(seconds: 30) { rig.time.sleepers == 1 }
        rig.broker.turn()
        await rig.worker("heir").work(.job(.systemDisk))
        let adopted = try #require(try await rig.image().ledger.first { $0.isAdopted })
        #expect(adopted.fence == 3)
        #expect(try await rig.driver.inventory().count == 2)

        gate.open()
        await copying.value
        #expect(try await rig.driver.inventory().map(\.id) == [adopted.resource.id])
        try await rig.run(rig.worker("w3"))
        try await rig.expectAvailable()
        let image = try await rig.image()
        #expect(image.captures[0].resource == adopted.resource)
    }

    @Test("a job that comes again while its worker may be dead is looked at again soon")
    func suspect() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let plan = CrashPlan(before: "driver.capture /dev/vda")
        let dead = rig.worker("dead", plan: plan)
        await dead.work(.job(.systemDisk))
        rig.broker.lose(dead.name)
        await rig.worker("w2").work(.job(.systemDisk))
        #expect(rig.broker.retryQueues.map(\.delay) == [.seconds5])
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
    }

    @Test("a cancelled image's copy stops at the next renewal, and its output goes")
    func cancelled() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.after, "driver.capture /dev/vda")
        let worker = rig.worker(driver: gate.interceptor)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        let id = try await rig.image().id
        rig.request(.cancel, id: "c1", ["imageId": .string(id.text)])
        await rig.worker("w2").work(.intake)
        #expect(try await rig.driver.inventory().count == 1)
        rig.time.advance(by: .seconds(1))
        await copying.value
        #expect(try await rig.driver.inventory().isEmpty)
        try await rig.run(rig.worker("w2"))
        try await rig.expectError(.cancelled)
        #expect(try rig.answers().last == .accepted(id, .error))
    }

    @Test("a worker that must stop hands its copy to another, and no attempt is used")
    func drain() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.after, "driver.capture /dev/vda")
        let worker = rig.worker(driver: gate.interceptor)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        copying.cancel()
        await copying.value
        #expect(try await rig.driver.inventory().isEmpty)
        #expect(rig.broker.ready(.job(.systemDisk)).count == 1 && rig.broker.unacked == 0)
        #expect(try await rig.image().jobs[.systemDisk]?.attempt == 1)
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
        let journal = try await rig.store.journal(of: rig.image().id, after: 0)
        #expect(journal.contains { $0.kind == .stepInterrupted })
    }
}
