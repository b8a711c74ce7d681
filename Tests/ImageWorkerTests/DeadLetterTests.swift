import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageWorker

@Suite("What only a human can judge is written down", .timeLimit(.minutes(30)))
struct DeadLetterTests {
    private func stray(_ body: String, id: String? = nil, reason: String? = "not a job message") -> IncomingMessage {
        IncomingMessage(routingKey: "image.create", messageID: id, body: Array(body.utf8), reason: reason)
    }

    private func failing(_ name: String, _ failure: StepFailure) -> Interceptor {
        { call in call.name == name && call.moment == .before ? .fail(failure) : .pass }
    }

    private func deadLetters(_ rig: Rig) async throws -> [DeadLetter] {
        try await rig.store.deadLetters(DeadLetterQuery(kinds: Set(DeadLetter.Kind.allCases), states: []))
    }

    @Test("a parked message becomes a dead letter with its cause, and leaves its queue")
    func parked() async throws {
        let rig = try await Rig()
        rig.broker.send(stray(#"{"owner": "acct-7"}"#, reason: "INVALID_ARGUMENT: requestId is missing"), to: .parked)
        rig.broker.send(stray("?"), to: .unrouted)
        var limited = stray("!", reason: nil)
        limited.death = Death(.deliveryLimit, in: "goldsmith.intake")
        rig.broker.send(limited, to: .parked)
        for lane in [Lane.parked, .unrouted, .parked] { await rig.worker().work(lane) }
        let deadLetters = try await deadLetters(rig)
        let causes = Set(deadLetters.map(\.cause))
        #expect(causes == ["INVALID_ARGUMENT", DeadLetter.Cause.unrouted, DeadLetter.Cause.deliveryLimit])
        #expect(deadLetters.first { $0.cause == "INVALID_ARGUMENT" }?.owner == Owner(known: "acct-7"))
        #expect(deadLetters.first { $0.cause == "INVALID_ARGUMENT" }?.reason == "requestId is missing")
        #expect(rig.broker.unacked == 0 && rig.broker.busyLanes.isEmpty)
    }

    @Test("a worker that dies just before or just after it writes one down loses none", arguments: 1...2)
    func crash(call: Int) async throws {
        let rig = try await Rig()
        rig.broker.send(stray("?"), to: .parked)
        let dying = rig.worker("w1", plan: CrashPlan(at: call))
        await dying.work(.parked)
        #expect(dying.plan.isDead)
        rig.broker.lose("w1")
        await rig.worker("w2").work(.parked)
        let deadLetters = try await deadLetters(rig)
        #expect(deadLetters.count == 1 && deadLetters.first?.kind == .parked)
        #expect(rig.broker.unacked == 0 && rig.broker.busyLanes.isEmpty)
    }

    @Test(
        "a body that no message of ours can have is parked whole, and its dead letter says where",
        arguments: [false, true]
    )
    func oversized(brokerRefusesFirst: Bool) async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        let limit = KeptMessage.bodyLimit
        let fits = stray(String(repeating: "a", count: limit))
        let large = stray(String(repeating: "b", count: limit + 1))
        for message in [fits, large, large] {
            rig.broker.send(message, to: .parked)
            let isRefused = brokerRefusesFirst && message == large
            if isRefused { rig.broker.refuse(1) }
            async let done: Void = worker.work(.parked)
            if isRefused {
                try await becomesTrue { rig.time.sleepers == 1 }
                rig.time.advance(by: .seconds(1))
            }
            await done
        }
        #expect(rig.broker.oversized == [large, large], "each arrival, byte for byte")
        let deadLetters = try await deadLetters(rig)
        let deadLetter = try #require(deadLetters.first { $0.cause == DeadLetter.Cause.tooLarge })
        #expect(deadLetters.count == 2 && deadLetter.arrivals == 2, "\(deadLetters)")
        #expect(deadLetter.reason.contains("goldsmith.oversized"), "\(deadLetter)")
        let kept = try #require(await rig.store.deadLetter(deadLetter.id)?.message)
        #expect(kept.body.isEmpty && kept.bodyBytes == limit + 1)
        let other = try #require(deadLetters.first { $0.cause != DeadLetter.Cause.tooLarge })
        #expect(try await rig.store.deadLetter(other.id)?.message?.body.count == limit)
    }

    @Test("a worker that dies between parking a large message and its dead letter loses neither", arguments: 1...4)
    func oversizedCrash(call: Int) async throws {
        let rig = try await Rig()
        rig.broker.send(stray(String(repeating: "b", count: KeptMessage.bodyLimit + 1)), to: .parked)
        let dying = rig.worker("w1", plan: CrashPlan(at: call))
        await dying.work(.parked)
        #expect(dying.plan.isDead)
        rig.broker.lose("w1")
        await rig.worker("w2").work(.parked)
        #expect(try await deadLetters(rig).map(\.cause) == [DeadLetter.Cause.tooLarge])
        #expect(!rig.broker.oversized.isEmpty && rig.broker.unacked == 0 && rig.broker.busyLanes.isEmpty)
    }

    @Test("the same message is one dead letter, another body, key or sender is another")
    func identity() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        var other = stray("?")
        other.replyTo = "answers"
        for message in [stray("?"), stray("?"), stray("!"), other, stray("?", id: "m1")] {
            rig.broker.send(message, to: .parked)
            await worker.work(.parked)
        }
        let deadLetters = try await deadLetters(rig)
        #expect(deadLetters.count == 4 && deadLetters.map(\.arrivals).sorted() == [1, 1, 1, 2])
    }

    @Test("a replayed message that is parked again is the same dead letter, and the third time it stays")
    func loop() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.broker.send(stray("?"), to: .parked)
        await worker.work(.parked)
        for _ in 0..<DeadLetter.replayLimit {
            let deadLetter = try #require(try await deadLetters(rig).first)
            let verdict = try await rig.store.replay(
                deadLetter.id,
                by: "alice",
                isForced: false,
                sentBy: .caller,
                at: rig.time.now()
            )
            guard case .done(_, let outgoing) = verdict else {
                Issue.record("\(verdict)")
                return
            }
            await worker.context.send(outgoing)
            await worker.work(.intake)
            let parked = try #require(rig.broker.parked.last)
            rig.broker.send(with(parked.message, reason: parked.reason), to: .parked)
            await worker.work(.parked)
        }
        let deadLetters = try await deadLetters(rig)
        #expect(deadLetters.count == 1 && deadLetters.first?.state == .open)
        let verdict = try await rig.store.replay(
            deadLetters[0].id,
            by: "alice",
            isForced: false,
            sentBy: .caller,
            at: rig.time.now()
        )
        guard case .refused = verdict else {
            Issue.record("\(verdict)")
            return
        }
    }

    private func with(_ message: IncomingMessage, reason: String?) -> IncomingMessage {
        var message = message
        message.reason = reason
        return message
    }

    @Test("a clean-up that gave up is replayed, done, and gives the quota back")
    func cleanUp() async throws {
        let rig = try await Rig()
        let broken = failing("driver.capture /dev/vdb", StepFailure(.permanent, .failedPrecondition, "no"))
        let stuck = failing("driver.delete", StepFailure(.permanent, .unavailable, "cannot delete"))
        let clumsy = rig.worker(driver: { call in
            if case .fail(let failure) = await broken(call) { return .fail(failure) }
            return await stuck(call)
        })
        rig.request()
        try await rig.run(clumsy)
        for deadLetter in rig.broker.parked {
            rig.broker.send(with(deadLetter.message, reason: deadLetter.reason), to: .parked)
            await clumsy.work(.parked)
        }
        let parked = try await rig.store.deadLetters(DeadLetterQuery(kinds: [.parked]))
        #expect(!parked.isEmpty && parked.allSatisfy { $0.step == .cleanUp && $0.owner == Owner(known: "acct-1") })
        let worker = rig.worker("w2")
        for deadLetter in parked {
            let verdict = try await rig.store.replay(
                deadLetter.id,
                by: "alice",
                isForced: false,
                sentBy: .caller,
                at: rig.time.now()
            )
            if case .done(_, let outgoing) = verdict { await worker.context.send(outgoing) }
        }
        try await rig.run(worker)
        let image = try await rig.image()
        #expect(image.cleanUp == .done && image.quota == .none)
        #expect(try await rig.store.deadLetters(DeadLetterQuery(kinds: [.parked])).isEmpty)
    }

    @Test("a replayed dead letter has its image tried again, made by the rules, once")
    func dead() async throws {
        let rig = try await Rig()
        let broken = rig.worker(
            driver: failing("driver.capture /dev/vdb", StepFailure(.permanent, .failedPrecondition, "no"))
        )
        rig.request()
        try await rig.run(broken)
        let deadLetter = try #require(try await rig.store.deadLetters(DeadLetterQuery(kinds: [.dead])).first)
        #expect(
            deadLetter.job == .dataDisk(try #require(DeviceName("/dev/vdb")))
                && deadLetter.owner == Owner(known: "acct-1")
        )
        let verdict = try await rig.store.replay(
            deadLetter.id,
            by: "alice",
            isForced: false,
            sentBy: .caller,
            at: rig.time.now()
        )
        guard case .done(_, let outgoing) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        let worker = rig.worker("w2")
        // The command died after the broker had it, and another process sends it once more.
        await worker.context.send(outgoing)
        _ = await rig.broker.publish(outgoing)
        try await rig.run(worker)
        let image = try await rig.image()
        #expect(image.status == .available)
        let file = try #require(try await rig.store.deadLetter(deadLetter.id))
        #expect(file.events.map(\.action) == [.arrived, .replayed])
    }
}
