import Testing

@testable import ImageCore

/// Every bad request is refused with a code, and with the field that is to blame.
struct RequestRefusalTests {
    @Test("What is not a request is refused", arguments: RequestTables.notRequests)
    func notRequests(_ example: RefusalCase) { expectRefusal(example) }

    @Test("An identifier can never be a path, an option or a second word", arguments: RequestTables.identifiers)
    func identifiers(_ example: RefusalCase) { expectRefusal(example) }

    @Test("A name has 2 to 32 visible letters, digits, '_', '-' or '.'", arguments: RequestTables.names)
    func names(_ example: RefusalCase) { expectRefusal(example) }

    @Test("Data disks are \"all\" or a list of different data disks", arguments: RequestTables.dataDisks)
    func dataDisks(_ example: RefusalCase) { expectRefusal(example) }

    @Test("Every other field has its rule", arguments: RequestTables.others)
    func others(_ example: RefusalCase) { expectRefusal(example) }

    @Test("An unknown field is an error that names it", arguments: RequestTables.unknownFields)
    func unknownFields(_ example: RefusalCase) { expectRefusal(example) }

    private func expectRefusal(_ example: RefusalCase) {
        let rejection = refusal(of: example.body)?.rejection
        #expect(rejection?.code == example.code)
        #expect(rejection?.field == example.field)
        #expect(
            (1...500).contains(rejection?.message.utf8.count ?? 0),
            "a message a person can read: \(rejection?.message ?? "none")"
        )
    }

    @Test(
        "Only JSON is taken",
        arguments: [
            nil, "", "text/plain", "application/jsonx", "application/cloudevents+json", ";",
            "application/json, text/plain",
        ]
    )
    func contentTypes(_ type: String?) {
        let refused = refusal(of: RefusalCase.valid(with: "name", #""web""#), contentType: type)
        #expect(refused?.rejection.field == "content_type")
    }

    @Test(
        "A key that stands twice is refused, and with two owners or two request ids it is nobody's request",
        arguments: [
            (#""name": "a2", "name": "b2""#, "name", true), (#""labels": {"x": "1", "x": "2"}"#, "x", true),
            (#""owner": "acct-43""#, "owner", false), (#""\u006fwner": "acct-43""#, "owner", false),
            (#""requestId": "r2""#, "requestId", false),
        ]
    )
    func repeated(_ fields: String, _ field: String, _ isSomebodys: Bool) {
        let body = #"{"owner": "acct-42", "requestId": "r1", "instanceId": "i-1", \#(fields)}"#
        let refused = refusal(of: Array(body.utf8))
        #expect(refused?.rejection.code == .invalidArgument)
        #expect(refused?.rejection.field == field)
        #expect((refused?.identity != nil) == isSomebodys)
    }

    @Test("A body that is too large is not looked at")
    func tooLarge() {
        let spaces = [UInt8](repeating: 32, count: Request.maximumBodyBytes + 1)
        #expect(refusal(of: spaces)?.rejection.field == "body")
        #expect(refusal(of: spaces)?.rejection.message.contains("262145") == true)
    }

    @Test(
        "Text that is not UTF-8 is refused",
        arguments: [[0xFF], [0xC3, 0x28], [0xED, 0xA0, 0x80], [0xF8, 0x88]] as [[UInt8]]
    )
    func notUTF8(_ bytes: [UInt8]) {
        let body =
            Array(#"{"owner": "acct-42", "requestId": "r", "name": "web"#.utf8) + bytes
            + Array(#"", "instanceId": "i"}"#.utf8)
        #expect(refusal(of: body)?.rejection.code == .invalidArgument)
    }

    @Test("Who asked is known as soon as owner and request id are sound, so that the answer can be recorded")
    func identity() {
        let bad = RefusalCase.valid(with: "name", "1")
        #expect(refusal(of: bad)?.identity == RequestIdentity(owner: Sample.owner, requestID: Sample.requestID))
        #expect(refusal(of: RefusalCase.valid(with: "owner", "1"))?.identity == nil)
        #expect(refusal(of: RefusalCase.valid(with: "requestId", nil))?.rejection.field == "requestId")
        #expect(refusal(of: "{}")?.identity == nil)
    }

    @Test("Of several bad labels every worker finds the same one first")
    func firstLabel() {
        let labels = (10..<30).map { #""l\#($0)": 1"# }.joined(separator: ",")
        #expect(refusal(of: RefusalCase.valid(with: "labels", "{\(labels)}"))?.rejection.field == "labels.l10")
    }

    @Test("An unknown field's name is shown without what cannot be seen")
    func invisibleNames() {
        let body = RefusalCase.valid(with: #"a\u202e\u0085\u2028\u200bb"#, "1")
        #expect(refusal(of: body)?.rejection.field == "ab")
    }

    @Test("An unknown field's name is shown bounded, and without control characters")
    func shownNames() {
        let field = refusal(of: RefusalCase.valid(with: #"\u001b[31m"# + String(repeating: "x", count: 9_999), "1"))?
            .rejection.field
        #expect(field?.hasPrefix("[31mxxx") == true)
        #expect(field?.count == 64)
    }
}

func refusal(of body: String, contentType: String? = "application/json") -> UnusableRequest? {
    refusal(of: Array(body.utf8), contentType: contentType)
}

func refusal(of body: [UInt8], contentType: String? = "application/json") -> UnusableRequest? {
    do {
        _ = try Request.parse(.create, contentType: contentType, messageID: nil, body: body)
        return nil
    } catch {
        return error
    }
}
