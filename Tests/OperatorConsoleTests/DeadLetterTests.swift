import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import Testing

@testable import OperatorConsole

@Suite("Dead letters and parked messages", .timeLimit(.minutes(30)))
struct DeadLetterTests {
    private static func failed(_ rig: Rig) async throws -> DeadLetterID {
        let id = try await rig.take(1)
        try await rig.fail(id, StepFailure(.permanent, .failedPrecondition, "i-1 is Running", advice: "stop it first"))
        return DeadLetterID(known: id.text)
    }

    private static func state(_ id: DeadLetterID, _ rig: Rig) async throws -> DeadLetter.State? {
        try await rig.store.deadLetter(id)?.deadLetter.state
    }

    @Test("a replay is asked for twice, done once, and waits to be sent")
    func replay() async throws {
        let rig = try await Rig()
        let id = try await Self.failed(rig)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            let list = try await browser.get("/dead-letters", cookie: cookie).text
            #expect(list.contains("Stop check") && list.contains("i-1 is Running"))
            #expect(
                try await browser.get("/dead-letters/\(id)", cookie: cookie).text.contains(
                    "href=\"/dead-letters/\(id)/replay\""
                )
            )
            let question = try await browser.get("/dead-letters/\(id)/replay", cookie: cookie)
            #expect(question.text.contains("Replay this?"))
            #expect(try await Self.state(id, rig) == .open)
            let forged = try await browser.post("/dead-letters/\(id)/replay", [], cookie: cookie)
            #expect(forged.status == .forbidden)
            #expect(try await Self.state(id, rig) == .open)
            let proof = [(Form.tokenField, question.formToken)]
            let answer = try await browser.post("/dead-letters/\(id)/replay", proof, cookie: cookie)
            #expect(answer.status == .seeOther && answer.headers[.location] == "/dead-letters/\(id)")
            #expect(try await Self.state(id, rig) == .replayed)
            #expect(try await rig.waiting.contains("image.retry"))
            #expect(try await browser.post("/dead-letters/\(id)/replay", proof, cookie: cookie).status == .conflict)
            #expect(try await browser.get("/dead-letters/\(id)", cookie: cookie).text.contains("olga@console"))
        }
    }

    @Test("discarding keeps the dead letter, with who and why")
    func discard() async throws {
        let rig = try await Rig()
        let id = try await Self.failed(rig)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            let question = try await browser.get("/dead-letters/\(id)/discard", cookie: cookie)
            let fields = [(Form.tokenField, question.formToken), ("note", "known <trouble>")]
            #expect(try await browser.post("/dead-letters/\(id)/discard", fields, cookie: cookie).status == .seeOther)
            #expect(try await Self.state(id, rig) == .discarded)
            #expect(try await !rig.waiting.contains("image.retry"))
            let page = try await browser.get("/dead-letters/\(id)", cookie: cookie).text
            #expect(page.contains("known &lt;trouble&gt;") && !page.contains("Replay…"))
            #expect(!(try await browser.get("/dead-letters", cookie: cookie).text.contains("i-1 is Running")))
            #expect(
                try await browser.get("/dead-letters?state=discarded", cookie: cookie).text.contains("i-1 is Running")
            )
            #expect(try await browser.get("/dead-letters?kind=none", cookie: cookie).status == .badRequest)
        }
    }

    @Test("a viewer sees dead letters and decides nothing, by page or by token")
    func viewer() async throws {
        let rig = try await Rig()
        let id = try await Self.failed(rig)
        try await rig.run { browser in
            let cookie = try await browser.logInAsViewer()
            let page = try await browser.get("/dead-letters/\(id)", cookie: cookie)
            #expect(page.status == .ok && !page.text.contains("Replay…"))
            let proof = [(Form.tokenField, page.formToken)]
            for decision in ["replay", "discard"] {
                #expect(try await browser.get("/dead-letters/\(id)/\(decision)", cookie: cookie).status == .forbidden)
                #expect(
                    try await browser.post("/dead-letters/\(id)/\(decision)", proof, cookie: cookie).status
                        == .forbidden
                )
                let answer = try await browser.client.execute(
                    uri: "/api/v1/dead-letters/\(id)/\(decision)",
                    method: .post,
                    headers: [.authorization: "Bearer \(Rig.viewerToken)"]
                )
                #expect(answer.status == .forbidden)
            }
            #expect(try await Self.state(id, rig) == .open)
            #expect(try await browser.get("/dead-letters/none", cookie: cookie).status == .notFound)
        }
    }

    @Test("open dead letters are an alarm")
    func alarm() async throws {
        let rig = try await Rig()
        _ = try await Self.failed(rig)
        try await rig.run { browser in
            let cookie = try await browser.logInAsViewer()
            #expect(try await browser.get("/", cookie: cookie).text.contains("1 dead letter waits for a human."))
        }
    }
}
