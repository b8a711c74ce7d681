import Testing

@testable import ImageCore

@Suite("JSON is taken to the letter")
struct JSONGrammarTests {
    @Test(
        "what other readers would refuse is no JSON",
        arguments: [
            #"{"a": 1,}"#, #"[1,]"#, #"[,1]"#, #"[1,,2]"#, #"{,}"#, #"{"a" 1}"#, #"{"a": }"#, #"{"a"}"#, #"{a: 1}"#,
            #"{'a': 1}"#, #"{"a": 'b'}"#, #"{"a": 1 // one"# + "\n}", #"{"a": /* one */ 1}"#, #"{"a": NaN}"#,
            #"{"a": Infinity}"#, #"{"a": -Infinity}"#, #"{"a": 01}"#, #"{"a": -01}"#, #"{"a": 1.}"#, #"{"a": .5}"#,
            #"{"a": +1}"#, #"{"a": 0x10}"#, #"{"a": 1e}"#, #"{"a": 1e+}"#, #"{"a": --1}"#, #"{"a": True}"#,
            #"{"a": nul}"#, #"{"a": undefined}"#, "\u{FEFF}{}", "{}\u{FEFF}", "{}x", "{}{}", "{\u{A0}}", "{\u{C}}",
            "{\"a\": \"b\tc\"}", "{\"a\": \"b\nc\"}", "{\"a\": \"b\u{1}\"}", #"{"a": "\x41"}"#, #"{"a": "\u00"}"#,
            #"{"a": "\u00g0"}"#, #"{"a": "\ud800"}"#, #"{"a": "\udc00"}"#, #"{"a": "\ud800x"}"#,
            #"{"a": "\ud800\ud800"}"#, #"{"a": "\ud800\u0041"}"#, #"{"\ud800": 1}"#, #"{"a": "b}"#, #"{"a": "b\"}"#,
            "{", "[", "\"", "", " ", "]", "}", #"[1}"#, #"{"a": 1]"#,
        ]
    )
    func refused(text: String) {
        #expect(JSONValue(parsing: text.utf8) == nil)
    }

    @Test("bytes that are no UTF-8, and UTF-16, are no JSON")
    func encodings() {
        for bytes: [UInt8] in [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
            [0xFF, 0xFE, 0x7B, 0, 0x7D, 0],
            [0x7B, 0, 0x7D, 0], [0xEF, 0xBB, 0xBF, 0x7B, 0x7D],
        ] { #expect(JSONValue(parsing: bytes) == nil, "\(bytes)") }
    }

    @Test(
        "what is JSON is taken",
        arguments: [
            "{}", "[]", " \t\r\n{ } ", "0", "-0", "1.5e-3", "1E+2", "true", "null", #""""#, #"{"": {"a": [1, {}]}}"#,
            #""\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00""#, "\"\u{7F}\u{2028}😀\"", "[ 1 , 2 ]",
        ]
    )
    func taken(text: String) throws {
        let value = try #require(JSONValue(parsing: text.utf8))
        #expect(try value == CanonicalJSON.decode(JSONValue.self, from: text.utf8))
    }

    @Test("a number that is too large is none", arguments: ["1e999", "-1e999", #"{"a":[1e400]}"#])
    func tooLarge(text: String) { #expect(JSONValue(parsing: text.utf8) == nil) }

    @Test("what is taken from a damaged body is what Foundation's decoder takes from it", arguments: 0..<4)
    func damaged(_ part: UInt64) throws {
        let valid = Array(#"{"a":[1,-2.5e-3,true,null,"\u00e9\ud83d\ude00\n\/"],"b":{"c":"日本","d":{}},"e":false}"#.utf8)
        for seed in part * 2_500..<(part + 1) * 2_500 {
            var random = SeededRandom(seed: seed)
            let body = MutationTests.damage(valid, &random)
            guard let value = JSONValue(parsing: body), JSONValue.repeatedKey(in: body) == nil else { continue }
            #expect(try value == CanonicalJSON.decode(JSONValue.self, from: body), "seed \(seed)")
        }
    }
}
