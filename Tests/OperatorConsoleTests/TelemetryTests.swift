import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import ImageSimulation
import Observability
import Testing

@testable import OperatorConsole

@Suite("What a console shows to those who watch", .timeLimit(.minutes(30)))
struct TelemetryTests {
    private static func lines(_ rig: Rig) -> [String] {
        rig.telemetry.metrics(at: rig.time.now()).split(separator: "\n").map(String.init)
    }

    @Test("every answer is counted by kind and status, and nothing that a person has named")
    func requests() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1, owner: "acct-secret", name: "golden-secret")
        try await rig.run { browser in
            let cookie = try await browser.logInAsOperator()
            _ = try await browser.get("/images/\(id)", cookie: cookie)
            _ = try await browser.get("/images/img-none", cookie: cookie)
            _ = try await browser.get("/nowhere", cookie: cookie)
            _ = try await browser.post("/quotas/acct-secret", [], cookie: cookie)
            _ = try await browser.get("/api/v1/images")
            _ = try await browser.get(Route.icon.address)
        }
        let lines = Self.lines(rig)
        for (kind, status, count) in [
            ("login", 200, 1), ("login", 303, 1), ("page", 200, 1), ("page", 404, 2), ("change", 403, 1),
            ("api", 401, 1), ("asset", 200, 1),
        ] {
            let line = "goldsmith_console_requests_total{kind=\"\(kind)\",status=\"\(status)\"} \(count)"
            #expect(lines.contains(line), "\(line)\n\(lines.filter { $0.contains("requests_total") })")
        }
        #expect(lines.contains("goldsmith_console_request_seconds_count{kind=\"change\"} 1"))
        #expect(!lines.contains { $0.contains("secret") || $0.contains("img-") })
        #expect(lines.contains { $0.hasPrefix("process_open_fds ") && $0 != "process_open_fds 0" })
        #expect(lines.contains("goldsmith_build_info{version=\"1.2.3\"} 1"))
    }

    @Test("logins are counted as accepted, refused and throttled, and those who are in")
    func logins() async throws {
        let rig = try await Rig()
        try await rig.run { browser in
            _ = try await browser.logInAsViewer()
            for _ in 0..<5 { _ = try await browser.tryToLogIn(("token", "nonsense")) }
            for _ in 0..<2 { _ = try await browser.tryToLogIn(("token", Rig.viewerToken)) }
        }
        let lines = Self.lines(rig)
        for (result, count) in [("accepted", 1), ("refused", 5), ("throttled", 2)] {
            #expect(lines.contains("goldsmith_console_logins_total{result=\"\(result)\"} \(count)"), "\(result)")
        }
        #expect(lines.contains("goldsmith_console_sessions 1"))
        rig.time.advance(by: .seconds(3600))
        #expect(Self.lines(rig).contains("goldsmith_console_sessions 0"))
    }

    @Test("how long ago store and broker were seen is told, and without the store it is not ready")
    func sight() async throws {
        let rig = try await Rig()
        #expect(Self.lines(rig).contains("goldsmith_console_look_age_seconds{at=\"store\"} NaN"))
        #expect(rig.telemetry.ready(at: rig.time.now()).reasons == ["the store has not been seen yet"])
        let lookout = StoreLookout(store: rig.store, time: rig.time, every: .seconds(5), telemetry: rig.telemetry)
        await lookout.look()
        let history = QueueHistory(
            broker: StubBrokerStatus(),
            time: rig.time,
            every: .seconds(5),
            telemetry: rig.telemetry
        )
        rig.time.advance(by: .seconds(50))
        await history.sample()
        rig.time.advance(by: .seconds(10))
        #expect(rig.telemetry.ready(at: rig.time.now()).isGood)
        let lines = Self.lines(rig)
        #expect(lines.contains("goldsmith_console_look_age_seconds{at=\"store\"} 60"))
        #expect(lines.contains("goldsmith_console_look_age_seconds{at=\"broker\"} 10"))
        #expect(lines.contains("goldsmith_console_ready 1"))
        rig.time.advance(by: .seconds(1))
        #expect(rig.telemetry.ready(at: rig.time.now()).reasons == ["the store has not been seen for 61 s"])
    }

    @Test("the console's own address has no metrics, with or without a login")
    func apart() async throws {
        try await Rig().run { browser in
            let cookie = try await browser.logInAsOperator()
            for path in ["/metrics", "/healthz", "/readyz"] {
                #expect(try await browser.get(path).status == .notFound, "\(path)")
                #expect(try await browser.get(path, cookie: cookie).status == .notFound, "\(path)")
            }
        }
    }
}
