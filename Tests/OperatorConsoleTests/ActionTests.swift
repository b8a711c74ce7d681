import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import ImageSimulation
import Testing

@testable import OperatorConsole

@Suite("What operators ask for on an owner's behalf", .timeLimit(.minutes(30)))
struct ActionTests {
    private static func api(
        _ browser: Browser,
        _ address: String,
        _ body: String,
        token: String = Rig.operatorToken
    ) async throws -> TestResponse {
        try await browser.client.execute(
            uri: "/api/v1" + address,
            method: .post,
            headers: [.authorization: "Bearer \(token)"],
            body: ByteBuffer(string: body)
        )
    }

    @Test("only what an image's status allows is offered, and only to operators")
    func offered() async throws {
        let rig = try await Rig()
        let pending = try await rig.take(1)
        let available = try await rig.take(2)
        try await rig.finish(available)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            for (image, offered) in [
                (pending, [ImageAction.cancel]), (available, [.launch, .share, .convert, .prove, .delete]),
            ] {
                let text = try await browser.get("/images/\(image)", cookie: cookie).text
                for action in ImageAction.allCases {
                    let isThere = text.contains("href=\"/images/\(image)/\(action.rawValue)\"")
                    #expect(isThere == offered.contains(action), "\(action) of \(image)")
                }
                for action in ImageAction.allCases {
                    let answer = try await browser.get("/images/\(image)/\(action.rawValue)", cookie: cookie)
                    #expect(answer.status == (offered.contains(action) ? .ok : .conflict), "\(action) of \(image)")
                }
            }
            let viewer = try await browser.logInAsViewer()
            let page = try await browser.get("/images/\(available)", cookie: viewer)
            #expect(page.status == .ok && !page.text.contains("/\(ImageAction.delete.rawValue)\""))
            for action in ImageAction.allCases {
                let address = "/images/\(available)/\(action.rawValue)"
                #expect(try await browser.get(address, cookie: viewer).status == .forbidden)
                let proof = [(Form.tokenField, page.formToken), (ActionPage.requestField, "r-\(action)")]
                #expect(try await browser.post(address, proof, cookie: viewer).status == .forbidden)
                #expect(try await Self.api(browser, address, "{}", token: Rig.viewerToken).status == .forbidden)
            }
        }
        #expect(try await rig.requests.isEmpty)
    }

    @Test("a request is asked for twice, sent once, and its page follows what becomes of it")
    func cancel() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, name: "web-golden")
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            let address = "/images/\(id)/cancel"
            let question = try await browser.get(address, cookie: cookie)
            #expect(question.text.contains("Cancel the making of web-golden?"))
            #expect(question.text.contains("what was made of it is deleted"))
            let fields = [(ActionPage.requestField, question.value(of: ActionPage.requestField))]
            #expect(try await browser.post(address, fields, cookie: cookie).status == .forbidden, "without a proof")
            #expect(try await rig.requests.isEmpty)
            let form = fields + [(Form.tokenField, question.formToken)]
            let answer = try await browser.post(address, form, cookie: cookie)
            let place = try #require(answer.headers[.location])
            #expect(answer.status == .seeOther && place.hasPrefix("/request?owner=acct-1&id=console-"))
            // Again, as after "back" and "reload".
            #expect(try await browser.post(address, form, cookie: cookie).headers[.location] == place)
            let sent = try await rig.requests
            #expect(sent.map(\.routingKey) == ["image.cancel"] && sent.first?.isVouchedFor == true)
            #expect(try await browser.get(place, cookie: cookie).text.contains("Waits to be sent"))
            try await rig.store.markSent(sent)
            let waits = try await browser.get(place, cookie: cookie).text
            #expect(waits.contains("Not answered yet") && waits.contains("upstreams"))
            try await rig.record(.accepted(id, .error), to: try #require(sent.first))
            let end = try await browser.get(place, cookie: cookie).text
            #expect(end.contains("Accepted") && end.contains("href=\"/images/\(id)\""))
            // Viewers see what operators did.
            #expect(try await browser.get(place, cookie: try await browser.logInAsViewer()).text.contains("Accepted"))
        }
    }

    @Test("what is wrong stands beside its field with its code, and nothing is sent")
    func fieldErrors() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, name: "web-golden", dataDisks: 2)
        try await rig.finish(id)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            for (action, field, fields, code) in [
                (ImageAction.share, "with", [("with", "acct-7, not an owner!")], "INVALID_ARGUMENT"),
                (.share, "with", [("with", "acct-7 acct-7")], "DUPLICATE"),
                (.share, "with", [], "OUT_OF_RANGE"),
                (.delete, "name", [("name", "web-gold")], "FAILED_PRECONDITION"),
                (.convert, "name", [("name", "<x>")], "INVALID_ARGUMENT"),
                (.launch, "size-vdc", [("without-vdb", "yes"), ("size-vdc", "much")], "INVALID_ARGUMENT"),
                (.launch, "newDisks", [("newDisks", "0")], "OUT_OF_RANGE"),
                (.launch, "newDisks", [("newDisks", "nan")], "INVALID_ARGUMENT"),
            ] {
                let address = "/images/\(id)/\(action.rawValue)"
                let question = try await browser.get(address, cookie: cookie)
                let before = question.value(of: ActionPage.requestField)
                let proof = [(Form.tokenField, question.formToken), (ActionPage.requestField, before)]
                let answer = try await browser.post(address, proof + fields, cookie: cookie)
                #expect(answer.status == .badRequest || answer.status == .conflict, "\(action): \(answer.status)")
                let error = answer.text.firstRange(of: "id=\"\(field)-error\"")
                let said = error.map { answer.text[$0.upperBound...].prefix(400) }
                #expect(said?.contains("<code>\(code)</code>") == true, "\(action) \(fields): \(said ?? "nothing")")
                #expect(answer.text.contains("role=\"alert\""))
                #expect(!answer.text.contains("sizeGiB") && !answer.text.contains("with["), "no path into a document")
                if action == .delete { #expect(answer.text.contains("That is not its name; nothing was deleted.")) }
                for (_, value) in fields where action != .launch {
                    #expect(answer.text.contains(HTML.escaped(value)), "what was typed is still there")
                }
                #expect(answer.value(of: ActionPage.requestField) != before, "a new request is a new one")
            }
        }
        #expect(try await rig.requests.isEmpty)
    }

    @Test("what a worker refuses is said on the form, and what it accepts is shown")
    func answered() async throws {
        let rig = try await Rig(answerWithin: .seconds(3600))
        let id = try await rig.take(1, name: "web-golden", dataDisks: 2)
        try await rig.finish(id)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            func ask(_ action: ImageAction, _ fields: [(String, String)], _ answer: Answer) async throws
                -> (value: TestResponse, requests: [OutgoingMessage])
            {
                let address = "/images/\(id)/\(action.rawValue)"
                let question = try await browser.get(address, cookie: cookie)
                let proof = [
                    (Form.tokenField, question.formToken),
                    (ActionPage.requestField, question.value(of: ActionPage.requestField)),
                ]
                return try await rig.answering(answer) {
                    try await browser.post(address, proof + fields, cookie: cookie)
                }
            }
            let refused = try await ask(
                .launch,
                [("location", "east")],
                .rejected(Rejection(.failedPrecondition, "east is full today", field: "location"))
            )
            #expect(refused.value.status == .conflict)
            let text = refused.value.text
            #expect(text.contains("id=\"location-error\"") && text.contains("East is full today."))
            var accepted = Answer.accepted(id, .available)
            accepted.instanceId = InstanceID(known: "i-new")
            let launched = try await ask(
                .launch,
                [("location", "east"), ("size-vdb", "5"), ("without-vdc", "yes"), ("newDisks", "2, 3")],
                accepted
            )
            let rehearsed = try await ask(.launch, [("dryRun", "yes")], .accepted(id, .available))
            #expect(rehearsed.requests.last?.body.contains(#""dryRun":true"#) == true)
            let place = try #require(launched.value.headers[.location])
            #expect(try await browser.get(place, cookie: cookie).text.contains("href=\"/instances/i-new\""))
            let body = try #require(launched.requests.last?.body)
            #expect(
                body.contains(#""dataDisks":[{"device":"/dev/vdb","sizeGiB":5},{"device":"/dev/vdc","leaveOut":true}]"#)
                    && body.contains(#""newDisks":[{"sizeGiB":2},{"sizeGiB":3}]"#)
                    && body.contains(#""owner":"acct-1""#),
                "\(body)"
            )
        }
    }

    @Test("a proof is asked for at a location, and not again while it runs; then its verdict is on the page")
    func prove() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, name: "web-golden")
        try await rig.finish(id)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            let address = "/images/\(id)/prove"
            let question = try await browser.get(address, cookie: cookie)
            #expect(question.text.contains("See whether web-golden boots?"))
            #expect(question.text.contains("The image stays Available, whatever is seen."))
            let proof = [
                (Form.tokenField, question.formToken),
                (ActionPage.requestField, question.value(of: ActionPage.requestField)),
            ]
            let nowhere = try await browser.post(address, proof + [("location", "a/b")], cookie: cookie)
            #expect(nowhere.status == .badRequest && nowhere.text.contains("id=\"location-error\""))
            #expect(try await browser.post(address, proof + [("location", "east")], cookie: cookie).status == .seeOther)
            let sent = try #require(try await rig.requests.last)
            #expect(sent.routingKey == "image.prove" && sent.body.contains(#""location":"east""#), "\(sent.body)")
            let program = try await Self.api(browser, address, #"{"location":"east","requestId":"mine-1"}"#)
            #expect(program.status == .accepted)
            let later = TransitionContext(now: Rig.start + .seconds(86_400))
            _ = try await rig.store.apply(.proving(at: LocationName(known: "east")), to: id, in: later)
            let running = try await browser.get("/images/\(id)", cookie: cookie).text
            #expect(!running.contains("href=\"\(address)\"") && running.contains("Boot proof at east"))
            #expect(try await browser.get(address, cookie: cookie).status == .conflict)
            try await rig.finish(id)
            let shown = try await browser.get("/images/\(id)", cookie: cookie).text
            #expect(shown.contains("href=\"\(address)\"") && shown.contains("emergency mode"))
        }
    }

    @Test("programs ask the same way: an answer, 202 while there is none, or the code and the field")
    func interface() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1)
        try await rig.run { browser in
            let address = "/images/\(id)/cancel"
            for (body, status, word) in [
                (#"{"imageId":"img-2"}"#, HTTPResponse.Status.badRequest, #""field":"imageId""#),
                (#"{"why":1}"#, .badRequest, #""field":"why""#),
                (#"{"owner":"a.b"}"#, .badRequest, #""field":"owner""#),
                (#"{"requestId":"a b"}"#, .badRequest, #""field":"requestId""#),
                (#"{"requestId":7}"#, .badRequest, #""field":"requestId""#), ("[]", .badRequest, "object"),
            ] {
                let answer = try await Self.api(browser, address, body)
                #expect(answer.status == status && answer.text.contains(word), "\(body): \(answer.text)")
            }
            #expect(try await Self.api(browser, "/images/img-none/cancel", "{}").status == .notFound)
            #expect(try await rig.requests.isEmpty)
            let sent = try await Self.api(browser, address, #"{"requestId":"mine-1"}"#)
            #expect(sent.status == .accepted && sent.text == #"{"owner":"acct-1","requestId":"mine-1"}"#)
            #expect(try await Self.api(browser, address, #"{"requestId":"mine-1"}"#).status == .accepted)
            #expect(try await rig.requests.count == 1)
            let place = "/api/v1/request?owner=acct-1&id=mine-1"
            let bearer: HTTPFields = [.authorization: "Bearer \(Rig.viewerToken)"]
            #expect(try await browser.get(place, headers: bearer).text == sent.text)
            let stranger = "/api/v1/request?owner=acct-2&id=mine-1"
            #expect(try await browser.get(stranger, headers: bearer).status == .notFound)
            try await rig.record(.accepted(id, .error), to: try #require(try await rig.requests.first))
            let answered = try await Self.api(browser, address, #"{"requestId":"mine-1"}"#)
            #expect(answered.status == .ok && answered.text.contains(#""imageStatus":"Error""#))
            // Under an id that was used, only the same is the same.
            let another = try await Self.api(
                browser,
                "/images/\(id)/share",
                #"{"requestId":"mine-1","with":["acct-7"]}"#
            )
            #expect(another.status == .conflict && another.text.contains(#""code":"CONFLICT""#), "\(another.text)")
            let refused = Rejection(.quotaExceeded, "acct-1 has 5 of 5 images")
            let other = try await Self.api(browser, address, #"{"requestId":"mine-2"}"#)
            #expect(other.status == .accepted)
            try await rig.record(.rejected(refused), to: try #require(try await rig.requests.last))
            let late = try await Self.api(browser, address, #"{"requestId":"mine-2"}"#)
            #expect(late.status == .conflict && late.text.contains("QUOTA_EXCEEDED"), "\(late.text)")
        }
    }

    @Test("a request waits to be sent also behind a thousand others")
    func longOutbox() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1)
        try await rig.run { browser in
            for number in 1...Alarm.stuckLimit {
                let message = OutgoingMessage(id: "old-\(number)", destination: .events, routingKey: "k", body: "{}")
                try await rig.store.put(message, at: Rig.start)
            }
            rig.time.advance(by: .seconds(60))
            let address = "/images/\(id)/cancel"
            #expect(try await Self.api(browser, address, #"{"requestId":"mine-1"}"#).status == .accepted)
            let bearer: HTTPFields = [.authorization: "Bearer \(Rig.viewerToken)"]
            let place = "/request?owner=acct-1&id=mine-1"
            #expect(try await browser.get("/api/v1" + place, headers: bearer).status == .ok)
            let cookie = try await browser.logInAsViewer()
            #expect(try await browser.get(place, cookie: cookie).text.contains("Waits to be sent"))
        }
    }

    @Test("a form that is changed and sent once more is not taken for what was sent first")
    func otherRequest() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1)
        try await rig.finish(id)
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            let address = "/images/\(id)/share"
            let question = try await browser.get(address, cookie: cookie)
            let requestID = question.value(of: ActionPage.requestField)
            let proof = [(Form.tokenField, question.formToken), (ActionPage.requestField, requestID)]
            let first = try await browser.post(address, proof + [("with", "acct-7")], cookie: cookie)
            #expect(first.status == .seeOther)
            let early = try await browser.post(address, proof + [("with", "acct-8")], cookie: cookie)
            #expect(early.status == .conflict && early.text.contains("different request"), "\(early.status)")
            let sent = try await rig.requests
            #expect(sent.count == 1)
            try await rig.record(.accepted(id, .available), to: try #require(sent.first))
            try await rig.store.markSent(sent)
            let same = try await browser.post(address, proof + [("with", "acct-7")], cookie: cookie)
            #expect(same.status == .seeOther)
            let other = try await browser.post(address, proof + [("with", "acct-8")], cookie: cookie)
            #expect(other.status == .conflict && other.text.contains("different request"), "\(other.status)")
            #expect(other.value(of: ActionPage.requestField) != requestID)
            let body = #"{"requestId":"\#(requestID)","with":["acct-8"]}"#
            let program = try await Self.api(browser, address, body)
            #expect(program.status == .conflict && program.text.contains(#""field":"requestId""#), "\(program.text)")
        }
    }

    @Test("an instance has a page with the images that are made of it")
    func instance() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, name: "web-golden")
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            // The simulated driver has no instance of that name here.
            #expect(try await browser.get("/instances/i-1", cookie: cookie).status == .notFound)
            let page = InstancePage(
                instance: Instance(
                    id: InstanceID(known: "i-1"),
                    owner: Owner(known: "acct-1"),
                    status: .stopped,
                    disks: [Disk(device: .system, kind: .local, sizeBytes: 1 << 30)]
                ),
                holder: id,
                images: [try #require(try await rig.store.image(id))],
                role: .operator
            )
            #expect(page.html.markup.contains("href=\"/images/\(id)/cancel\""))
            let seen = InstancePage(instance: page.instance, holder: nil, images: page.images, role: .viewer)
            #expect(!seen.html.markup.contains("/cancel") && seen.html.markup.contains("web-golden"))
        }
    }
}
