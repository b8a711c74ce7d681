import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageWorker

@Suite("What the broker takes from nobody, or has given up, costs nobody else anything", .timeLimit(.minutes(30)))
struct UnpublishableTests {
    private func deadLetters(_ rig: Rig) async throws -> [DeadLetter] {
        try await rig.store.deadLetters(DeadLetterQuery(kinds: Set(DeadLetter.Kind.allCases), states: []))
    }

    @Test(
        "an answer at which the connection ends becomes a dead letter, and leaves the outbox",
        arguments: [false, true]
    )
    func reply(sweeps: Bool) async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request(replyTo: "cursed")
        rig.request(id: "r2", ["instanceId": .string("i-none")])
        if sweeps {
            // Left behind by a process that could not publish: the sweeper meets it.
            rig.broker.refuse(100)
            await worker.work(.intake)
            rig.broker.refuse(0)
        }
        rig.broker.endConnection(at: "cursed")
        try await rig.run(worker)
        #expect(try await rig.image().status == .available)
        #expect(rig.broker.replies.map(\.routingKey) == ["answers"])
        let deadLetters = try await deadLetters(rig)
        #expect(deadLetters.map(\.cause) == [DeadLetter.Cause.endsConnection] && deadLetters.map(\.kind) == [.parked])
        #expect(try await rig.unsent().isEmpty)
        #expect(
            worker.context.telemetry.metrics(at: rig.time.uptime()).contains("goldsmith_messages_set_aside_total 1\n")
        )
    }

    @Test("an answer that is kept nowhere is dropped, and not called kept")
    func describe() async throws {
        let rig = try await Rig()
        rig.broker.endConnection(at: "cursed")
        rig.request(.describe, replyTo: "cursed")
        try await rig.run(rig.worker())
        #expect(try await deadLetters(rig).isEmpty)
        #expect(rig.broker.unacked == 0)
        #expect(rig.log.text.contains("message parked") && !rig.log.text.contains("outbox"), "\(rig.log.text)")
    }

    @Test("events and jobs are parked in the same way, and the image goes on once its job can be sent")
    func eventsAndJobs() async throws {
        let rig = try await Rig()
        rig.broker.endConnection(at: "step.stop-check.started.acct-1")
        rig.request()
        try await rig.run(rig.worker())
        #expect(try await rig.image().status == .available)
        #expect(try await deadLetters(rig).map(\.cause) == [DeadLetter.Cause.endsConnection])
    }

    @Test("a message that can be parked nowhere is written down all the same")
    func parking() async throws {
        let rig = try await Rig()
        rig.broker.endConnection(at: "image.explode")
        rig.broker.send(IncomingMessage(routingKey: "image.explode", messageID: "m1", body: Array("{}".utf8)))
        try await rig.run(rig.worker())
        let deadLetters = try await deadLetters(rig)
        #expect(deadLetters.map(\.reason) == ["there is no operation image.explode"] && rig.broker.unacked == 0)
    }

    @Test(
        "a request that left its queue before a worker took it is answered, and begins nothing",
        arguments: [
            Death.Reason.expired, .maxLength,
        ]
    )
    func lapsed(reason: Death.Reason) async throws {
        let rig = try await Rig()
        for operation in [Operation.create, .describe] {
            rig.request(operation, id: operation.rawValue)
            var message = try #require(rig.broker.ready(.intake).first).message
            message.death = Death(reason, in: "goldsmith.intake")
            rig.broker.purge(.intake)
            rig.broker.send(message, to: .parked)
        }
        rig.broker.send(broken(reason), to: .parked)
        for _ in 0..<3 { await rig.worker().work(.parked) }
        #expect(try rig.answers().map(\.code) == [.unavailable], "one text for both")
        #expect(rig.broker.replies.count == 2)
        #expect(rig.broker.events.map(\.routingKey) == ["request.rejected.acct-1"])
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
        // A message without a known sender is for a human, as any other of its kind.
        #expect(try await deadLetters(rig).isEmpty)
        #expect(rig.broker.parked.count == 1)
    }

    private func broken(_ reason: Death.Reason) -> IncomingMessage {
        IncomingMessage(routingKey: "image.create", body: [1], death: Death(reason, in: "goldsmith.intake"))
    }

    @Test("a second copy of a request that was answered is answered the same, also when it expired")
    func lapsedCopy() async throws {
        let rig = try await Rig()
        rig.request()
        try await rig.run(rig.worker())
        rig.request()
        var message = try #require(rig.broker.ready(.intake).first).message
        message.death = Death(.expired, in: "goldsmith.intake")
        rig.broker.purge(.intake)
        rig.broker.send(message, to: .parked)
        await rig.worker().work(.parked)
        #expect(rig.broker.replies.count == 2)
        #expect(try rig.answers().map(\.status) == [.accepted])
    }

    @Test(
        "a job that only lay in its queue is queued anew, one that was handed out too often ends its image",
        arguments: [
            Death.Reason.expired, .maxLength, .deliveryLimit, .rejected, .other("x"),
        ]
    )
    func jobs(reason: Death.Reason) async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request()
        await worker.work(.intake)
        var message = try #require(rig.broker.ready(.job(.stopCheck)).first).message
        message.death = Death(reason, in: "goldsmith.job.stop-check")
        rig.broker.purge(.job(.stopCheck))
        rig.broker.send(message, to: .deadLetters)
        try await rig.run(worker)
        let image = try await rig.image()
        let isUnserved = reason == .expired || reason == .maxLength
        #expect(image.status == (isUnserved ? .available : .error))
        let text = image.failure?.cause.message ?? ""
        #expect(text.contains("too often") == (reason == .deliveryLimit), "\(text)")
    }
}
