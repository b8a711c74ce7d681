import Testing

@testable import ImageCore

/// What a body with something wrong in it is answered with. `body` is JSON put into a valid request's place.
struct RefusalCase: CustomTestStringConvertible {
    var what: String
    var body: String
    var code: ErrorCode
    var field: String

    init(_ what: String, _ body: String, _ code: ErrorCode = .invalidArgument, _ field: String) {
        (self.what, self.body, self.code, self.field) = (what, body, code, field)
    }

    /// A valid request with one field set to other JSON, or left out when `json` is `nil`.
    init(_ field: String, _ json: String?, _ code: ErrorCode = .invalidArgument, at path: String? = nil) {
        let shown = json.map { $0.count > 60 ? "\($0.prefix(60))…" : $0 } ?? "left out"
        self.init("\(field): \(shown)", Self.valid(with: field, json), code, path ?? field)
    }

    var testDescription: String { what }

    static let validFields: [(String, String)] = [
        ("requestId", #""req-1""#), ("owner", #""acct-42""#), ("instanceId", #""i-web1""#), ("name", #""web-golden""#),
        ("description", #""nginx 1.27""#),
        ("dataDisks", #"[{"device": "/dev/vdb"}, {"device": "/dev/vdc", "sizeGiB": 40, "autoDelete": true}]"#),
        ("replicateTo", #"["east", "west"]"#), ("guestChecks", #""warn""#), ("labels", #"{"team": "web"}"#),
    ]

    static func valid(with field: String, _ json: String?) -> String {
        var fields = validFields.filter { $0.0 != field }
        if let json { fields.append((field, json)) }
        return "{" + fields.map { #""\#($0.0)": \#($0.1)"# }.joined(separator: ", ") + "}"
    }
}

enum RequestTables {
    static let notRequests: [RefusalCase] = [
        .init("nothing", "", .invalidArgument, "body"), .init("a word", "hello", .invalidArgument, "body"),
        .init("half an object", #"{"owner": "#, .invalidArgument, "body"),
        .init("null", "null", .invalidArgument, "body"), .init("a list", "[]", .invalidArgument, "body"),
        .init("a string", #""image""#, .invalidArgument, "body"), .init("a number", "1", .invalidArgument, "body"),
        .init("NaN", #"{"owner": NaN}"#, .invalidArgument, "body"),
        .init("Infinity", #"{"owner": Infinity}"#, .invalidArgument, "body"),
        .init("a number no machine holds", #"{"owner": 1e999}"#, .invalidArgument, "body"),
        .init("two values", "{} {}", .invalidArgument, "body"),
        .init("100,000 brackets", String(repeating: "[", count: 100_000), .invalidArgument, "body"),
        .init(
            "100,000 whole brackets",
            String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
            .invalidArgument,
            "body"
        ),
        .init("50,000 nested objects", String(repeating: #"{"a":"#, count: 50_000), .invalidArgument, "body"),
        .init("nothing in it", "{}", .invalidArgument, "owner"),
    ]

    static let identifiers: [RefusalCase] =
        ["owner", "instanceId"].flatMap { field in
            [
                nil, "null", "1", "true", "[]", "{}", #""""#, #"" ""#, #""../etc""#, #""..""#, #"".hidden""#, #""-rf""#,
                #""_a""#,
                #""a/b/c""#, #""/a""#, #""a/""#, #""a\u0000b""#, #""a\nb""#, #""a b""#, #""a\\b""#, #""ä""#,
                #""a\u202eb""#, #""a;b""#,
                #""a#""#, #""*""#,
                "\"\(String(repeating: "a", count: 64))\"",
            ].map { RefusalCase(field, $0) }
        } + [RefusalCase("owner", #""acct.42""#), RefusalCase("owner", #""a.image.error""#)]

    static let names: [RefusalCase] = [
        .init("name", nil), .init("name", "null"), .init("name", "7"), .init("name", #"["web"]"#),
        .init("name", #""""#, .outOfRange), .init("name", #""a""#, .outOfRange), .init("name", #""é""#, .outOfRange),
        .init("name", #""e\u0301""#, .outOfRange),
        .init("name", "\"\(String(repeating: "a", count: 33))\"", .outOfRange),
        .init("name", "\"ab\(String(repeating: "\u{301}", count: 200))\"", .outOfRange),
        .init("name", #""web golden""#), .init("name", #""web/golden""#), .init("name", #""web\u0000""#),
        .init("name", #""web\n""#), .init("name", #""web\u007f""#), .init("name", #""web\u202egolden""#),
        .init("name", #""web😀""#), .init("name", #""🅰️🅱️""#), .init("name", #""👨‍👩‍👧ab""#), .init("name", #""🇩🇪de""#),
        .init("name", #""1️⃣2️⃣""#), .init("name", #""a<b>""#), .init("name", #""a\"b""#), .init("name", #""½½""#),
        .init("name", #""ab\u200b""#), .init("name", "\"ab\u{115F}\u{115F}\u{115F}\""), .init("name", #""ab\ufe0f""#),
    ]

    static let others: [RefusalCase] = [
        .init("requestId", "1"), .init("requestId", #""""#), .init("requestId", #""a b""#), .init("requestId", #""ü""#),
        .init("requestId", "\"\(String(repeating: "r", count: 129))\""),
        .init("description", "1"), .init("description", "\"\(String(repeating: "d", count: 257))\"", .outOfRange),
        .init("description", "\"d\(String(repeating: "\u{301}", count: 5_000))\"", .outOfRange),
        .init("description", #""a\u0000b""#), .init("description", #""a\u001b[31m""#), .init("description", #""a\rb""#),
        .init("guestChecks", #""""#), .init("guestChecks", #""Warn""#), .init("guestChecks", "true"),
        .init("guestChecks", "1"),
        .init("labels", "[]"), .init("labels", #""team=web""#), .init("labels", #"{"": "a"}"#),
        .init("labels", #"{"a b": "c"}"#),
        .init("labels", #"{"team": 1}"#, at: "labels.team"), .init("labels", #"{"team": null}"#, at: "labels.team"),
        .init("labels", #"{"team": "a\nb"}"#, at: "labels.team"),
        .init("labels", #"{"team": "\#(String(repeating: "x", count: 64))"}"#, at: "labels.team"),
        .init("labels", #"{"team": "x\#(String(repeating: "\u{301}", count: 5_000))"}"#, at: "labels.team"),
        .init("labels", "{" + (0...32).map { #""l\#($0)": """# }.joined(separator: ", ") + "}", .outOfRange),
        .init("replicateTo", #""east""#), .init("replicateTo", "{}"), .init("replicateTo", "[]", .outOfRange),
        .init("replicateTo", #"["east", 1]"#, at: "replicateTo[1]"),
        .init("replicateTo", "[null]", at: "replicateTo[0]"),
        .init("replicateTo", #"["east", "west", "east"]"#, .duplicate, at: "replicateTo[2]"),
        .init("replicateTo", #"["../etc"]"#, at: "replicateTo[0]"),
        .init("replicateTo", #"["-rf"]"#, at: "replicateTo[0]"),
        .init("replicateTo", "[\((0...64).map { #""l\#($0)""# }.joined(separator: ","))]", .outOfRange),
    ]

    static let dataDisks: [RefusalCase] =
        [
            .init("dataDisks", #""some""#), .init("dataDisks", #""All""#), .init("dataDisks", "true"),
            .init("dataDisks", "1"),
            .init("dataDisks", "{}"), .init("dataDisks", "[1]", at: "dataDisks[0]"),
            .init("dataDisks", #"["/dev/vdb"]"#, at: "dataDisks[0]"), .init("dataDisks", "[null]", at: "dataDisks[0]"),
            .init("dataDisks", "[[]]", at: "dataDisks[0]"), .init("dataDisks", "[{}]", at: "dataDisks[0].device"),
            .init("dataDisks", #"[{"device": 1}]"#, at: "dataDisks[0].device"),
            .init(
                "dataDisks",
                "[\((0..<1_000).map { _ in #"{"device": "/dev/vdb"}"# }.joined(separator: ","))]",
                .outOfRange
            ),
            .init(
                "dataDisks",
                #"[{"device": "/dev/vdb"}, {"device": "/dev/vdb"}]"#,
                .duplicate,
                at: "dataDisks[1].device"
            ),
            .init(
                "dataDisks",
                #"[{"device": "/dev/vdb"}, {"device": "/dev/vdc", "sise": 1}]"#,
                at: "dataDisks[1].sise"
            ),
            .init("dataDisks", #"[{"device": "/dev/vdb", "autoDelete": 1}]"#, at: "dataDisks[0].autoDelete"),
            .init("dataDisks", #"[{"device": "/dev/vdb", "autoDelete": "yes"}]"#, at: "dataDisks[0].autoDelete"),
            .init("dataDisks", #"[{"device": "/dev/vdb", "sizeGiB": "40"}]"#, at: "dataDisks[0].sizeGiB"),
        ]
        + [
            "/dev/vda", "/dev/vdbn", "/dev/vdA", "/dev/vd", "/dev/vdaaa", "vdb", "/dev/sdb", "/dev/vdb ", "/dev/vd1",
            "/dev/vdb/../sda", "", "/dev/vdё",
        ].map {
            .init("dataDisks", #"[{"device": "\#($0)"}]"#, at: "dataDisks[0].device")
        }
        + ["0", "-1", "1.5", "1048577", "1e300", "-1e300", "9223372036854775807", "18446744073709551616"].map {
            .init("dataDisks", #"[{"device": "/dev/vdb", "sizeGiB": \#($0)}]"#, .outOfRange, at: "dataDisks[0].sizeGiB")
        }

    static let unknownFields: [RefusalCase] = [
        .init("discription", #""""#), .init("Name", #""x""#), .init("", "1"), .init("status", "null"),
        .init("a.b", "1"), .init("name ", #""x""#),
    ]
}
