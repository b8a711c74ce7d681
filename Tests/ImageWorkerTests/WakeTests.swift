import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("Who waits is woken, and does not ask again and again", .timeLimit(.minutes(30)))
struct WakeTests {
    /// Takes in five images of one instance.
    private func askForFive(_ rig: Rig, _ worker: TestWorker) async {
        for number in 1...5 {
            rig.request(id: "r\(number)")
            await worker.work(.intake)
        }
    }

    /// Does all there is to do at this moment, in any order.
    private func workWithoutWaiting(_ rig: Rig, _ worker: TestWorker) async {
        while let lane = rig.broker.busyLanes.randomElement(rig.dice) { await worker.work(lane) }
    }

    private func started(_ job: Job, in rig: Rig) async throws -> [String] {
        var lines: [(image: Image, line: Announcement)] = []
        for image in try await rig.store.images(ImageQuery()) {
            for line in try await rig.store.journal(of: image.id, after: 0) where line.job == job {
                if line.kind == .stepStarted { lines.append((image, line)) }
            }
        }
        // Time stands still, so the events say the order.
        let order = rig.broker.events.map(\.id)
        let positions = lines.map { order.firstIndex(of: "\($0.image.id)/\($0.line.sequence)") ?? -1 }
        return zip(positions, lines).sorted { $0.0 < $1.0 }.map(\.1.image.requestID.text)
    }

    @Test("five images of one instance are made in the order asked for, without waiting in between", arguments: 1...10)
    func five(seed: Int) async throws {
        let rig = try await Rig(seed: UInt64(seed))
        let worker = rig.worker()
        let began = rig.time.now()
        await askForFive(rig, worker)
        await workWithoutWaiting(rig, worker)
        #expect(rig.time.now() == began)
        #expect(try await rig.store.images(ImageQuery()).map(\.status) == Array(repeating: .available, count: 5))
        #expect(try await started(.systemDisk, in: rig) == ["r1", "r2", "r3", "r4", "r5"])
        // The message left in the retry queues still arrives, and does nothing more.
        try await rig.run(worker)
        #expect(try await started(.systemDisk, in: rig).count == 5)
        #expect(try await started(.stopCheck, in: rig).count == 5)
    }

    @Test("a message that wakes and is lost costs half a minute, and no order")
    func lost() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        await askForFive(rig, worker)
        for _ in 1...5 { await worker.work(.job(.stopCheck)) }
        let began = rig.time.now()
        await worker.work(.job(.systemDisk))
        await worker.work(.job(.dataDisk))
        await worker.work(.job(.dataDisk))
        #expect(rig.broker.purge(.job(.stopCheck)) == 1)
        await workWithoutWaiting(rig, worker)
        #expect(try await rig.store.images(ImageQuery(status: .available)).map(\.requestID.text) == ["r1"])
        rig.time.advance(by: .seconds(30))
        rig.broker.turn()
        await workWithoutWaiting(rig, worker)
        #expect(rig.time.now() - began == .seconds(30))
        #expect(try await rig.store.images(ImageQuery(status: .available)).count == 5)
        #expect(try await started(.systemDisk, in: rig) == ["r1", "r2", "r3", "r4", "r5"])
    }

    @Test("a holder that is cancelled wakes the next at once")
    func cancelled() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        await askForFive(rig, worker)
        for _ in 1...5 { await worker.work(.job(.stopCheck)) }
        let images = try await rig.store.images(ImageQuery())
        let first = try #require(images.first { $0.requestID.text == "r1" })
        rig.request(.cancel, id: "c1", ["imageId": .string(first.id.text)])
        await worker.work(.intake)
        await worker.work(.job(.stopCheck))
        let holders = try await Set(rig.store.locks().map(\.image))
        #expect(holders == Set(images.filter { $0.requestID.text == "r2" }.map(\.id)))
    }
}

extension [Lane] {
    fileprivate func randomElement(_ dice: SharedDice) -> Lane? { isEmpty ? nil : self[dice.number(below: count)] }
}
