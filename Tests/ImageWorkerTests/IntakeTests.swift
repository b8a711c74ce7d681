import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("Intake answers every request once", .timeLimit(.minutes(30)))
struct IntakeTests {
    private func send(_ rig: Rig, _ body: String, key: String = "image.create", replyTo: String? = nil) {
        rig.broker.send(
            IncomingMessage(routingKey: key, messageID: "m1", replyTo: replyTo, body: Array(body.utf8))
        )
    }

    @Test(
        "what is no request is parked with its reason, and blocks nothing",
        arguments: ["", "not JSON", "[]", "\u{0}\u{1}", #"{"owner": 7}"#, #"{"owner": "a.b", "requestId": "r"}"#]
    )
    func garbage(body: String) async throws {
        let rig = try await Rig()
        send(rig, body)
        rig.request()
        try await rig.run(rig.worker())
        #expect(rig.broker.parked.count == 1)
        #expect(rig.broker.parked.first?.reason?.hasPrefix("INVALID_ARGUMENT: ") == true)
        #expect(rig.broker.parked.first?.message.body == Array(body.utf8))
        #expect(try await rig.image().status == .available)
    }

    @Test("bytes that are no text are parked as they came")
    func binary() async throws {
        let rig = try await Rig()
        let body: [UInt8] = [0xFF, 0xFE, 0x00, 0x80]
        rig.broker.send(IncomingMessage(routingKey: "image.create", body: body))
        try await rig.run(rig.worker())
        #expect(rig.broker.parked.first?.message.body == body)
    }

    @Test("a request whose answer could not be addressed is parked, not written down cut short")
    func zeroes() async throws {
        let rig = try await Rig()
        let body = Array(#"{"requestId":"r1","owner":"acct-1","instanceId":"i-web1","name":"web"}"#.utf8)
        for (replyTo, correlationID) in [("a\0b", "c"), ("a", "b\0c")] {
            rig.broker.send(
                IncomingMessage(routingKey: "image.create", correlationID: correlationID, replyTo: replyTo, body: body)
            )
        }
        try await rig.run(rig.worker())
        #expect(rig.broker.parked.count == 2)
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
    }

    @Test("an unknown operation is parked")
    func operation() async throws {
        let rig = try await Rig()
        send(rig, "{}", key: "image.explode")
        try await rig.run(rig.worker())
        #expect(rig.broker.parked.map(\.reason) == ["there is no operation image.explode"])
    }

    @Test("garbage for a step or among dead letters is parked", arguments: [Lane.job(.systemDisk), .deadLetters])
    func garbageJob(lane: Lane) async throws {
        let rig = try await Rig()
        rig.broker.send(IncomingMessage(routingKey: "system-disk", body: Array("{}".utf8)), to: lane)
        try await rig.run(rig.worker())
        #expect(rig.broker.parked.count == 1)
    }

    @Test("a job of an image this store does not know is parked", arguments: [Lane.job(.systemDisk), .deadLetters])
    func unknownImage(lane: Lane) async throws {
        let rig = try await Rig()
        let message = JobMessage(imageId: ImageID(known: "img-other"), job: .systemDisk, attempt: 1)
        rig.broker.send(
            IncomingMessage(routingKey: "system-disk", body: CanonicalJSON.bytes(message)),
            to: lane
        )
        try await rig.run(rig.worker())
        #expect(rig.broker.parked.map(\.reason) == ["there is no image img-other in this store"])
    }

    @Test("an invalid request without an identity is answered and parked")
    func anonymous() async throws {
        let rig = try await Rig()
        send(rig, #"{"name": "golden"}"#, replyTo: "answers")
        try await rig.run(rig.worker())
        #expect(try rig.answers().map(\.code) == [.invalidArgument])
        #expect(rig.broker.parked.count == 1)
    }

    @Test("an invalid request with an identity is rejected, recorded, told and answered the same again")
    func invalid() async throws {
        let rig = try await Rig()
        for _ in 0..<2 { rig.request(id: "r1", ["nmae": .string("x")]) }
        try await rig.run(rig.worker())
        #expect(rig.broker.replies.count == 2)
        #expect(try rig.answers().map(\.code) == [.invalidArgument])
        #expect(try rig.answers().map(\.field) == ["nmae"])
        #expect(rig.broker.events.map(\.routingKey) == ["request.rejected.acct-1"])
        #expect(rig.broker.parked.isEmpty)
    }

    @Test("the same request twice is one image and one answer, told to both")
    func twice() async throws {
        let rig = try await Rig()
        rig.request()
        rig.request()
        try await rig.run(rig.worker())
        try await rig.expectAvailable()
        #expect(rig.broker.replies.count == 2)
        #expect(try rig.answers().count == 1)
    }

    @Test("the same request in two workers at once is one image and one answer")
    func twiceAtOnce() async throws {
        let rig = try await Rig()
        let gate = Gate(.after, "driver.describe")
        rig.request()
        rig.request()
        let workers = [rig.worker("w1", driver: gate.interceptor), rig.worker("w2", driver: gate.interceptor)]
        let first = Task { await workers[0].work(.intake) }
        let second = Task { await workers[1].work(.intake) }
        try await becomesTrue { gate.isReached && rig.broker.unacked == 2 }
        gate.open()
        await first.value
        await second.value
        try await rig.run(rig.worker("w3"))
        try await rig.expectAvailable()
        #expect(rig.broker.replies.count == 2)
    }

    @Test("a repetition's answer is sent even if the broker does not take it at first")
    func repeatedReply() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request()
        try await rig.run(worker)
        rig.request()
        rig.broker.refuse(1)
        await worker.work(.intake)
        try await rig.run(worker)
        #expect(rig.broker.replies.count == 2)
    }

    @Test("another request under a used id is a conflict, and changes nothing")
    func conflict() async throws {
        let rig = try await Rig()
        rig.request()
        rig.request(.create, ["name": .string("another")])
        try await rig.run(rig.worker())
        try await rig.expectAvailable()
        #expect(try rig.answers().map(\.code) == [nil, .conflict])
    }

    @Test("a running instance is refused with FAILED_PRECONDITION")
    func running() async throws {
        let rig = try await Rig()
        try rig.driver.setStatus(.running, of: InstanceID(known: "i-web1"))
        rig.request()
        try await rig.run(rig.worker())
        #expect(try rig.answers().map(\.code) == [.failedPrecondition])
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
    }

    @Test("an instance that runs again by its stop-check makes the image Error")
    func startedBeforeCheck() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        rig.request()
        await worker.work(.intake)
        try rig.driver.setStatus(.running, of: InstanceID(known: "i-web1"))
        try await rig.run(worker)
        try await rig.expectError(.failedPrecondition)
    }

    @Test("an instance that is started during its capture makes the image Error")
    func startedDuringCapture() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let worker = rig.worker()
        await worker.work(.job(.systemDisk))
        try rig.driver.setStatus(.running, of: InstanceID(known: "i-web1"))
        try await rig.run(worker)
        try await rig.expectError(.failedPrecondition)
    }

    /// Lets a worker take a request while the compute system is out of reach.
    private func workInOutage(_ rig: Rig, _ worker: TestWorker) async throws {
        rig.broker.turn()
        let work = Task { await worker.work(.intake) }
        for _ in 0..<2 {
            try await becomesTrue { rig.time.sleepers == 1 }
            rig.time.advance(by: .seconds(1))
        }
        await work.value
    }

    @Test("a request that no worker can judge now waits unanswered, and any worker answers it once it is possible")
    func computeOutage() async throws {
        let rig = try await Rig()
        let outage = Outage()
        let worker = rig.worker(driver: outage.interceptor)
        rig.request(userID: "web")
        outage.begin()
        try await workInOutage(rig, worker)
        #expect(rig.broker.replies.isEmpty && rig.broker.parked.isEmpty && rig.broker.unacked == 0)
        let waiting = try #require(rig.broker.retryQueues.first)
        #expect(waiting.delay == .seconds5 && waiting.entry.reason?.hasPrefix("UNAVAILABLE: ") == true)
        #expect(waiting.entry.message.userID == "web" && waiting.entry.message.waited == .seconds(5))
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
        outage.end()
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
        #expect(try rig.answers().map(\.code) == [nil])
    }

    @Test("a clock that is put a day ahead does not end a request's wait")
    func waitsByNoClock() async throws {
        let rig = try await Rig()
        let outage = Outage()
        let worker = rig.worker(driver: outage.interceptor)
        rig.request()
        outage.begin()
        try await workInOutage(rig, worker)
        rig.time.advance(by: .seconds(86_400))
        try await workInOutage(rig, worker)
        #expect(rig.broker.parked.isEmpty && rig.broker.replies.isEmpty)
        #expect(rig.broker.retryQueues.first?.entry.message.waited == .seconds(10))
    }

    @Test("a request that has waited for six hours goes to people, and its id can be used again")
    func waitsTooLong() async throws {
        let rig = try await Rig()
        let outage = Outage()
        let worker = rig.worker(driver: outage.interceptor)
        rig.request()
        outage.begin()
        var looks = 0
        while rig.broker.parked.isEmpty, looks < 300 {
            try await workInOutage(rig, worker)
            rig.time.advance(by: .seconds(121))
            looks += 1
        }
        // The delays are 5 s for half a minute, 30 s until ten minutes are over, then two minutes.
        #expect((170...220).contains(looks), "\(looks) looks")
        #expect(try rig.answers().map(\.code) == [.unavailable])
        #expect(rig.broker.parked.count == 1 && rig.broker.retryQueues.isEmpty)
        outage.end()
        rig.request()
        try await rig.run(rig.worker("w2"))
        #expect(try await rig.image().status == .available)
        #expect(try rig.answers().last?.code == nil)
    }

    @Test("a dry run that fails for a reason of the worker's own waits too")
    func rehearsalOutage() async throws {
        let rig = try await Rig()
        let outage = Outage()
        rig.request(.create, id: "r1", ["dryRun": .bool(true)])
        outage.begin(["driver.checkDisk"])
        await rig.worker(driver: outage.interceptor).work(.intake)
        #expect(rig.broker.replies.isEmpty && rig.broker.retryQueues.count == 1)
        outage.end()
        try await rig.run(rig.worker("w2"))
        #expect(try rig.answers().map(\.code) == [nil])
    }

    @Test("a worker that must stop while it looks at an instance refuses nothing: another worker answers")
    func drain() async throws {
        let rig = try await Rig()
        let gate = Gate(.before, "driver.describe")
        let worker = rig.worker(driver: gate.interceptor)
        rig.request()
        let work = Task { await worker.work(.intake) }
        try await becomesTrue { gate.isReached }
        work.cancel()
        await work.value
        #expect(rig.broker.replies.isEmpty && rig.broker.ready(.intake).count == 1)
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
    }

    @Test(
        "a reply_to that no answer can go to is refused by its name and told as an event, and nothing is sent there",
        arguments: ["goldsmith.parked", "amq.direct", "amq.rabbitmq.reply-to.x", "amq.rabbitmq.reply-to"]
    )
    func replyTo(name: String) async throws {
        let rig = try await Rig()
        rig.request(replyTo: name)
        rig.request(.describe, id: "r2", replyTo: name)
        send(rig, "not JSON", replyTo: name)
        try await rig.run(rig.worker())
        #expect(rig.broker.replies.isEmpty)
        #expect(try await rig.store.images(ImageQuery()).isEmpty)
        let events = rig.broker.events.map(\.body)
        #expect(events.count == 2 && events.allSatisfy { $0.contains(#""field":"reply_to""#) }, "\(events)")
        #expect(rig.broker.parked.map(\.message.replyTo) == [name], "as it came")
    }

    @Test("an empty reply_to asks for no answer, and a broker's own name for a queue is an address")
    func namedByBroker() async throws {
        let rig = try await Rig()
        rig.request(replyTo: "")
        rig.request(id: "r2", ["instanceId": .string("i-none")], replyTo: "amq.gen-Vj8tXjdQpTHmXq1TzoQ3Nw")
        try await rig.run(rig.worker())
        #expect(rig.broker.replies.map(\.routingKey) == ["amq.gen-Vj8tXjdQpTHmXq1TzoQ3Nw"])
        #expect(try await rig.image().status == .available)
    }
}
