import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import ImageSimulation
import Observability
import Testing

@testable import OperatorConsole

@Suite("Pages and who may see and change what", .timeLimit(.minutes(30)))
struct PageTests {
    @Test("without a login every page leads to it")
    func closed() async throws {
        try await Rig().run { browser in
            for address in ["/", "/images", "/images/img-1", "/instances", "/quotas", "/quotas/acct-1"] {
                let answer = try await browser.get(address)
                #expect(answer.status == .seeOther && answer.headers[.location] == "/login", "\(address)")
            }
            #expect(try await browser.get("/updates?page=%2F").status == .unauthorized)
            #expect(try await browser.post("/quotas/acct-1", []).status == .seeOther)
        }
    }

    @Test("a wrong password, a wrong name and a wrong token are refused alike, and too many of them altogether")
    func wrong() async throws {
        let rig = try await Rig()
        try await rig.run { browser in
            for fields in [("olga", "a guess"), ("nobody", "correct horse"), ("robot", Rig.operatorToken)] {
                let answer = try await browser.tryToLogIn(("name", fields.0), ("password", fields.1))
                #expect(answer.status == .unauthorized && answer.text.contains("Name or password is wrong."))
                #expect(answer.text.contains("role=\"alert\"") && !answer.text.contains(fields.1))
            }
            #expect(try await browser.tryToLogIn(("token", "nonsense")).status == .unauthorized)
            #expect(try await browser.tryToLogIn(("name", "olga"), ("password", "wrong")).status == .unauthorized)
            let late = try await browser.tryToLogIn(("name", "olga"), ("password", "correct horse"))
            #expect(late.status == .tooManyRequests && late.headers[.retryAfter] == "300")
            rig.time.advance(by: .seconds(300))
            _ = try await browser.logInAsOperator()
        }
    }

    @Test("behind a trusted proxy one person's attempts are not another's, and without one they are")
    func proxied() async throws {
        // Which of the two a name of this machine leads to differs from machine to machine.
        for proxies in [TrustedProxies.none, try #require(TrustedProxies("127.0.0.1, ::1"))] {
            let rig = try await Rig(proxies: proxies)
            try await rig.run(overTCP: true) { browser in
                let guesser: HTTPFields = [.forwardedFor: "198.51.100.1, 203.0.113.1"]
                for number in 0..<6 {
                    // Whatever he writes before it changes nothing.
                    let headers: HTTPFields = [.forwardedFor: "198.51.100.\(number), 203.0.113.1"]
                    let answer = try await browser.tryToLogIn(("token", "nonsense"), headers: headers)
                    #expect(answer.status == (number < 5 ? .unauthorized : .tooManyRequests), "\(number)")
                }
                let late = try await browser.tryToLogIn(("token", Rig.viewerToken), headers: guesser)
                #expect(late.status == .tooManyRequests)
                let other: HTTPFields = [.forwardedFor: "203.0.113.2"]
                let answer = try await browser.tryToLogIn(("token", Rig.viewerToken), headers: other)
                #expect(answer.status == (proxies == .none ? .tooManyRequests : .seeOther))
            }
        }
    }

    @Test("the session's cookie is out of reach for scripts and other sites, and a new one each time")
    func cookie() async throws {
        try await Rig().run { browser in
            let answer = try await browser.tryToLogIn(("token", Rig.viewerToken))
            let cookie = try #require(answer.headers[.setCookie])
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"))
            let page = try await browser.get("/", cookie: answer.cookie)
            #expect(page.status == .ok && page.text.contains("watcher"))
            #expect(try await browser.logInAsViewer() != browser.logInAsViewer())
        }
        let origin = try #require(WebOrigin("https://localhost"))
        try await Rig(origin: origin).run { browser in
            let cookie = try #require(try await browser.get("/login").headers[.setCookie])
            #expect(cookie.hasPrefix("__Host-goldsmith") && cookie.contains("Secure"))
        }
    }

    @Test("logging out ends the session, not only the cookie")
    func logOut() async throws {
        try await Rig().run { browser in
            let cookie = try await browser.logInAsViewer()
            let page = try await browser.get("/", cookie: cookie)
            #expect(
                try await browser.post("/logout", [(Form.tokenField, page.formToken)], cookie: cookie).status
                    == .seeOther
            )
            #expect(try await browser.get("/", cookie: cookie).headers[.location] == "/login")
        }
    }

    @Test("every answer carries the headers that keep other sites out")
    func headers() async throws {
        try await Rig().run { browser in
            let cookie = try await browser.logInAsViewer()
            for address in ["/", "/login", "/nothing", "/assets/console.css", "/assets/console.js", "/api/v1/images"] {
                let headers = try await browser.get(address, cookie: cookie).headers
                #expect(headers[.contentSecurityPolicy] == HeaderGuard.contentPolicy, "\(address)")
                #expect(headers[.xContentTypeOptions] == "nosniff" && headers[.referrerPolicy] == "same-origin")
                #expect(headers[.cacheControl] != nil && headers[.xFrameOptions] == "DENY")
            }
            #expect(
                HeaderGuard.contentPolicy.hasPrefix("default-src 'none'; ")
                    && !HeaderGuard.contentPolicy.contains("unsafe")
            )
        }
    }

    @Test("no page has a script or a style in it, nor anything from elsewhere")
    func contained() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, details: "<script>alert(1)</script>")
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            for address in ["/", "/images", "/images/\(id)", "/instances", "/quotas", "/quotas/acct-1"] {
                let page = try await browser.get(address, cookie: cookie)
                #expect(page.status == .ok, "\(address)")
                for word in [" style=", "<style", "onclick", "<script>", "http://", "https://", "javascript:"] {
                    #expect(!page.text.contains(word), "\(address) has \(word)")
                }
            }
            #expect(try await browser.get("/images/\(id)", cookie: cookie).text.contains("&lt;script&gt;alert(1)"))
        }
    }

    @Test("a form without its session's token, or from another site, changes nothing")
    func forged() async throws {
        let rig = try await Rig()
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            let other = try await browser.get("/quotas/acct-1", cookie: try await browser.logInAsOperator()).formToken
            let own = try await browser.get("/quotas/acct-1", cookie: cookie).formToken
            let change = [("images", "9"), ("snapshots", "9")]
            for token in [[], [(Form.tokenField, "")], [(Form.tokenField, other)]] {
                #expect(try await browser.post("/quotas/acct-1", change + token, cookie: cookie).status == .forbidden)
            }
            let proven = change + [(Form.tokenField, own)]
            for headers: HTTPFields in [
                [.origin: "https://evil.example"], [.fetchSite: "cross-site"], [.origin: "null"],
            ] {
                #expect(
                    try await browser.post("/quotas/acct-1", proven, cookie: cookie, headers: headers).status
                        == .forbidden
                )
            }
            #expect(try await rig.store.quota(of: Owner(known: "acct-1")).limits == .standard)
            let answer = try await browser.post(
                "/quotas/acct-1",
                proven,
                cookie: cookie,
                headers: [.origin: "http://localhost"]
            )
            #expect(answer.status == .seeOther)
            #expect(try await rig.store.quota(of: Owner(known: "acct-1")).limits.images == 9)
        }
    }

    @Test("a viewer sees everything and is refused every change, with a reason")
    func viewer() async throws {
        let rig = try await Rig()
        try await rig.take(1)
        try await rig.run { browser in
            let cookie = try await browser.logInAsViewer()
            let page = try await browser.get("/quotas", cookie: cookie)
            #expect(page.text.contains("acct-1") && !page.text.contains("href=\"/quotas/acct-1\""))
            let token = page.formToken
            for answer in [
                try await browser.get("/quotas/acct-1", cookie: cookie),
                try await browser.post(
                    "/quotas/acct-1",
                    [("images", "9"), ("snapshots", "9"), (Form.tokenField, token)],
                    cookie: cookie
                ),
            ] {
                #expect(answer.status == .forbidden && answer.text.contains("Viewers look and do not change."))
            }
            #expect(try await rig.store.quota(of: Owner(known: "acct-1")).limits == .standard)
        }
    }

    @Test("an image in Error says why, what to do, and where it happened")
    func failed() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, name: "web")
        try await rig.fail(id, StepFailure(.permanent, .failedPrecondition, "i-1 is Running", advice: "stop it first"))
        try await rig.run { browser in
            let cookie = try await browser.logInAsViewer()
            let page = try await browser.get("/images/\(id)", cookie: cookie).text
            for word in ["Why it failed", "I-1 is Running.", "Stop it first.", "FAILED_PRECONDITION", "Stop check"] {
                #expect(page.contains(word), "\(word)")
            }
            #expect(try await browser.get("/", cookie: cookie).text.contains("i-1 is Running"))
            #expect(try await browser.get("/images/img-none", cookie: cookie).status == .notFound)
        }
    }

    @Test("images are filtered and paged; a filter that is none is refused")
    func paging() async throws {
        let rig = try await Rig()
        for number in 1...60 { try await rig.take(number, owner: "acct-\(number % 20)", name: "image-\(number)") }
        try await rig.run { browser in
            let cookie = try await browser.logInAsViewer()
            let first = try await browser.get("/images", cookie: cookie).text
            #expect(first.contains("image-60<") && !first.contains("image-10<"))
            let next = try #require(first.firstMatch(of: /href="([^"]*page=[^"]*)"/)?.output.1)
            let second = try await browser.get(String(next).replacing("&amp;", with: "&"), cookie: cookie).text
            #expect(second.contains("image-10<") && !second.contains("image-60<") && !second.contains("rel=\"next\""))
            let own = try await browser.get("/images?owner=acct-3&status=Pending", cookie: cookie).text
            #expect(own.contains("image-43<") && !own.contains("image-44<"))
            #expect(try await browser.get("/images?status=Gone", cookie: cookie).status == .badRequest)
        }
    }

    @Test("what is too large, of another kind or nowhere is refused as what it is")
    func bounded() async throws {
        try await Rig().run { browser in
            let page = try await browser.get("/login")
            let large = String(repeating: "x", count: 20_000)
            #expect(try await browser.post("/login", [("name", large)], cookie: page.cookie).status == .contentTooLarge)
            let json = try await browser.client.execute(
                uri: "/login",
                method: .post,
                headers: [.contentType: "application/json"],
                body: ByteBuffer(string: "{}")
            )
            #expect(json.status == .unsupportedMediaType)
            #expect(try await browser.get("/nothing").status == .notFound)
            #expect(try await browser.get("/api/v1/nothing").text.contains("\"code\":\"NOT_FOUND\""))
        }
    }

    @Test("a request for another host is refused before anything is looked at")
    func rebinding() async throws {
        let origin = try #require(WebOrigin("https://gold.example.org"))
        var options = ConsoleOptions(address: try #require(ListenAddress("0.0.0.0:0")))
        #expect(!options.allows(host: "localhost"))
        options.origin = origin
        #expect(!options.allows(host: "localhost") && options.allows(host: "gold.example.org"))
    }

    @Test("with nobody on a work queue the overview says so")
    func alarms() async throws {
        let rig = try await Rig()
        try await rig.run { browser in
            let cookie = try await browser.logInAsViewer()
            let page = try await eventually {
                try await browser.get("/", cookie: cookie).text
            } when: {
                $0.contains("goldsmith.intake")
            }
            #expect(page.contains("1 alarm") && page.contains("No consumer: goldsmith.intake; 3 messages ready."))
        }
    }
}

/// Asks until the answer is as wanted, for five seconds at most.
func eventually<Value>(_ ask: () async throws -> Value, when isWanted: (Value) -> Bool) async throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(5)
    while true {
        let value = try await ask()
        if isWanted(value) || clock.now > deadline { return value }
        try await clock.sleep(for: .milliseconds(10))
    }
}
