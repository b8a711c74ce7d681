import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Synchronization
import Testing

@testable import ImageWorker

@Suite("Failures are retried, or end well", .timeLimit(.minutes(30)))
struct RetryTests {
    private let disk = "driver.capture /dev/vdb"

    /// Fails a call the first `times` times.
    private func failing(_ name: String, _ failure: StepFailure, times: Int = .max) -> Interceptor {
        let left = SharedCounter(times)
        return { call in
            guard call.name == name, call.moment == .before, left.take() else { return .pass }
            return .fail(failure)
        }
    }

    private func attempts(_ rig: Rig, _ kind: Announcement.Kind, of job: Job) async throws -> [Int] {
        try await rig.store.journal(of: rig.image().id, after: 0)
            .filter { $0.kind == kind && $0.job == job }.compactMap(\.attempt)
    }

    @Test("a transient failure goes through the retry queues, an attempt each, until it works")
    func climbs() async throws {
        let rig = try await Rig()
        let failure = StepFailure(.transient, .unavailable, "try later")
        let worker = rig.worker(driver: failing(disk, failure, times: 2))
        rig.request()
        try await rig.run(worker)
        try await rig.expectAvailable()
        let job = Job.dataDisk(try #require(DeviceName("/dev/vdb")))
        #expect(try await attempts(rig, .stepStarted, of: job) == [1, 2, 3])
        #expect(try await rig.image().jobs[job]?.attempt == 3)
    }

    @Test("out of attempts, the image is Error with the cause, and nothing is left")
    func exhausted() async throws {
        let rig = try await Rig()
        let worker = rig.worker(driver: failing(disk, StepFailure(.transient, .unavailable, "never works")))
        rig.request()
        let begun = rig.time.now()
        try await rig.run(worker)
        try await rig.expectError(.unavailable)
        let job = Job.dataDisk(try #require(DeviceName("/dev/vdb")))
        #expect(try await attempts(rig, .stepStarted, of: job) == Array(1...6))
        let image = try await rig.image()
        #expect(image.failure?.job == job && image.failure?.attempts == 6)
        // The retry delays really lay between the attempts.
        #expect(rig.time.now() - begun > .seconds(60))
    }

    @Test("being throttled uses no attempt")
    func throttled() async throws {
        let rig = try await Rig()
        let failure = StepFailure(.throttled, .unavailable, "slow down")
        rig.request()
        try await rig.run(rig.worker(driver: failing(disk, failure, times: 10)))
        try await rig.expectAvailable()
        let job = Job.dataDisk(try #require(DeviceName("/dev/vdb")))
        #expect(try await rig.image().jobs[job]?.attempt == 1)
    }

    @Test("a message that kills every worker before its job begins reaches the dead letters, and the image is Error")
    func deliveryLimit() async throws {
        let rig = try await Rig(deliveryLimit: 3)
        rig.request()
        let next = { rig.worker(plan: CrashPlan(before: "store.begin data-disk:/dev/vdb")) }
        try await rig.run(next(), then: next)
        try await rig.expectError(.internal)
        #expect(try await rig.image().failure?.cause.message.contains("too often") == true)
    }

    @Test("a clean-up out of attempts is parked for a human, and the image says that its clean-up is incomplete")
    func parked() async throws {
        let rig = try await Rig()
        let broken = failing("driver.replicate", StepFailure(.permanent, .failedPrecondition, "no room"))
        let stuck = failing("driver.delete", StepFailure(.transient, .unavailable, "cannot delete"))
        let worker = rig.worker(
            driver: { call in
                if case .fail(let failure) = await broken(call) { return .fail(failure) }
                return await stuck(call)
            },
            adjust: { $0.policy.cleanUpAttempts = 3 }
        )
        rig.request()
        try await rig.run(worker)
        let image = try await rig.image()
        #expect(image.status == .error && image.cleanUp == .incomplete)
        // Three captures, and each copy that was begun: the second may have been called off before.
        #expect((4...5).contains(image.ledger.count) && image.quota == image.plan.quota)
        #expect(rig.broker.parked.count == image.ledger.count)
        #expect(rig.broker.parked.allSatisfy { $0.reason == "UNAVAILABLE: cannot delete" })
    }

    @Test("an image of a held instance waits without using attempts, names the holder, and is made after it")
    func lockWait() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request(id: "r1")
        rig.request(id: "r2")
        await worker.work(.intake)
        await worker.work(.intake)
        await worker.work(.job(.stopCheck))
        await worker.work(.job(.stopCheck))
        let images = try await rig.store.images(ImageQuery()).sorted { $0.requestID < $1.requestID }
        let waiting = try #require(images[1].jobs[.stopCheck])
        #expect(waiting.waiting?.reason.contains(images[0].id.text) == true && waiting.attempt == 1)
        try await rig.run(worker)
        for image in try await rig.store.images(ImageQuery()) {
            #expect(image.status == .available && image.jobs[.stopCheck]?.attempt == 1)
        }
        #expect(try await rig.store.locks().isEmpty)
    }

    @Test("waiting for a held instance has an end")
    func lockDeadline() async throws {
        let rig = try await Rig()
        let worker = rig.worker(adjust: { $0.policy.waitDeadline = .seconds(60) })
        rig.request(id: "r1")
        rig.request(id: "r2")
        await worker.work(.intake)
        await worker.work(.intake)
        await worker.work(.job(.stopCheck))
        // The first image's captures never come.
        rig.broker.purge(.job(.systemDisk))
        rig.broker.purge(.job(.dataDisk))
        for _ in 0..<40 {
            await worker.work(.job(.stopCheck))
            await worker.work(.deadLetters)
            rig.time.advance(by: .seconds(5))
            rig.broker.turn()
        }
        let failed = try await rig.store.images(ImageQuery(status: .error))
        #expect(failed.map(\.requestID.text) == ["r2"])
        #expect(failed.first?.failure?.cause.code == .conflict)
        #expect(try await rig.store.locks().count == 4)
    }
}

/// A number that runs down.
final class SharedCounter: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) { left = Mutex(count) }

    func take() -> Bool {
        left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        }
    }
}
