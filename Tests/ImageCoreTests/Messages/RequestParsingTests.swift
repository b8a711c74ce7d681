import Testing

@testable import ImageCore

/// Good requests, and what they mean.
struct RequestParsingTests {
    private func create(_ body: String, messageID: String? = nil, contentType: String = "application/json") throws
        -> CreateRequest
    {
        let request = try Request.parse(.create, contentType: contentType, messageID: messageID, body: Array(body.utf8))
        guard case .create(let create) = request else {
            throw UnusableRequest(rejection: Rejection(.internal, "not a create"))
        }
        return create
    }

    @Test("The contract's example is understood, every field of it")
    func everyField() throws {
        let expected = CreateRequest(
            requestID: Sample.requestID,
            owner: Sample.owner,
            instanceID: Sample.instanceID,
            name: "web-golden",
            details: "nginx 1.27",
            dataDisks: .chosen([
                .init(device: Sample.device(1)), .init(device: Sample.device(2), sizeGiB: 40, autoDelete: true),
            ]),
            replicateTo: Array(Sample.locations.prefix(2)),
            guestChecks: .warn,
            labels: ["team": "web"]
        )
        #expect(try create(RefusalCase.valid(with: "name", #""web-golden""#)) == expected)
    }

    @Test(
        "What may be left out has a default, and null is the same as left out",
        arguments: [
            "", #", "description": null, "dataDisks": null, "replicateTo": null, "guestChecks": null, "labels": null"#,
        ]
    )
    func defaults(_ rest: String) throws {
        let request = try create(
            #"{"requestId": "req-1", "owner": "acct-42", "instanceId": "i-web1", "name": "web"\#(rest)}"#
        )
        #expect(request.details == "")
        #expect(request.dataDisks == .chosen([]))
        #expect(request.replicateTo == nil)
        #expect(request.guestChecks == .warn)
        #expect(request.labels == [:])
    }

    @Test(
        "A JSON content type may say more",
        arguments: [
            "application/json; charset=utf-8", "application/json;charset=utf-8", "Application/JSON",
            "application/json ; charset=utf-8",
        ]
    )
    func contentTypes(_ type: String) throws {
        #expect(try create(RefusalCase.valid(with: "name", #""web""#), contentType: type).name == "web")
    }

    @Test(
        "Letters of every script make a name",
        arguments: [
            "ab", "名前", "образ-1", "صورة", "छवि", "ไฟล์", "イメージ", "이미지", "Å.b_c-9", "e\u{301}e", "תמונה", "ǅǈ", "٣٤",
            String(repeating: "字", count: 32), "..", "--",
        ]
    )
    func names(_ name: String) throws {
        #expect(try create(RefusalCase.valid(with: "name", "\"\(name)\"")).name == name)
    }

    @Test("The longest of everything fits")
    func longest() throws {
        let text = String(repeating: "d", count: 255) + "\n"
        #expect(try create(RefusalCase.valid(with: "description", #""\#(text.dropLast())\n""#)).details == text)
        let wide = String(repeating: "漢", count: 256)
        #expect(try create(RefusalCase.valid(with: "description", "\"\(wide)\"")).details == wide)
        let labels =
            "{" + (0..<32).map { #""l\#($0)": "\#(String(repeating: "字", count: 63))""# }.joined(separator: ", ") + "}"
        #expect(try create(RefusalCase.valid(with: "labels", labels)).labels.count == 32)
        let disks = (1...64).map { #"{"device": "\#(Sample.device($0))", "sizeGiB": 1048576}"# }.joined(separator: ",")
        guard case .chosen(let chosen) = try create(RefusalCase.valid(with: "dataDisks", "[\(disks)]")).dataDisks
        else { return #expect(Bool(false), "not a list") }
        #expect(chosen.map(\.device.position) == Array(1...64))
    }

    @Test("\"all\" is the whole machine")
    func wholeMachine() throws {
        #expect(try create(RefusalCase.valid(with: "dataDisks", #""all""#)).dataDisks == .all)
    }

    @Test("A whole number may be written with a fraction of nothing", arguments: ["40", "40.0", "4e1"])
    func wholeNumbers(_ number: String) throws {
        let body = RefusalCase.valid(with: "dataDisks", #"[{"device": "/dev/vdb", "sizeGiB": \#(number)}]"#)
        #expect(try create(body).dataDisks == .chosen([.init(device: Sample.device(1), sizeGiB: 40)]))
    }

    @Test("The message's id stands in for a missing request id, and never overrules one")
    func requestIDs() throws {
        #expect(try create(RefusalCase.valid(with: "requestId", nil), messageID: "m-1").requestID.text == "m-1")
        #expect(try create(RefusalCase.valid(with: "requestId", #""r-1""#), messageID: "m-1").requestID.text == "r-1")
    }

    @Test("A field that stands twice has one meaning, not two")
    func duplicateKeys() throws {
        let body = #"{"owner": "acct-42", "owner": "other", "requestId": "r", "instanceId": "i", "name": "web"}"#
        let owners = Set((0..<50).map { _ in try? create(body).owner })
        #expect(owners.count == 1)
    }

    @Test("A cancellation names its image, and nothing else")
    func cancellation() throws {
        let parse = { (body: String) throws(UnusableRequest) -> Request in
            try Request.parse(.cancel, contentType: "application/json", messageID: nil, body: Array(body.utf8))
        }
        let cancel = ImageRequest(requestID: Sample.requestID, owner: Sample.owner, imageID: Sample.imageID)
        #expect(
            try parse(#"{"requestId": "req-1", "owner": "acct-42", "imageId": "img-0123456789abcdef"}"#)
                == .cancel(cancel)
        )
        for (rest, field) in [
            ("", "imageId"), (#", "imageId": "../x""#, "imageId"), (#", "imageId": "i", "force": true"#, "force"),
        ] {
            let error = #expect(throws: UnusableRequest.self) {
                try parse(#"{"requestId": "r", "owner": "o"\#(rest)}"#)
            }
            #expect(error?.rejection.field == field)
        }
    }

    @Test("Requests are the same when they ask for the same, however they are spelt")
    func fingerprints() throws {
        let asked = Request.create(try create(RefusalCase.valid(with: "name", #""web""#))).fingerprint
        let spelt = Request.create(
            try create("  " + RefusalCase.valid(with: "owner", #""acct\u002d42""#).replacing("web-golden", with: "web"))
        ).fingerprint
        let other = Request.create(try create(RefusalCase.valid(with: "name", #""web2""#))).fingerprint
        #expect(asked == spelt)
        #expect(asked != other)
        #expect(asked.hasPrefix("image.create {"))
    }
}
