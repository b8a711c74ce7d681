import Testing

@testable import OpenStackClient

@Suite("The client asks a cloud by its rules", .timeLimit(.minutes(5)))
struct ClientTests {
    private static let server = """
        {"server": {"id": "s1", "name": "web", "status": "SHUTOFF", "OS-EXT-STS:task_state": null, "locked": true,
          "locked_reason": "mine", "image": "", "flavor": {"original_name": "tiny", "disk": 0}, "metadata": {}}}
        """

    private func cloud(_ service: ScriptedService) -> OpenStackCloud {
        OpenStackCloud(
            CloudAccess(
                authURL: service.address + "/",
                credentialID: "i",
                secret: CloudSecret("s3cret"),
                region: "one"
            ),
            pauses: [.milliseconds(1), .milliseconds(1)]
        )
    }

    /// How a request fails.
    private func failure<Value>(_ body: () async throws(OpenStackError) -> Value) async -> OpenStackError? {
        do throws(OpenStackError) {
            _ = try await body()
            return nil
        } catch { return error }
    }

    @Test("an answer becomes a value, and the token and the microversion's catalog address are used")
    func answer() async throws {
        let service = try await ScriptedService { _, _ in .say(200, Self.server) }
        let server = try await cloud(service).server("s1")
        #expect(server.status == "SHUTOFF" && server.imageID == nil && server.isLocked && server.taskState == nil)
        #expect(service.requests.map(\.line) == ["GET /compute/servers/s1"])
        #expect(service.requests.map(\.token) == ["token-1"])
    }

    @Test("a token that is not taken any more is replaced once, and the request sent again")
    func renewal() async throws {
        let service = try await ScriptedService { _, request in
            request.token == "token-1" ? .say(401, "{}") : .say(202, "")
        }
        try await cloud(service).act(on: "s1", ["os-stop": nil])
        #expect(service.requests.map(\.token) == ["token-1", "token-2"])
        let refusing = try await ScriptedService { _, _ in .say(401, "<html>no</html>", type: "text/html") }
        #expect(
            await failure { () async throws(OpenStackError) in try await cloud(refusing).server("s1") }?.kind
                == .unknownCredential
        )
        #expect(refusing.requests.count == 2)
    }

    @Test("an error in HTML is known by its status, and its text is not repeated")
    func html() async throws {
        let service = try await ScriptedService { _, _ in .say(404, "<html><h1>gone</h1></html>", type: "text/html") }
        let error = await failure { () async throws(OpenStackError) in try await cloud(service).image("x") }
        #expect(error == OpenStackError(.notFound, status: 404, "HTTP status 404"))
    }

    @Test("what changes something is sent once, whether the connection is cut or the answer is 5xx")
    func changing() async throws {
        for answer in [ScriptedService.Answer.cut, .say(500, "{}"), .say(503, "<html>", type: "text/html")] {
            let service = try await ScriptedService { _, _ in answer }
            let error = await failure { () async throws(OpenStackError) in
                try await cloud(service).createSnapshot(of: "v", name: "n", metadata: [:])
            }
            #expect(error?.leavesDoubt == true)
            #expect(service.requests.count == 1)
        }
    }

    @Test("what changes nothing is asked again after a cut connection or 5xx, and not for ever")
    func looking() async throws {
        let service = try await ScriptedService { number, _ in
            [.cut, .say(502, ""), .say(200, Self.server)][min(number, 2)]
        }
        #expect(try await cloud(service).server("s1").id == "s1")
        #expect(service.requests.count == 3)
        let broken = try await ScriptedService { _, _ in .cut }
        #expect(
            await failure { () async throws(OpenStackError) in try await cloud(broken).server("s") }?.kind
                == .lostAnswer
        )
        #expect(broken.requests.count == 3)
    }

    @Test("a slow answer ends with its time limit, and its request is in doubt")
    func slow() async throws {
        let service = try await ScriptedService { _, _ in .hang }
        let cloud = cloud(service)
        let request = CloudRequest(.post, .compute, "/servers", body: [], timeLimit: .milliseconds(300))
        #expect(await failure { () async throws(OpenStackError) in try await cloud.send(request) }?.kind == .lostAnswer)
        #expect(service.requests.count == 1)
    }

    @Test("a cancelled request ends at once")
    func cancelled() async throws {
        let (signals, begun) = AsyncStream<Void>.makeStream()
        let service = try await ScriptedService { _, _ in
            begun.yield()
            return .hang
        }
        let cloud = cloud(service)
        let task = Task { await failure { () async throws(OpenStackError) in try await cloud.server("s1") } }
        for await _ in signals { break }
        task.cancel()
        #expect(await task.value?.kind == .cancelled)
    }

    @Test("an exceeded quota is recognised, whatever its status, and the call is not repeated")
    func quota() async throws {
        let over = #"{"overLimit": {"code": 413, "message": "SnapshotLimitExceeded", "retryAfter": "0"}}"#
        let forbidden = #"{"forbidden": {"code": 403, "message": "Quota exceeded for resources: snapshots"}}"#
        for (status, body) in [(413, over), (403, forbidden)] {
            let service = try await ScriptedService { _, _ in .say(status, body) }
            let error = await failure { () async throws(OpenStackError) in
                try await cloud(service).createSnapshot(of: "v", name: "n", metadata: [:])
            }
            #expect(error?.kind == .overLimit)
            #expect(service.requests.count == 1)
        }
    }

    @Test("a refusal is not repeated, whether it changes something or not", arguments: [400, 403, 404, 409, 413])
    func refusal(_ status: Int) async throws {
        let service = try await ScriptedService { _, _ in .say(status, "{}") }
        let cloud = cloud(service)
        _ = await failure { () async throws(OpenStackError) in try await cloud.server("s1") }
        _ = await failure { () async throws(OpenStackError) in try await cloud.deleteServer("s1") }
        #expect(service.requests.map(\.line) == ["GET /compute/servers/s1", "DELETE /compute/servers/s1"])
    }

    @Test("no service: nothing was sent")
    func unreachable() async throws {
        let access = CloudAccess(authURL: "http://127.0.0.1:1/v3", credentialID: "i", secret: CloudSecret("s"))
        let cloud = OpenStackCloud(access, pauses: [])
        #expect(await failure { () async throws(OpenStackError) in try await cloud.server("s") }?.kind == .unreachable)
    }

    @Test("rows of another key are left out, where a cloud does not know the filter")
    func filter() async throws {
        let row = { @Sendable (id: String, key: String) in
            """
            {"id": "\(id)", "status": "available", "size": 1, "volume_id": "v", "created_at": "t",
             "metadata": {"key": "\(key)"}}
            """
        }
        let service = try await ScriptedService { number, _ in
            .say(200, #"{"snapshots": [\#(number == 0 ? row("a", "x") + "," + row("b", "y") : "")]}"#)
        }
        let found = try await cloud(service).snapshots(with: ["key": "x"])
        #expect(found.map(\.id) == ["a"])
        #expect(service.requests[0].line.contains("metadata=%7B%22key%22%3A%22x%22%7D"))
    }

    @Test("a list is read page by page, and is unknown when the row between two pages was deleted")
    func pages() async throws {
        let row = { @Sendable (id: String, links: String) in
            #"{"snapshots": [{"id": "\#(id)", "status": "available", "size": 1, "volume_id": "v", "metadata": {}, "#
                + #""created_at": "t"}]\#(links)}"#
        }
        let more = #", "snapshots_links": [{"rel": "next", "href": "x"}]"#
        let service = try await ScriptedService { _, request in
            .say(200, request.line.contains("marker=s1") ? row("s2", "") : row("s1", more))
        }
        #expect(try await cloud(service).snapshots(with: [:]).map(\.id) == ["s1", "s2"])
        #expect(service.requests.count == 2 && service.requests.allSatisfy { $0.line.contains("limit=500") })
        let changing = try await ScriptedService { _, request in
            request.line.contains("marker=") ? .say(404, "{}") : .say(200, row("s1", more))
        }
        let error = await failure { () async throws(OpenStackError) in
            try await cloud(changing).snapshots(with: [:])
        }
        #expect(error?.kind == .malformed)
    }

    @Test("another project's image of the same properties is not ours")
    func shared() async throws {
        let row = { @Sendable (id: String, owner: String) in
            #"{"id": "\#(id)", "status": "active", "owner": "\#(owner)", "k": "v"}"#
        }
        let service = try await ScriptedService { number, _ in
            .say(200, #"{"images": [\#(number == 0 ? row("a", "p1") + "," + row("b", "p2") : "")]}"#)
        }
        #expect(try await cloud(service).images(with: ["k": "v"]).map(\.id) == ["a"])
    }
}

@Suite("clouds.yaml is read as OpenStack's tools read it")
struct CloudsFileTests {
    private static let file = """
        clouds:
          lab:
            auth_type: v3applicationcredential
            region_name: one
            auth:
              auth_url: https://cloud.example.org:5000
              application_credential_id: 0123
              application_credential_secret: s3cret-words
        """

    private func problem(_ text: String, cloud: String? = nil) -> String? {
        do throws(CloudsFile.Problem) {
            _ = try CloudsFile.access(in: text, cloud: cloud)
            return nil
        } catch { return error.text }
    }

    @Test("its only cloud needs no name, and its secret is in nothing that prints")
    func access() throws {
        let access = try CloudsFile.access(in: Self.file, cloud: nil)
        #expect(access.authURL == "https://cloud.example.org:5000/v3" && access.region == "one")
        #expect(access.credentialID == "0123" && access.secret.text == "s3cret-words")
        var dumped = ""
        dump(access, to: &dumped)
        #expect(!"\(access)".contains("s3cret") && !dumped.contains("s3cret"))
        #expect(try CloudsFile.access(in: Self.file, cloud: "lab", region: "two").region == "two")
    }

    @Test(
        "what cannot be used is refused, without repeating a value",
        arguments: [
            ("v3applicationcredential", "v3password", "auth_type"), ("https://", "ftp://", "auth_url"),
            ("region_name: one", "verify: false", "verify"), ("region_name: one", "interface: moon", "interface"),
            ("application_credential_secret", "password", "application_credential_secret"),
            ("clouds:", "cloud:", "clouds"),
        ]
    )
    func refused(_ word: String, _ other: String, _ named: String) {
        let said = problem(Self.file.replacing(word, with: other))
        #expect(said?.contains(named) == true)
        #expect(said?.contains("s3cret") != true)
    }

    @Test("an address in it is used instead of the catalog's")
    func addresses() async throws {
        let service = try await ScriptedService { _, _ in .say(200, #"{"volumes": []}"#) }
        let text = """
            clouds:
              lab:
                volume_endpoint_override: \(service.address)/mine/%(project_id)s/
                auth: {auth_url: "\(service.address)", application_credential_id: i, application_credential_secret: s}
            """
        let cloud = OpenStackCloud(try CloudsFile.access(in: text, cloud: nil))
        #expect(try await cloud.volumes(with: [:]).isEmpty)
        #expect(service.requests.first?.line.hasPrefix("GET /mine/p1/volumes/detail") == true)
        #expect(problem(text.replacing("volume_endpoint_override: http", with: "volume_endpoint_override: ftp")) != nil)
    }

    @Test("a cloud that is not in it is refused")
    func missing() { #expect(problem(Self.file, cloud: "moon") != nil) }
}
