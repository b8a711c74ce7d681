import GoldsmithTestSupport
import ImageCore
import ImageSimulation
import ImageStore
import Operations
import SQLAccess
import Testing

@Suite("What people do at a terminal and in the console alike")
struct OperationsTests {
    /// Sleeping lets time pass at once.
    private struct PassingTime: Timekeeper {
        let time: ManualTime
        var slept: @Sendable () async throws -> Void = {}

        func now() -> Timestamp { time.now() }
        func uptime() -> Duration { time.uptime() }
        func sleep(for duration: Duration) async throws {
            time.advance(by: duration)
            try await slept()
        }
    }

    private let folder: ScratchFolder
    private let time = ManualTime()
    private let store: SQLImageStore

    init() async throws {
        folder = try ScratchFolder()
        store = try await SQLImageStore(on: try SQLiteDatabase(path: folder.file("state.sqlite")), clock: time)
    }

    private func request(_ id: String) -> RequestIdentity {
        RequestIdentity(owner: Owner(known: "acct-1"), requestID: RequestID(known: id))
    }

    private func wait(for requests: [RequestIdentity], timeout: Duration) async throws -> [RequestIdentity] {
        let (store, time, start) = (store, time, time.now())
        let passing = PassingTime(time: time) {
            guard time.now() - start == .milliseconds(300) else { return }
            _ = try await store.reject(
                RequestIdentity(owner: Owner(known: "acct-1"), requestID: RequestID(known: "r1")),
                fingerprint: "f",
                Rejection(.notFound, "there is none"),
                reply: nil,
                in: TransitionContext(now: time.now())
            )
        }
        let wait = AnswerWait(store: store, time: passing, every: .milliseconds(100), timeout: timeout)
        return try await wait.answers(to: requests).keys.sorted { $0.requestID.text < $1.requestID.text }
    }

    @Test("an answer that comes meanwhile ends the wait")
    func answered() async throws {
        let start = time.now()
        #expect(try await wait(for: [request("r1")], timeout: .seconds(60)) == [request("r1")])
        #expect(time.now() - start == .milliseconds(300))
    }

    @Test("what is not answered in time is left out")
    func unanswered() async throws {
        let start = time.now()
        #expect(try await wait(for: [request("r1"), request("r2")], timeout: .seconds(1)) == [request("r1")])
        #expect(time.now() - start == .seconds(1))
    }

    @Test("a wait of no time asks once, and one for nothing does not wait")
    func once() async throws {
        let start = time.now()
        #expect(try await wait(for: [request("r1")], timeout: .zero).isEmpty)
        #expect(try await wait(for: [], timeout: .seconds(60)).isEmpty)
        #expect(time.now() == start)
    }

    private func park(_ id: String) async throws -> DeadLetterID {
        let message = KeptMessage(
            routingKey: "image.create",
            contentType: "application/json",
            messageID: "m1",
            correlationID: nil,
            replyTo: nil,
            body: Array("{}".utf8)
        )
        let deadLetter = DeadLetter(DeadLetterID(known: id), .parked, of: message, reason: "X: no", at: time.now())
        try await store.keep(deadLetter, message, at: time.now())
        return deadLetter.id
    }

    @Test("a decision is noted by the store's clock, and a note that says nothing is left out")
    func decisions() async throws {
        let actions = DeadLetterActions(store: store)
        let (first, second) = (try await park("msg-1"), try await park("msg-2"))
        time.advance(by: .seconds(90))
        guard
            case .done(let replayed, let outgoing) = try await actions.replay(
                first,
                by: "olga",
                isForced: false,
                sentBy: .caller
            )
        else {
            Issue.record("it is not replayed")
            return
        }
        #expect(replayed.state == .replayed && outgoing.map(\.routingKey) == ["image.create"])
        guard case .done = try await actions.discard(second, by: "olga", note: "") else {
            Issue.record("it is not discarded")
            return
        }
        for id in [first, second] {
            let event = try #require(try await store.deadLetter(id)?.events.last)
            #expect(event.who == "olga" && event.note == nil && event.at == time.now(), "\(event)")
        }
        // A message that was put back asks for no answer of its own.
        let answers = try await actions.answers(to: [replayed], by: PassingTime(time: time), timeout: .seconds(15))
        #expect(answers.refusals.isEmpty && answers.unanswered == 0)
    }

    @Test("queues stand in the order in which people look at them")
    func queues() {
        let roles: [QueueStatus.Role] = [.retry, .human, .work, .kept, .work]
        let statuses = roles.enumerated().map { number, role in
            QueueStatus(name: "q\(number)", purpose: "", role: role, ready: 0, consumers: 0)
        }
        #expect(statuses.forPeople.map(\.name) == ["q2", "q4", "q1", "q3", "q0"])
        #expect(statuses.filter(\.needsConsumer).map(\.name) == ["q1", "q2", "q4"])
    }

    @Test(
        "bytes stand in the largest unit with one digit",
        arguments: [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1 GiB"), (5 << 50, "5120 TiB")]
            as [(Int64, String)]
    )
    func bytes(count: Int64, text: String) { #expect(Quantity.bytes(count) == text) }
}
