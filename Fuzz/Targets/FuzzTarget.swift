/// One thing that is parsed from outside, and what must hold of it whatever the bytes are.
///
/// Not crashing is the least of it: a check says in a sentence what was broken. The same function runs under libFuzzer
/// (`Fuzz/Driver`) and, over the committed inputs, in the normal tests (`Fuzz/Tests`).
struct FuzzTarget: Sendable {
    /// Also the name of its folder in `Fuzz/corpus`.
    let name: String
    let check: @Sendable (_ input: [UInt8]) throws(BrokenPromise) -> Void

    static let all: [FuzzTarget] = [
        requests, jobs, documents, amqpFrames, amqpTables, amqpEndpoints, instances, qemuOutput, guests,
        names,
    ]
}

/// What did not hold.
struct BrokenPromise: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

func promise(_ holds: Bool, _ what: @autoclosure () -> String) throws(BrokenPromise) {
    guard holds else { throw BrokenPromise(what()) }
}

/// Text made by us for people, out of what came from outside.
func promiseShowable(_ text: String, atMost limit: Int, _ what: String) throws(BrokenPromise) {
    try promise(text.utf8.count <= limit, "\(what) has \(text.utf8.count) bytes")
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            throw BrokenPromise("\(what) holds U+\(String(scalar.value, radix: 16)), which cannot be seen")
        default: break
        }
    }
}

/// An input that begins with lines of its own, so that one target can hold more than one kind of text and a person can
/// read and write its corpus.
struct Lines {
    private var rest: ArraySlice<UInt8>

    init(_ input: [UInt8]) { rest = input[...] }

    /// Without its line feed; what is not UTF-8 is replaced, as it is for a property of a message.
    mutating func next() -> String {
        let line = rest.prefix { $0 != UInt8(ascii: "\n") }
        rest = rest[line.endIndex...].dropFirst()
        return String(decoding: line, as: UTF8.self)
    }

    var remainder: [UInt8] { Array(rest) }
    var text: String { String(decoding: rest, as: UTF8.self) }
}
