import FoundationEssentials
import GoldsmithTestSupport
import Testing

@Suite("The contract with upstream, over a real broker", .serialized, .timeLimit(.minutes(30)))
struct ContractTests {
    /// One request that must be refused.
    struct Bad: Sendable {
        var name: String
        var body: String
        var contentType: String? = "application/json"
        var code: String
        var field: String?
        /// Whether the sender is unknown: then the message itself is kept for a human.
        var isParked = false
    }

    static func request(_ changes: String, id: String = UUID().uuidString, instance: String = "i-good") -> String {
        #"{"requestId": "\#(id)", "owner": "local", "instanceId": "\#(instance)"\#(changes)}"#
    }

    static let named = #", "name": "web-golden""#

    static let bad: [Bad] = [
        Bad(name: "not JSON", body: "make me an image", code: "INVALID_ARGUMENT", field: "body", isParked: true),
        Bad(name: "half of it", body: #"{"owner": "local", "#, code: "INVALID_ARGUMENT", field: "body", isParked: true),
        Bad(
            name: "a comma too many",
            body: #"{"requestId": "r", "owner": "local",}"#,
            code: "INVALID_ARGUMENT",
            field: "body",
            isParked: true
        ),
        Bad(name: "nothing at all", body: "", code: "INVALID_ARGUMENT", field: "body", isParked: true),
        Bad(name: "a list", body: "[]", code: "INVALID_ARGUMENT", field: "body", isParked: true),
        Bad(
            name: "wrong content type",
            body: request(named),
            contentType: "text/plain",
            code: "INVALID_ARGUMENT",
            field: "content_type",
            isParked: true
        ),
        Bad(
            name: "no content type",
            body: request(named),
            contentType: nil,
            code: "INVALID_ARGUMENT",
            field: "content_type",
            isParked: true
        ),
        Bad(
            name: "no owner",
            body: #"{"requestId": "r", "instanceId": "i-good", "name": "web"}"#,
            code: "INVALID_ARGUMENT",
            field: "owner",
            isParked: true
        ),
        Bad(
            name: "unknown field",
            body: request(named + #", "replicteTo": ["east"]"#),
            code: "INVALID_ARGUMENT",
            field: "replicteTo"
        ),
        Bad(
            name: "unknown field inside",
            body: request(named + #", "dataDisks": [{"device": "/dev/vdb", "sizeGB": 3}]"#),
            code: "INVALID_ARGUMENT",
            field: "dataDisks[0].sizeGB"
        ),
        Bad(name: "missing name", body: request(""), code: "INVALID_ARGUMENT", field: "name"),
        Bad(
            name: "over-long name",
            body: request(#", "name": "\#(String(repeating: "n", count: 33))""#),
            code: "OUT_OF_RANGE",
            field: "name"
        ),
        Bad(name: "bad characters", body: request(#", "name": "web golden""#), code: "INVALID_ARGUMENT", field: "name"),
        Bad(name: "a path as name", body: request(#", "name": "../web""#), code: "INVALID_ARGUMENT", field: "name"),
        Bad(
            name: "unknown instance",
            body: request(named, instance: "i-nobody"),
            code: "NOT_FOUND",
            field: "instanceId"
        ),
        Bad(name: "another owner's", body: request(named, instance: "i-other"), code: "NOT_FOUND", field: "instanceId"),
        Bad(
            name: "running",
            body: request(named, instance: "i-running"),
            code: "FAILED_PRECONDITION",
            field: "instanceId"
        ),
        Bad(
            name: "path trick",
            body: request(named, instance: "../i-good"),
            code: "INVALID_ARGUMENT",
            field: "instanceId"
        ),
        Bad(name: "option trick", body: request(named, instance: "-rf"), code: "INVALID_ARGUMENT", field: "instanceId"),
        Bad(
            name: "NUL",
            body: request(named, instance: #"i\u0000good"#),
            code: "INVALID_ARGUMENT",
            field: "instanceId"
        ),
        Bad(
            name: "newline",
            body: request(named, instance: #"i-good\n"#),
            code: "INVALID_ARGUMENT",
            field: "instanceId"
        ),
        Bad(
            name: "device not attached",
            body: request(named + #", "dataDisks": [{"device": "/dev/vdz"}]"#),
            code: "NOT_FOUND",
            field: "dataDisks[0].device"
        ),
        Bad(
            name: "device asked twice",
            body: request(named + #", "dataDisks": [{"device": "/dev/vdb"}, {"device": "/dev/vdb"}]"#),
            code: "DUPLICATE",
            field: "dataDisks[1].device"
        ),
        Bad(
            name: "the system disk among the data disks",
            body: request(named + #", "dataDisks": [{"device": "/dev/vda"}]"#),
            code: "INVALID_ARGUMENT",
            field: "dataDisks[0].device"
        ),
        Bad(
            name: "1,000 disks",
            body: request(
                named + #", "dataDisks": ["#
                    + Array(repeating: #"{"device": "/dev/vdb"}"#, count: 1000).joined(separator: ",") + "]"
            ),
            code: "OUT_OF_RANGE",
            field: "dataDisks"
        ),
        Bad(
            name: "unknown location",
            body: request(named + #", "replicateTo": ["east", "mars"]"#),
            code: "NOT_FOUND",
            field: "replicateTo[1]"
        ),
        Bad(
            name: "repeated location",
            body: request(named + #", "replicateTo": ["east", "east"]"#),
            code: "DUPLICATE",
            field: "replicateTo[1]"
        ),
        Bad(
            name: "a disk too small",
            body: request(named + #", "dataDisks": [{"device": "/dev/vdb", "sizeGiB": 0}]"#),
            code: "OUT_OF_RANGE",
            field: "dataDisks[0].sizeGiB"
        ),
        Bad(
            name: "guest checks of another kind",
            body: request(named + #", "guestChecks": "repair""#),
            code: "INVALID_ARGUMENT",
            field: "guestChecks"
        ),
        Bad(
            name: "disk file missing",
            body: request(named, instance: "i-missing"),
            code: "NOT_FOUND",
            field: "instanceId"
        ),
    ]

    @Test("every bad request gets its code and its field, nothing is stuck, and nothing is lost")
    func badRequests() async throws {
        try await withContract { dev, upstream in
            for bad in Self.bad {
                let answer = try await upstream.ask(Array(bad.body.utf8), contentType: bad.contentType)
                #expect(answer?.status == "rejected", "\(bad.name): \(String(describing: answer))")
                #expect(answer?.code == bad.code, "\(bad.name): \(String(describing: answer))")
                #expect(answer?.field == bad.field, "\(bad.name): \(String(describing: answer))")
            }
            let parked = Self.bad.count { $0.isParked }
            let isKept = await eventually {
                let deadLetters = try? await dev.json([ShownDeadLetter].self, "parked", "list")
                return deadLetters?.count == parked
            }
            #expect(isKept)
            let queues = try await dev.json([ShownQueue].self, "queue", "list")
            #expect(queues.first { $0.name == "goldsmith.parked" }?.ready == 0)
            #expect(queues.first { $0.name == "goldsmith.intake" }?.ready == 0)
            #expect(try await dev.json(ShownQuota.self, "quota", "show").used == .init(images: 0, snapshots: 0))
            #expect(try await dev.json([ShownImage].self, "image", "list").isEmpty)
            #expect(try await upstream.ask(Self.request(Self.named))?.status == "accepted")
        }
    }

    @Test("the same request twice at once, and again after the end, is one image and one answer")
    func sameRequest() async throws {
        try await withContract { dev, upstream in
            let body = Self.request(Self.named, id: "same-1")
            async let first = upstream.ask(body)
            async let second = upstream.ask(body)
            let answers = try await [first, second]
            #expect(answers[0]?.status == "accepted")
            #expect(answers[0] == answers[1])
            let id = try #require(answers[0]?.imageId)
            #expect(try await dev.run("image", "watch", id).code == 0)
            #expect(try await upstream.ask(body) == answers[0], "the first answer, also after the end")
            #expect(try await dev.json([ShownImage].self, "image", "list").count == 1)

            let other = try await upstream.ask(Self.request(#", "name": "another""#, id: "same-1"))
            #expect(other?.code == "CONFLICT")
            #expect(other?.field == "requestId")
        }
    }

    @Test("of two requests racing for the last place one is accepted and one gets QUOTA_EXCEEDED")
    func quotaRace() async throws {
        try await withContract { dev, upstream in
            _ = try await dev.run("quota", "set", "--images", "1")
            async let first = upstream.ask(Self.request(Self.named))
            async let second = upstream.ask(Self.request(Self.named))
            let answers = try await [first, second]
            #expect(
                answers.map { $0?.code ?? $0?.status }.sorted { ($0 ?? "") < ($1 ?? "") } == [
                    "QUOTA_EXCEEDED", "accepted",
                ]
            )
            #expect(try await dev.json(ShownQuota.self, "quota", "show").used.images == 1)
        }
    }

    @Test("two images of one instance wait for each other and both become Available")
    func lockedInstance() async throws {
        try await withContract(copyRate: 8) { dev, upstream in
            let answers = [
                try await upstream.ask(Self.request(Self.named)), try await upstream.ask(Self.request(Self.named)),
            ]
            for answer in answers {
                #expect(try await dev.run("image", "watch", try #require(answer?.imageId)).code == 0)
            }
        }
    }

    @Test("a disk that is corrupt, or being written, or backed by a file elsewhere ends in Error with its reason")
    func badDisks() async throws {
        try await withContract { dev, upstream in
            let disk = dev.data + "/instances/i-good/vdb.qcow2"
            let request = { Self.request(Self.named + #", "dataDisks": [{"device": "/dev/vdb"}]"#) }
            try await withWriter(of: disk, format: "qcow2") {
                let image = try await fails(try await upstream.ask(request()), dev)
                #expect(image.failure?.code == "FAILED_PRECONDITION")
                #expect(image.failure?.message.contains("/dev/vdb") == true)
                #expect(image.failure?.message.contains("being written") == true)
            }
            let whole = URL(fileURLWithPath: disk)
            var bytes = try Data(contentsOf: whole)
            bytes.replaceSubrange(0..<512, with: [UInt8](repeating: 0, count: 512))
            try bytes.write(to: whole)
            let damaged = try await upstream.ask(request())
            #expect(damaged?.code == "FAILED_PRECONDITION", "\(String(describing: damaged))")
            #expect(damaged?.message?.contains("/dev/vdb of instance i-good is not in the format qcow2") == true)
            #expect(damaged?.message?.contains(dev.data) == false, "no path of the host")
            _ = try await DriverScratch.run(
                "/usr/bin/qemu-img",
                ["create", "-q", "-f", "qcow2", "-b", "/etc/hostname", "-F", "raw", disk]
            )
            let answer = try await upstream.ask(request())
            if answer?.status == "rejected" {
                #expect(answer?.code == "FAILED_PRECONDITION", "\(String(describing: answer))")
            } else {
                #expect(try await fails(answer, dev).failure?.code == "FAILED_PRECONDITION")
            }
            #expect(dev.leftovers.isEmpty)
        }
    }

    /// Waits until an accepted request has failed and is cleaned up.
    private func fails(_ answer: Upstream.Answer?, _ dev: Dev) async throws -> ShownImage {
        let id = try #require(answer?.imageId, "\(String(describing: answer))")
        #expect(try await dev.run("image", "watch", id).code == 1)
        let image = try await dev.json(ShownImage.self, "image", "show", id)
        #expect(image.status == "Error")
        #expect(image.failure?.cleanUp == "done")
        return image
    }

    private func withContract(
        copyRate: Int? = nil,
        _ body: @Sendable (Dev, Upstream) async throws -> Void
    ) async throws {
        try await Dev.with(workers: 2, copyRate: copyRate) { dev in
            let facts = try #require(dev.facts)
            _ = try await dev.run("instance", "sample", "--id", "i-good", "--data-disks", "1", "--mib", "8")
            _ = try await dev.run("instance", "sample", "--id", "i-running", "--status", "Running", "--mib", "1")
            _ = try await dev.run("instance", "sample", "--id", "i-other", "--owner", "acct-7", "--mib", "1")
            _ = try await dev.run("instance", "sample", "--id", "i-missing", "--mib", "1")
            try FileManager.default.removeItem(atPath: dev.data + "/instances/i-missing/vda.qcow2")
            let upstream = try await Upstream(facts.amqpUrl)
            do {
                try await body(dev, upstream)
            } catch {
                await upstream.close()
                throw error
            }
            await upstream.close()
        }
    }
}
