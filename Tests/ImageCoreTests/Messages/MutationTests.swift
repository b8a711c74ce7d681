import Testing

@testable import ImageCore

/// Generated bodies. For any bytes, the answer is a request or a refusal.
struct MutationTests {
    static let seedsPerTest: UInt64 = 2_500

    @Test("A damaged body is understood or refused, and never brings the process down", arguments: 0..<8)
    func damaged(_ part: UInt64) throws {
        let valid = Array(RefusalCase.valid(with: "name", #""web-golden""#).utf8)
        var understood = 0
        for seed in part * Self.seedsPerTest..<(part + 1) * Self.seedsPerTest {
            var random = SeededRandom(seed: seed)
            let body = Self.damage(valid, &random)
            if let refused = refusal(of: body) {
                try #require(refused.rejection.field != nil, "seed \(seed)")
            } else {
                understood += 1
            }
        }
        #expect(understood < Int(Self.seedsPerTest) / 2, "most damage is noticed")
    }

    @Test("Damaged job messages are ours or nobody's", arguments: 0..<2)
    func damagedJobs(_ part: UInt64) {
        let message = JobMessage(imageId: Sample.imageID, job: .dataDisk(Sample.device(1)), attempt: 3)
        let valid = CanonicalJSON.bytes(message)
        for seed in part * 1_000..<(part + 1) * 1_000 {
            var random = SeededRandom(seed: seed)
            if let parsed = JobMessage(parsing: Self.damage(valid, &random)) {
                #expect(parsed.attempt >= 1, "seed \(seed)")
            }
        }
    }

    @Test(
        "A body of nothing but small values, however deep, is refused at once",
        arguments: [(1, "0,"), (16, "0,"), (500, "0,"), (500, #""","#), (1, "[],"), (1, "{},")]
    )
    func manySmallValues(depth: Int, value: String) {
        let room = (Request.maximumBodyBytes - 2 * depth - 2) / value.utf8.count
        let values = String(repeating: value, count: room) + "0"
        let body = String(repeating: "[", count: depth) + values + String(repeating: "]", count: depth)
        let clock = ContinuousClock()
        var refused: UnusableRequest?
        let taken = clock.measure { refused = refusal(of: body) }
        #expect(refused?.rejection.field == "body")
        // Far above what it takes, and far below the minutes that one error a value once took.
        #expect(taken < .seconds(5), "\(taken)")
    }

    @Test("A body in UTF-16 is no JSON to us: limits that look at bytes would not hold for it")
    func wideCharacters() {
        let body = #"{"owner":"acct-1","requestId":"r1"}"#
        for wide in [
            body.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] },
            body.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] },
        ] {
            #expect(JSONValue(parsing: wide) == nil)
        }
        #expect(JSONValue(parsing: Array(body.utf8)) != nil)
    }

    @Test("As many values and brackets as are allowed are read in reasonable time")
    func mostValues() {
        let depth = JSONValue.maximumDepth
        let values = String(repeating: "0,", count: JSONValue.maximumValues - depth - 1) + "0"
        let body = String(repeating: "[", count: depth) + values + String(repeating: "]", count: depth)
        let clock = ContinuousClock()
        var value: JSONValue?
        let taken = clock.measure { value = JSONValue(parsing: body.utf8) }
        #expect(value != nil)
        #expect(taken < .seconds(5), "\(taken)")
        #expect(JSONValue(parsing: "[\(body)]".utf8) == nil)
        #expect(JSONValue(parsing: "[\(values),0,0]".utf8) != nil)
        #expect(JSONValue(parsing: "[\(String(repeating: "0,", count: JSONValue.maximumValues))0]".utf8) == nil)
        #expect(JSONValue(parsing: #"{"a": "[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{"}"#.utf8) != nil, "text does not count")
    }

    static func damage(_ valid: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var body = valid
        for _ in 0..<Int.random(in: 1...4, using: &random) where !body.isEmpty {
            let position = body.indices.randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<6, using: &random) {
            case 0: body[position] = .random(in: .min ... .max, using: &random)
            case 1: body.remove(at: position)
            case 2: body.insert(.random(in: 0x20...0x7E, using: &random), at: position)
            case 3: body.removeSubrange(position..<min(position + 12, body.count))
            case 4: body.insert(contentsOf: body[position..<min(position + 12, body.count)], at: position)
            default:
                body.insert(
                    contentsOf: Array(
                        [#"""#, "{", "[", "\\u", "null", "-1e9999", "\\ud800"].randomElement(using: &random)?.utf8
                            ?? "".utf8
                    ),
                    at: position
                )
            }
        }
        return body
    }
}
