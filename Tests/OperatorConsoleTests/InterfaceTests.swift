import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import Testing

@testable import OperatorConsole

@Suite("The interface for programs", .timeLimit(.minutes(30)))
struct InterfaceTests {
    private static func bearer(_ token: String) -> HTTPFields { [.authorization: "Bearer \(token)"] }

    @Test("a token is needed, and a viewer's changes nothing")
    func tokens() async throws {
        let rig = try await Rig()
        try await rig.run { browser in
            for headers: HTTPFields in [[:], Self.bearer("nonsense"), [.authorization: "Basic b2xnYTp4"]] {
                let answer = try await browser.get("/api/v1/images", headers: headers)
                #expect(answer.status == .unauthorized && answer.headers[.wwwAuthenticate] == "Bearer")
            }
            let body = ByteBuffer(string: #"{"images":7,"snapshots":8}"#)
            func put(_ headers: HTTPFields, _ body: ByteBuffer) async throws -> TestResponse {
                try await browser.client.execute(
                    uri: "/api/v1/quotas/acct-1",
                    method: .put,
                    headers: headers,
                    body: body
                )
            }
            #expect(try await put(Self.bearer(Rig.viewerToken), body).status == .forbidden)
            // A session's cookie is not enough: a browser sends it with any site's request.
            let cookie = try await browser.logInAsOperator()
            #expect(try await put([.cookie: cookie], body).status == .unauthorized)
            #expect(try await browser.get("/api/v1/images", cookie: cookie).status == .ok)
            for text in ["{}", #"{"images":-1,"snapshots":8}"#, #"{"images":1.5,"snapshots":8}"#, "x"] {
                #expect(try await put(Self.bearer(Rig.operatorToken), ByteBuffer(string: text)).status == .badRequest)
            }
            #expect(try await put(Self.bearer(Rig.operatorToken), body).status == .ok)
            #expect(
                try await rig.store.quota(of: Owner(known: "acct-1")).limits == QuotaLimits(images: 7, snapshots: 8)
            )
        }
    }

    @Test("a field that stands in a body twice is refused, and nothing is done")
    func repeated() async throws {
        let rig = try await Rig()
        try await rig.run { browser in
            for body in [
                #"{"images":7,"images":8,"snapshots":8}"#, #"{"images":7,"snapshots":8,"\u0069mages":7}"#,
            ] {
                let answer = try await browser.client.execute(
                    uri: "/api/v1/quotas/acct-1",
                    method: .put,
                    headers: Self.bearer(Rig.operatorToken),
                    body: ByteBuffer(string: body)
                )
                #expect(answer.status == .badRequest && answer.text.contains("INVALID_ARGUMENT"), "\(answer.text)")
                #expect(answer.text.contains(#""field":"images""#) && answer.text.contains("twice"), "\(answer.text)")
            }
        }
        #expect(try await rig.store.quota(of: Owner(known: "acct-1")).limits == .standard)
    }

    @Test("images come in pages that join without a gap, by owner and status")
    func paging() async throws {
        struct Page: Decodable {
            struct Item: Decodable { var id: String }
            var images: [Item]
            var nextPage: String?
        }
        let rig = try await Rig()
        for number in 1...9 { try await rig.take(number, owner: "acct-\(number % 2)") }
        try await rig.run { browser in
            var seen: [String] = []
            var next = ""
            repeat {
                let answer = try await browser.get(
                    "/api/v1/images?limit=4\(next)",
                    headers: Self.bearer(Rig.viewerToken)
                )
                let page = try JSONDecoder().decode(Page.self, from: Data(answer.text.utf8))
                seen += page.images.map(\.id)
                next = page.nextPage.map { "&page=\($0)" } ?? ""
            } while !next.isEmpty
            #expect(seen == (1...9).reversed().map { "img-\($0)" })
            let own = try await browser.get("/api/v1/images?owner=acct-0", headers: Self.bearer(Rig.viewerToken)).text
            #expect(own.contains("img-8") && !own.contains("img-9"))
            for query in ["limit=0", "limit=501", "limit=x", "status=x", "page=x", "owner=a.b"] {
                let answer = try await browser.get("/api/v1/images?\(query)", headers: Self.bearer(Rig.viewerToken))
                #expect(answer.status == .badRequest, "\(query)")
            }
        }
    }

    @Test("the document describes every path there is, and every path it describes is there")
    func document() async throws {
        struct Document: Decodable { var paths: [String: [String: Ignored]] }
        struct Ignored: Decodable {}
        let rig = try await Rig()
        try await rig.fail(try await rig.take(1), StepFailure(.permanent, .failedPrecondition, "it runs"))
        try await rig.run { browser in
            let text = try await browser.get(Route.document.address)
            let paths = try JSONDecoder().decode(Document.self, from: Data(text.text.utf8)).paths
            #expect(paths.count == 23)
            for (path, methods) in paths {
                let uri =
                    "/api/v1" + path.replacing("{id}", with: "img-1").replacing("{owner}", with: "acct-1")
                    + (path == "/request" ? "?owner=acct-1&id=r1" : "")
                for method in methods.keys {
                    let answer = try await browser.client.execute(
                        uri: uri,
                        method: method == "put" ? .put : method == "post" ? .post : .get,
                        headers: Self.bearer(Rig.operatorToken),
                        body: method == "put" ? ByteBuffer(string: #"{"images":1,"snapshots":1}"#) : nil
                    )
                    // Of two decisions on one dead letter, the second comes too late. An action is sent, or misses a
                    // field.
                    let isWanted =
                        answer.status == .ok
                        || method == "post" && [.conflict, .accepted, .badRequest].contains(answer.status)
                    #expect(isWanted, "\(method) \(uri): \(answer.text)")
                    #expect(JSONValue(parsing: Array(answer.text.utf8)) != nil, "\(uri)")
                }
            }
        }
    }
}
