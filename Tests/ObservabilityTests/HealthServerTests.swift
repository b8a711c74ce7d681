import GoldsmithTestSupport
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing

@testable import Observability

@Suite("What a process shows to those who watch it")
struct HealthServerTests {
    private func get(_ path: String, problems: [String] = []) async throws -> TestResponse {
        let server = HealthServer(
            on: ListenAddress(host: "127.0.0.1", port: 0),
            metrics: { "a_total 1\n" },
            alive: { HealthServer.Verdict(isGood: true, reasons: []) },
            ready: { HealthServer.Verdict(isGood: problems.isEmpty, reasons: problems) },
            logger: RecordingLog().logger
        )
        return try await server.application().test(.router) { client in
            try await client.execute(uri: path, method: .get)
        }
    }

    @Test("metrics come in the text format of Prometheus")
    func metrics() async throws {
        let response = try await get("/metrics")
        #expect(response.status == .ok && String(buffer: response.body) == "a_total 1\n")
        #expect(response.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
    }

    @Test("a process that is well says ok, and one that is not says why, one reason a line")
    func health() async throws {
        for path in ["/healthz", "/readyz"] {
            let response = try await get(path)
            #expect(response.status == .ok && String(buffer: response.body) == "ok\n")
        }
        let response = try await get("/readyz", problems: ["no store", "no broker"])
        #expect(response.status == .serviceUnavailable && String(buffer: response.body) == "no store\nno broker\n")
        #expect(try await get("/healthz", problems: ["no store"]).status == .ok)
        #expect(try await get("/").status == .notFound)
    }

    @Test("another process beside one that has a port of its own gets the next, and any free port stays one")
    func ports() throws {
        let first = try #require(ListenAddress("[::1]:9464"))
        #expect(first.after(2).authority == "[::1]:9466" && first.isLoopback)
        #expect(try #require(ListenAddress("localhost:0")).after(2).authority == "127.0.0.1:0")
    }
}
