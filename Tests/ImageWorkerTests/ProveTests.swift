import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import ImageSimulation
import Testing

@testable import ImageWorker

@Suite("An Available image is proven again, and stays Available", .timeLimit(.minutes(30)))
struct ProveTests {
    /// An Available image whose replica at west does not boot.
    private func made(_ mode: String = "require") async throws -> (rig: Rig, id: ImageID) {
        let rig = try await Rig(
            faults: SimulatedFaults(bootVerdicts: { $0.location?.text == "west" ? .failed : .proven })
        )
        rig.request(.create, ["bootProof": .string(mode), "replicateTo": .array([.string("east")])])
        try await rig.run(rig.worker())
        return (rig, try await rig.image().id)
    }

    private func ask(_ id: ImageID, in rig: Rig, request: String = "p1", _ fields: [String: JSONValue] = [:]) {
        rig.request(.prove, id: request, ["imageId": .string(id.text)].merging(fields) { $1 })
    }

    @Test("it is accepted at once, and its verdict comes as an event and stands in the description")
    func verdict() async throws {
        let (rig, id) = try await made("off")
        ask(id, in: rig)
        await rig.worker().work(.intake)
        #expect(try rig.answers().last == .accepted(id, .available))
        #expect(try await rig.image().bootProof == nil)
        try await rig.run(rig.worker())
        rig.request(.describe, id: "d1", ["imageId": .string(id.text)])
        await rig.worker().work(.intake)
        let view = try #require(try rig.answers().last?.image)
        #expect(view.status == .available && view.bootProof?.verdict == .proven && view.bootProof?.mode == .off)
        #expect(view.bootProof?.location?.text == "east" && view.bootProof?.worker == "w1")
        let events = try rig.broker.events.filter { $0.routingKey == "image.boot-proof.acct-1" }.map {
            try CanonicalJSON.decode(CloudEvent.self, from: $0.body.utf8)
        }
        #expect(events.map(\.data.bootProof) == [view.bootProof] && events.first?.data.status == .available)
    }

    @Test("an image that had to boot stays Available when another of its replicas does not, and says so")
    func failed() async throws {
        let rig = try await Rig(
            faults: SimulatedFaults(bootVerdicts: { $0.location?.text == "west" ? .failed : .proven })
        )
        rig.request(.create, ["bootProof": .string("require")])
        // The location that is replicated to first is proven in the making.
        let worker = rig.worker()
        await worker.work(.intake)
        await worker.work(.job(.stopCheck))
        await worker.work(.job(.systemDisk))
        for _ in 0..<2 { await worker.work(.job(.dataDisk)) }
        await worker.work(.job(.replicate))
        try await rig.run(worker)
        let id = try await rig.image().id
        #expect(try await rig.image().bootProof?.location.text == "east")
        let before = Set(try await rig.driver.inventory())
        ask(id, in: rig, ["location": .string("west")])
        try await rig.run(worker)
        let image = try await rig.image()
        #expect(image.status == .available && image.failure == nil && image.bootProof?.verdict == .failed)
        #expect(image.bootProof?.location.text == "west" && image.wakeAt == nil)
        #expect(Set(try await rig.driver.inventory()) == before && rig.broker.unacked == 0)
        let journal = try await rig.store.journal(of: id, after: 0)
        #expect(journal.count { $0.kind == .imageBootProof } == 2 && !journal.contains { $0.kind == .stepFailed })
        #expect(try await rig.store.deadLetters(DeadLetterQuery(kinds: [.dead, .parked])).isEmpty)
    }

    @Test("a repeated request is the same proof, and another one has to wait")
    func repeated() async throws {
        let (rig, id) = try await made()
        ask(id, in: rig)
        ask(id, in: rig)
        ask(id, in: rig, request: "p2")
        for _ in 0..<3 { await rig.worker().work(.intake) }
        #expect(try rig.answers().last?.code == .failedPrecondition)
        #expect(try rig.answers().last?.message?.contains("being proven at east already") == true)
        try await rig.run(rig.worker())
        ask(id, in: rig)
        try await rig.run(rig.worker())
        var lines = try await rig.store.journal(of: id, after: 0).filter { $0.kind == .imageBootProof }
        #expect(lines.count == 2, "the making's, and one")
        ask(id, in: rig, request: "p3")
        try await rig.run(rig.worker())
        lines = try await rig.store.journal(of: id, after: 0).filter { $0.kind == .imageBootProof }
        #expect(lines.count == 3 && lines.allSatisfy { $0.attempt == 1 })
    }

    @Test("what cannot be proven is refused with a code and the field")
    func refused() async throws {
        let rig = try await Rig()
        rig.request()
        let worker = rig.worker()
        await worker.work(.intake)
        let id = try await rig.image().id
        ask(id, in: rig)
        await worker.work(.intake)
        #expect(try rig.answers().last?.message?.contains("is Pending; wait until it is Available") == true)
        try await rig.run(worker)
        for (number, (fields, code, field)) in [
            (["location": JSONValue.string("north")], ErrorCode.notFound, "location"),
            (["location": .string("a/b")], .invalidArgument, "location"),
            (["owner": .string("acct-9")], .notFound, "imageId"), (["typo": .bool(true)], .invalidArgument, "typo"),
            (["imageId": .string("img-none")], .notFound, "imageId"),
        ].enumerated() {
            ask(id, in: rig, request: "n\(number)", fields)
            await worker.work(.intake)
            let answer = try #require(try rig.answers().last)
            #expect(answer.code == code && answer.field == field, "\(fields): \(answer)")
        }
        #expect(try await rig.image().jobs.keys.contains { $0.step == .bootProof } == false)
    }

    @Test("a proof that cannot be made is tried like every job, and then not proven")
    func cannot() async throws {
        let (rig, id) = try await made()
        ask(id, in: rig)
        let broken = rig.worker(driver: { call in
            call.name == "driver.proveBoot"
                ? .fail(StepFailure(.transient, .unavailable, "no QEMU on this host.")) : .pass
        })
        try await rig.run(broken)
        let image = try await rig.image()
        #expect(image.status == .available && image.bootProof?.verdict == .notProven)
        #expect(image.bootProof?.reason == "no QEMU on this host" && image.wakeAt == nil)
        let retries = try await rig.store.journal(of: id, after: 0).filter { $0.kind == .stepRetrying }
        #expect(retries.map(\.attempt) == [2, 3, 4, 5, 6])
    }

    @Test("a deletion ends a running proof: its worker loses the lease, and nothing is left")
    func deleted() async throws {
        let (rig, id) = try await made()
        ask(id, in: rig)
        let worker = rig.worker()
        await worker.work(.intake)
        let own = Lane.job(.bootProof)
        let message = try #require(rig.broker.ready(own).first?.message)
        let job = try #require(JobMessage(parsing: message.body))
        let claim = JobClaim(job, by: WorkerID(known: "other"), nonce: 1, lease: .seconds(60))
        let begun = try await rig.store.begin(claim, in: worker.context.transitionContext())
        guard case .granted(let lease, _) = begun else { return #expect(Bool(false), "\(begun)") }
        let other = WorkerID(known: "other")
        let until = rig.time.now() + .seconds(60)
        #expect(try await rig.store.renew(lease, by: other, progress: nil, until: until))
        rig.request(
            .delete,
            id: "d1",
            ["imageId": .string(id.text), "confirm": .bool(true), "deleteSnapshots": .bool(true)]
        )
        try await rig.run(worker)
        #expect(try await rig.store.renew(lease, by: other, progress: nil, until: until) == false)
        let image = try #require(try await rig.store.image(id))
        #expect(image.status == .deleted && image.ledger.isEmpty && image.bootProof?.verdict == .proven)
        #expect(try await rig.driver.inventory().isEmpty && rig.broker.unacked == 0)
    }
}
