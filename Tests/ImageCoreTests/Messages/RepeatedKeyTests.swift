import ImageCore
import Testing

@Suite("Keys that stand in an object twice")
struct RepeatedKeyTests {
    @Test(
        "a repeated key is found in every object, however it is spelt",
        arguments: [
            (#"{"a":1,"b":2}"#, nil), (#"{"a":1,"a":1}"#, "a"), (#"{"a":1,"\u0061":2}"#, "a"),
            // A value is no key, and neither is what stands in a list or in another object.
            (#"{"a":"a","b":["a","a"]}"#, nil), (#"[{"a":1},{"a":2}]"#, nil), (#"{"a":{"a":{"a":1}}}"#, nil),
            (#"{"a":[{"x":1},{"b":{},"c":[],"b":0}]}"#, "b"), (#"{"a":{"b":1},"c":[1,2],"a":3}"#, "a"),
            (#"{"a\"":1,"a":2,"a\\":3}"#, nil), (#"{"a,\"a":1, "a,\"a" :2}"#, #"a,"a"#), ("7", nil), (#""a""#, nil),
            ("{}", nil), (#"{"é":1,"e\u0301":2}"#, "é"), ("", nil), ("{{{", nil),
        ] as [(String, String?)]
    )
    func found(_ text: String, _ key: String?) { #expect(JSONValue.repeatedKey(in: Array(text.utf8)) == key) }
}
