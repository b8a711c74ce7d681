import GoldsmithTestSupport
import ImageCore
import ImageSimulation
import ImageStore
import SQLAccess
import Testing

@testable import ImageWorker

/// The store's clock counts, and a worker's own is good for nothing but to be reported.
@Suite("Workers whose clocks are wrong", .timeLimit(.minutes(30)))
struct ClockTests {
    private static let errors = [
        Duration.seconds(3600), .seconds(-3600), .seconds(-90 * 86_400), .seconds(90 * 86_400),
    ]

    @Test("what a live worker does is not taken over by one whose clock is wrong", arguments: ClockTests.errors)
    func alive(_ ahead: Duration) async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.before, "driver.capture /dev/vda")
        let worker = rig.worker(driver: gate.interceptor)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        rig.broker.lose(worker.name)
        let wrong = rig.worker("wrong", time: SkewedTime(rig.time, ahead: ahead))
        try await wrong.context.time.follow(rig.store)
        await wrong.work(.job(.systemDisk))
        #expect(rig.broker.retryQueues.count == 1 && rig.broker.unacked == 0, "it waits for the lease")
        gate.open()
        await copying.value
        #expect(try await rig.image().jobs[.systemDisk]?.fence == 2, "nobody else was granted it")
        try await rig.run(wrong)
        try await rig.expectAvailable()
    }

    @Test(
        "what a dead worker did is taken over by one whose clock is wrong, once the lease has lapsed",
        arguments: ClockTests.errors
    )
    func dead(_ ahead: Duration) async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let dead = rig.worker("dead", plan: CrashPlan(before: "driver.capture /dev/vda"))
        await dead.work(.job(.systemDisk))
        rig.broker.lose(dead.name)
        let wrong = rig.worker("wrong", time: SkewedTime(rig.time, ahead: ahead))
        rig.time.advance(by: .seconds(15))
        try await wrong.context.time.follow(rig.store)
        await wrong.work(.job(.systemDisk))
        #expect(try await rig.image().jobs[.systemDisk]?.phase == .done)
    }

    @Test(
        "what a worker with a wrong clock did is taken over when it is dead, no sooner and no later",
        arguments: ClockTests.errors
    )
    func deadAndWrong(_ ahead: Duration) async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let plan = CrashPlan(before: "driver.capture /dev/vda")
        let dead = rig.worker("dead", plan: plan, time: SkewedTime(rig.time, ahead: ahead))
        try await dead.context.time.follow(rig.store)
        await dead.work(.job(.systemDisk))
        rig.broker.lose(dead.name)
        let heir = rig.worker("heir")
        await heir.work(.job(.systemDisk))
        #expect(rig.broker.retryQueues.count == 1)
        rig.time.advance(by: .seconds(15))
        rig.broker.turn()
        await heir.work(.job(.systemDisk))
        #expect(try await rig.image().jobs[.systemDisk]?.phase == .done)
    }

    @Test(
        "a clock that is put right in the middle changes neither the lease nor what comes next",
        arguments: ClockTests.errors
    )
    func inTheMiddle(_ error: Duration) async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.before, "driver.capture /dev/vda")
        let clock = SkewedTime(rig.time, ahead: error)
        let worker = rig.worker(time: clock, driver: gate.interceptor)
        try await worker.context.time.follow(rig.store)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        try await rig.passRenewing(seconds: 5, sleepers: 2)
        clock.set(ahead: .zero)
        try await rig.passRenewing(seconds: 5, sleepers: 2)
        gate.open()
        await copying.value
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a worker goes on sweeping and reporting when its clock is set", arguments: ClockTests.errors)
    func reports(_ error: Duration) async throws {
        let rig = try await Rig()
        let clock = SkewedTime(rig.time)
        let worker = rig.worker(time: clock)
        let sweeping = Task { await Sweeper(context: worker.context, inspector: rig.broker).run() }
        try await becomesTrue { rig.time.sleepers == 1 }
        clock.set(ahead: error)
        for _ in 0..<6 {
            try await rig.pass(seconds: 10) { rig.time.sleepers == 1 }
            let status = try #require(try await rig.store.workers().first)
            #expect(!status.isGone && status.silence <= .seconds(15), "\(status.silence)")
        }
        let status = try #require(try await rig.store.workers().first)
        #expect(status.skew == error && status.report.at - status.report.startedAt >= .seconds(50))
        sweeping.cancel()
        await sweeping.value
    }

    @Test("when the store's own clock is set, work goes on and comes to its end", arguments: ClockTests.errors)
    func store(_ error: Duration) async throws {
        let time = ManualTime()
        let storeClock = SkewedTime(time)
        let store = try await SQLImageStore(on: try SQLiteMemory(), clock: storeClock)
        let known = StoreTime(SkewedTime(time, ahead: .seconds(7200)))
        try await known.follow(store)
        #expect(known.now() == time.now())
        time.advance(by: .seconds(4))
        #expect(known.now() == time.now())
        storeClock.set(ahead: error)
        #expect(known.now() == time.now(), "until it asks again")
        try await known.follow(store)
        #expect(known.now() == time.now() + error)
    }
}
