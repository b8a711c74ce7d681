import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Synchronization
import Testing

@testable import ImageWorker

@Suite("Outages lose nothing and burn nothing", .timeLimit(.minutes(30)))
struct OutageTests {
    @Test("a store that is away for minutes burns no delivery and fails no image")
    func store() async throws {
        let rig = try await Rig()
        let outage = Outage()
        let worker = rig.worker(store: outage.interceptor)
        rig.request()
        for lane in [Lane.intake, .job(.stopCheck), .job(.systemDisk)] {
            outage.begin()
            let work = Task { await worker.work(lane) }
            for _ in 0..<60 {
                try await becomesTrue { rig.time.sleepers > 0 }
                rig.time.advance(by: .seconds(5))
            }
            outage.end()
            await wakeUntilDone(work, rig)
        }
        #expect(rig.broker.unacked == 0)
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a store that breaks after a capture does not lose it")
    func storeAfterCapture() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let outage = Outage()
        let gate = Gate(.after, "driver.capture /dev/vda")
        let worker = rig.worker(store: outage.interceptor, driver: gate.interceptor)
        let work = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached }
        outage.begin()
        gate.open()
        for _ in 0..<20 {
            try await becomesTrue { rig.time.sleepers > 0 }
            rig.time.advance(by: .seconds(5))
        }
        outage.end()
        await wakeUntilDone(work, rig)
        #expect(try await rig.image().jobs[.systemDisk]?.phase == .done)
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a commit whose answer is lost is no reason to delete what it adopted")
    func answerLost() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let isLost = Atomic(false)
        let worker = rig.worker(store: { call in
            guard call.name == "store.apply", call.moment == .after else { return .pass }
            return isLost.exchange(true, ordering: .relaxed) ? .pass : .unavailable
        })
        let work = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { rig.time.sleepers > 0 && isLost.load(ordering: .relaxed) }
        await wakeUntilDone(work, rig)
        #expect(try await rig.image().jobs[.systemDisk]?.phase == .done)
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a worker knows its own lease when the answer that granted it was lost, and goes on at once")
    func grantLost() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let isLost = Atomic(false)
        let worker = rig.worker(store: { call in
            guard call.name == "store.begin system-disk", call.moment == .after else { return .pass }
            return isLost.exchange(true, ordering: .relaxed) ? .pass : .unavailable
        })
        let fence = try await rig.image().fence
        let work = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { rig.time.sleepers > 0 && isLost.load(ordering: .relaxed) }
        await wakeUntilDone(work, rig)
        #expect(try await rig.image().jobs[.systemDisk]?.phase == .done)
        #expect(try await rig.image().fence == fence + 1)
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a store that stays away gives the delivery back after ten minutes")
    func storeGone() async throws {
        let rig = try await Rig()
        let outage = Outage()
        let worker = rig.worker(store: outage.interceptor)
        rig.request()
        outage.begin()
        let work = Task { await worker.work(.intake) }
        for _ in 0..<2 {
            try await becomesTrue { rig.time.sleepers > 0 }
            rig.time.advance(by: .seconds(400))
        }
        await work.value
        #expect(rig.broker.ready(.intake).count == 1)
        outage.end()
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("what the broker does not take stays in the outbox, and the sweeper sends it")
    func publishing() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request()
        rig.broker.refuse(.max)
        await worker.work(.intake)
        #expect(rig.broker.unacked == 0 && rig.broker.ready(.job(.stopCheck)).isEmpty)
        #expect(try await rig.unsent().count == 3)
        rig.broker.refuse(0)
        // Its own process may still be sending it.
        rig.time.advance(by: .seconds(10))
        await worker.sweep()
        #expect(rig.broker.ready(.job(.stopCheck)).isEmpty)
        rig.time.advance(by: .seconds(1))
        await worker.sweep()
        #expect(rig.broker.ready(.job(.stopCheck)).count == 1)
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a broker that refuses now and then loses nothing", arguments: 1...10)
    func refusing(seed: Int) async throws {
        let rig = try await Rig(seed: UInt64(seed))
        let worker = rig.worker()
        let lanes: [Lane] = [.intake, .job(.stopCheck), .job(.systemDisk), .job(.dataDisk), .job(.dataDisk)]
        rig.request()
        for lane in lanes {
            rig.broker.refuse(rig.dice.number(below: 5))
            await worker.work(lane)
            rig.time.advance(by: .seconds(11))
            await worker.sweep()
        }
        rig.broker.refuse(0)
        try await rig.run(worker)
        try await rig.expectAvailable("seed \(seed)")
    }

    @Test("a purged queue's jobs are sent again when they are overdue, but not while the queue holds others")
    func purged() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        await rig.startCapturing(by: worker)
        #expect(rig.broker.purge(.job(.systemDisk)) == 1)
        rig.time.advance(by: .seconds(119))
        await worker.sweep()
        #expect(rig.broker.ready(.job(.systemDisk)).isEmpty)
        // The data disks' jobs merely wait their turn: their queue is not empty, so they are not sent twice.
        rig.time.advance(by: .seconds(1))
        await worker.sweep()
        #expect(rig.broker.ready(.job(.systemDisk)).count == 1 && rig.broker.ready(.job(.dataDisk)).count == 2)
        await worker.sweep()
        #expect(rig.broker.ready(.job(.systemDisk)).count == 1, "and what was sent again is waited for")
        try await rig.run(worker)
        try await rig.expectAvailable()
    }

    @Test("a broker that lost everything gets everything again", arguments: 1...10)
    func lostBroker(seed: Int) async throws {
        let rig = try await Rig(seed: UInt64(seed), faults: SimulatedFaults(seed: UInt64(seed), transientRate: 0.2))
        let worker = rig.worker()
        await rig.startCapturing(by: worker)
        for _ in 0..<10 {
            let lanes = rig.broker.busyLanes
            if let lane = lanes.randomElement() { await worker.work(lane) }
            for lane in rig.broker.lanes.all { rig.broker.purge(lane) }
            rig.broker.purgeRetryQueues()
            rig.time.advance(by: .seconds(4000))
            await worker.sweep()
        }
        try await rig.run(worker)
        if try await rig.image().status == .available {
            try await rig.expectAvailable("seed \(seed)")
        } else {
            try await rig.expectError(.unavailable, "seed \(seed)")
        }
    }

    @Test("a recheck that cannot be sent burns no deliveries, and fails no healthy copy")
    func recheckNotSent() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.before, "driver.capture /dev/vda")
        let worker = rig.worker(driver: gate.interceptor)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached && rig.time.sleepers == 2 }
        // The channel is gone and comes back; the broker hands the job out again, and takes no messages yet.
        rig.broker.lose(worker.name)
        rig.broker.refuse(30)
        let other = rig.worker("w2")
        let watching = Task {
            for _ in 0..<40 { await other.work(.job(.systemDisk)) }
        }
        let limit = ContinuousClock.now + .seconds(5)
        while rig.broker.retryQueues.isEmpty, ContinuousClock.now < limit {
            rig.time.advance(by: .seconds(1))
            try await Task.sleep(for: .milliseconds(2))
        }
        gate.open()
        await copying.value
        await wakeUntilDone(watching, rig)
        #expect(rig.broker.ready(.deadLetters).isEmpty)
        try await rig.run(other)
        try await rig.expectAvailable()
    }

    /// Lets time pass until a task has ended.
    private func wakeUntilDone(_ task: Task<Void, Never>, _ rig: Rig) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    rig.time.advance(by: .milliseconds(500))
                    try? await Task.sleep(for: .milliseconds(1))
                }
            }
            await task.value
            group.cancelAll()
        }
    }
}
