import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("What owners ask of an image is done by jobs", .timeLimit(.minutes(30)))
struct LifeTests {
    @Test("an image in Error is tried again under its id, and becomes Available")
    func retry() async throws {
        let rig = try await Rig()
        try rig.driver.setStatus(.running, of: InstanceID(known: "i-web1"))
        let failing: Interceptor = { call in
            guard call.name == "driver.capture /dev/vdc", call.moment == .before else { return .pass }
            return .fail(StepFailure(.permanent, .failedPrecondition, "the disk cannot be read"))
        }
        try rig.driver.setStatus(.stopped, of: InstanceID(known: "i-web1"))
        rig.request()
        try await rig.run(rig.worker("w1", driver: failing))
        try await rig.expectError(.failedPrecondition)
        let first = try await rig.image()
        rig.ask(.retry, first.id)
        try await rig.run(rig.worker("w2"))
        let image = try await rig.image()
        #expect(image.id == first.id && image.status == .available)
        #expect(try await rig.driver.inventory().count == 5)
        #expect(try await rig.store.quota(of: image.owner).used == image.plan.quota)
        let journal = try await rig.store.journal(of: image.id, after: 0)
        #expect(journal.map(\.sequence) == Array(1...image.sequence), "the history goes on")
        #expect(journal.contains { $0.kind == .imageError } && journal.contains { $0.kind == .imageAvailable })
        #expect(journal.first { $0.kind == .imagePending && $0.sequence > 1 }?.actor == "acct-1")
    }

    @Test("a deleted image leaves its snapshots, a second deletion takes them", arguments: [false, true])
    func delete(withSnapshots: Bool) async throws {
        let rig = try await Rig()
        let id = try await rig.make()
        rig.ask(.delete, id, ["confirm": .bool(true), "deleteSnapshots": .bool(withSnapshots)])
        try await rig.run(rig.worker())
        let image = try #require(await rig.store.image(id))
        #expect(image.status == .deleted)
        #expect(try await rig.driver.inventory().map(\.kind) == (withSnapshots ? [] : [.snapshot, .snapshot]))
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
        // Kept snapshots are shown, as in the list; what is gone is not.
        rig.ask(.describe, id, ["history": .bool(true)])
        rig.ask(.describe, id, owner: "acct-9", number: 2)
        rig.ask(.share, id, ["with": .array([.string("acct-9")])])
        for _ in 0..<3 { await rig.worker().work(.intake) }
        let told = try rig.answers()
        let kept = told.compactMap(\.image)
        #expect(kept.map { $0.keptSnapshots?.count } == (withSnapshots ? [] : [2]))
        #expect(kept.allSatisfy { $0.history?.last?.what == "image.deleted" })
        #expect(told.last == .rejected(.noImage(id)))
        rig.ask(.delete, id, ["confirm": .bool(true), "deleteSnapshots": .bool(true)], number: 2)
        rig.ask(.describe, id, number: 3)
        try await rig.run(rig.worker())
        rig.ask(.describe, id, number: 4)
        await rig.worker().work(.intake)
        #expect(try rig.answers().last == .rejected(.noImage(id)))
        #expect(try await rig.driver.inventory().isEmpty)
        #expect(try await rig.store.quota(of: image.owner).used == .none)
        #expect(rig.broker.events.contains { $0.routingKey == "image.deleted.acct-1" })
    }

    @Test("a deletion is not confirmed by itself")
    func unconfirmed() async throws {
        let rig = try await Rig()
        let id = try await rig.make()
        rig.ask(.delete, id)
        rig.ask(.delete, id, ["confirm": .bool(false)], number: 2)
        try await rig.run(rig.worker())
        #expect(try rig.answers().suffix(1).map(\.code) == [.failedPrecondition])
        #expect(try rig.answers().last?.field == "confirm")
        #expect(try await rig.image().status == .available)
    }

    @Test("a launch makes the instance, and its image can be deleted once that is gone")
    func launch() async throws {
        let rig = try await Rig()
        let id = try await rig.make()
        rig.ask(.launch, id, ["newDisks": .array([.object(["sizeGiB": .number(2)])])])
        try await rig.run(rig.worker())
        let answer = try #require(try rig.answers().last)
        let instance = try await rig.driver.describe(try #require(answer.instanceId), for: Owner(known: "acct-1"))
        #expect(instance.disks.map(\.device) == answer.disks?.map(\.device))
        #expect(instance.disks.count == 4 && instance.status == .stopped)
        rig.ask(.delete, id, ["confirm": .bool(true)])
        try await rig.run(rig.worker())
        #expect(try rig.answers().last?.code == .failedPrecondition)
        #expect(try await rig.image().status == .available)
    }

    @Test("a launched instance gets the id that is asked for, unless another has it")
    func namedLaunch() async throws {
        let rig = try await Rig()
        let id = try await rig.make()
        let name: [String: JSONValue] = ["instanceId": .string("web2")]
        rig.ask(.launch, id, name)
        rig.ask(.launch, id, name, number: 2)
        for _ in 0..<2 { await rig.worker().work(.intake) }
        #expect(try rig.answers().suffix(2).map(\.instanceId?.text) == ["web2", nil], "while it is being launched")
        #expect(try rig.answers().last == .rejected(.instanceExists(InstanceID(known: "web2"))))
        try await rig.run(rig.worker())
        let instance = InstanceID(known: "web2")
        #expect(try await rig.driver.describe(instance, for: Owner(known: "acct-1")).status == .stopped)
        rig.ask(.launch, id, name, number: 3)
        try await rig.run(rig.worker())
        #expect(try rig.answers().last?.code == .conflict, "while it exists")
        try rig.driver.remove(instance)
        rig.ask(.launch, id, name, number: 4)
        try await rig.run(rig.worker())
        // Its answer is the first one's again.
        #expect(try await rig.driver.describe(instance, for: nil).status == .stopped)
    }

    @Test("a launch that cannot be done leaves the image Available and nothing behind")
    func failedLaunch() async throws {
        let rig = try await Rig()
        let id = try await rig.make()
        let before = Set(try await rig.driver.inventory())
        let failing: Interceptor = { call in
            guard call.name == "driver.launch" else { return .pass }
            return .fail(StepFailure(.permanent, .failedPrecondition, "there is no room"))
        }
        rig.ask(.launch, id)
        try await rig.run(rig.worker("w1", driver: failing))
        #expect(try await rig.image().status == .available)
        #expect(Set(try await rig.driver.inventory()) == before)
        #expect(rig.broker.events.contains { $0.routingKey == "step.launch.failed.acct-1" })
        rig.ask(.delete, id, ["confirm": .bool(true)])
        try await rig.run(rig.worker())
        #expect(try await #require(rig.store.image(id)).status == .deleted)
    }

    @Test("those an image is shared with launch from it and see no more of it than that")
    func receiver() async throws {
        let rig = try await Rig()
        let id = try await rig.make()
        rig.ask(.share, id, ["with": .array([.string("acct-7")])])
        rig.ask(.launch, id, owner: "acct-7")
        rig.ask(.share, id, ["with": .array([.string("acct-8")])], owner: "acct-7")
        rig.ask(.launch, id, owner: "acct-8")
        for _ in 0..<4 { await rig.worker().work(.intake) }
        try await rig.run(rig.worker())
        // Both strangers' answers are the same words.
        let answers = try rig.answers().suffix(2)
        #expect(answers.map(\.code) == [nil, .notFound])
        #expect(try await rig.driver.instances().count == 2)
        let launched = try #require(answers.first?.instanceId)
        #expect(try await rig.driver.describe(launched, for: Owner(known: "acct-7")).owner.text == "acct-7")
        let theirs = rig.broker.events.filter { $0.routingKey.hasPrefix("step.launch.") }
        #expect(!theirs.isEmpty && theirs.allSatisfy { $0.routingKey.hasSuffix(".acct-7") })
    }

    @Test("a description is read anew each time, and nobody is told of others' images")
    func describe() async throws {
        let rig = try await Rig()
        rig.request()
        let worker = rig.worker()
        await worker.work(.intake)
        let id = try await rig.image().id
        rig.ask(.describe, id)
        await worker.work(.intake)
        try await rig.run(worker)
        rig.ask(.describe, id, ["history": .bool(true)])
        rig.ask(.describe, nil, ["status": .string("Available")])
        rig.ask(.describe, id, owner: "acct-9")
        rig.ask(.describe, nil, owner: "acct-9")
        for _ in 0..<4 { await worker.work(.intake) }
        let answers = try rig.answers()
        #expect(answers.count == 6)
        #expect(answers[1].image?.status == .pending && answers[2].image?.status == .available)
        #expect(answers[2].image?.history?.last?.what == "image.available")
        #expect(answers[3].images?.map(\.id) == [id] && answers[3].nextPage == nil)
        #expect(answers[4] == .rejected(.noImage(id)))
        #expect(answers[5].images == [])
        let request = RequestIdentity(owner: Owner(known: "acct-1"), requestID: RequestID(known: "image.describe1"))
        #expect(try await rig.store.answer(to: request) == nil)
    }

    @Test("a long history is told in pages, to old askers its first, and on from any line")
    func pagedHistory() async throws {
        let rig = try await Rig()
        rig.request()
        let worker = rig.worker()
        try await rig.run(worker)
        let id = try await rig.image().id
        for number in 1...300 {
            for operation in [Operation.share, .unshare] {
                rig.ask(operation, id, ["with": .array([.string("acct-7")])], number: number)
                await worker.work(.intake)
            }
        }
        let journal = try await rig.store.journal(of: id, after: 0).map { HistoryLine($0) }
        #expect(journal.count > 600)
        rig.ask(.describe, id, ["history": .bool(true)])
        rig.ask(.describe, id, ["history": .bool(true), "page": .string("500")], number: 2)
        rig.ask(.describe, id, ["history": .bool(true), "page": .string("\(journal.count)")], number: 3)
        rig.ask(.describe, id, ["page": .string("500")], number: 4)
        rig.ask(.describe, nil, ["page": .string("500")], number: 5)
        for _ in 0..<5 { await worker.work(.intake) }
        let answers = try rig.answers().suffix(5)
        #expect(answers.map(\.nextPage) == [.history(after: 500), nil, nil, nil, nil])
        let pages = answers.map { $0.image?.history }
        #expect(pages[0] == Array(journal.prefix(500)) && pages[1] == Array(journal.dropFirst(500)) && pages[2] == [])
        #expect(answers.suffix(2).map(\.field) == ["page", "page"])
    }

    @Test("a dry run tells everything and does nothing")
    func dryRun() async throws {
        let rig = try await Rig()
        rig.request(id: "r0", ["dryRun": .bool(true)])
        try await rig.run(rig.worker())
        let first = try #require(try rig.answers().last?.dryRun)
        #expect(first.deviceMapping.map(\.device.shortName) == ["vda", "vdb", "vdc"])
        #expect(first.quotaBefore == .none && first.quotaAfter == QuotaUse(images: 1, snapshots: 2))
        #expect(first.copyBytes == 3 * first.deviceMapping.reduce(0) { $0 + $1.copyBytes })
        #expect(first.estimatedSeconds == nil, "nothing is known yet")
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
        #expect(try await rig.store.locks().isEmpty)
        #expect(try await rig.driver.inventory().isEmpty)
        #expect(try await rig.store.quota(of: Owner(known: "acct-1")).used == .none)

        try rig.driver.setStatus(.running, of: InstanceID(known: "i-web1"))
        rig.request(id: "r1", ["dryRun": .bool(true)])
        try await rig.run(rig.worker())
        #expect(try rig.answers().last?.code == .failedPrecondition, "it is refused like the real one")
    }

    @Test("only those who may ask for an owner are heard, and nothing is recorded of the others")
    func authority() async throws {
        let rig = try await Rig()
        let worker = rig.worker(adjust: { $0.authority = .users(["web": .these([Owner(known: "acct-1")])]) })
        for user in ["web", "mallory", nil] {
            rig.request(id: "r1", userID: user)
            await worker.work(.intake)
        }
        let answers = try rig.answers()
        #expect(answers.map(\.code) == [nil, .permissionDenied, .permissionDenied])
        #expect(rig.broker.parked.isEmpty && rig.broker.unacked == 0)
        rig.request(id: "r2", userID: "mallory")
        await worker.work(.intake)
        rig.request(id: "r2", ["typo": .bool(true)], userID: "mallory")
        await worker.work(.intake)
        let identity = RequestIdentity(owner: Owner(known: "acct-1"), requestID: RequestID(known: "r2"))
        #expect(try await rig.store.answer(to: identity) == nil, "a stranger uses up nobody's request ids")
        let image = try await rig.image()
        let first = try #require(await rig.store.journal(of: image.id, after: 0).first)
        #expect(first.actor == "acct-1 (web)")
    }

    @Test("whichever call a worker dies at, a conversion becomes an image", arguments: [5])
    func convertCrashes(seed: Int) async throws {
        try await everyCrash(seed: seed, .convert) { rig, source, story in
            let images = try await rig.store.images(ImageQuery())
            #expect(images.count == 2 && images.allSatisfy { $0.status == .available }, "\(story)")
            let references = try #require(await rig.store.image(source)).references
            #expect(references.conversion == nil && references.borrowers.count == 1, "\(story)")
        }
    }

    @Test("whichever call a worker dies at, a launch makes one instance", arguments: [6])
    func launchCrashes(seed: Int) async throws {
        try await everyCrash(seed: seed, .launch) { rig, source, story in
            #expect(try await rig.driver.instances().count == 2, "\(story)")
            let image = try await rig.image()
            #expect(image.status == .available && image.ledger.count == 5, "\(story)")
        }
    }

    @Test("whichever call a worker dies at, a proof has one verdict", arguments: [8])
    func proveCrashes(seed: Int) async throws {
        try await everyCrash(seed: seed, .prove) { rig, source, story in
            let image = try await rig.image()
            #expect(image.status == .available && image.bootProof?.verdict == .proven, "\(story)")
            let journal = try await rig.store.journal(of: source, after: 0)
            #expect(journal.count { $0.kind == .imageBootProof } == 1, "\(story)")
        }
    }

    @Test("whichever call a worker dies at, a deletion leaves nothing", arguments: [7])
    func deleteCrashes(seed: Int) async throws {
        let fields: [String: JSONValue] = ["confirm": .bool(true), "deleteSnapshots": .bool(true)]
        try await everyCrash(seed: seed, .delete, fields) { rig, source, story in
            let image = try #require(await rig.store.image(source))
            #expect(image.isForgettable && image.quota == .none, "\(story)")
        }
    }

    private func everyCrash(
        seed: Int,
        _ operation: Operation,
        _ fields: [String: JSONValue] = [:],
        _ holds: (Rig, ImageID, String) async throws -> Void
    ) async throws {
        for number in 1... {
            let rig = try await Rig(seed: UInt64(seed))
            let id = try await rig.make()
            let plan = CrashPlan(at: number)
            rig.ask(operation, id, fields)
            try await rig.run(rig.worker("mortal", plan: plan)) { rig.worker("heir") }
            let story = "seed \(seed), died at \(plan.story)"
            try await holds(rig, id, story)
            var images = try await rig.store.images(ImageQuery())
            images += try await rig.store.images(ImageQuery(status: .deleted))
            let owned = images.flatMap { $0.ledger.map(\.resource.id) }.sorted()
            #expect(try await rig.driver.inventory().map(\.id).sorted() == owned, "\(story)")
            let held = images.reduce(QuotaUse.none) {
                QuotaUse(images: $0.images + $1.quota.images, snapshots: $0.snapshots + $1.quota.snapshots)
            }
            #expect(try await rig.store.quota(of: Owner(known: "acct-1")).used == held, "\(story)")
            #expect(rig.broker.parked.isEmpty && rig.broker.unacked == 0, "\(story)")
            guard plan.isDead else { return }
        }
    }
}

extension Rig {
    /// An Available image of the whole machine.
    fileprivate func make() async throws -> ImageID {
        request()
        try await run(worker("maker"))
        try await expectAvailable()
        return try await image().id
    }

    /// Asks for something to be done with an image.
    fileprivate func ask(
        _ operation: Operation,
        _ image: ImageID?,
        _ fields: [String: JSONValue] = [:],
        owner: String = "acct-1",
        number: Int = 1
    ) {
        var all = fields
        if let image { all["imageId"] = .string(image.text) }
        all["owner"] = .string(owner)
        request(operation, id: "\(operation.rawValue)\(number)", all)
    }
}
