import Testing

@testable import ImageCore

@Suite("Trace contexts")
struct TraceContextTests {
    private let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("a context in order is kept, with its state")
    func kept() throws {
        let context = try #require(TraceContext(parent: parent, state: "vendor=1,other=2"))
        #expect(context.parent == parent && context.state == "vendor=1,other=2")
        #expect(context.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        let newer = TraceContext(parent: "cc" + parent.dropFirst(2) + "-what-comes", state: nil)
        #expect(newer?.parent == parent, "of a newer version, what this one knows")
    }

    @Test("a malformed context is none, and a malformed state is left out")
    func malformed() {
        let zeros = String(repeating: "0", count: 32)
        for text in [
            "", "00", parent + "-more", parent + " ", "ff" + parent.dropFirst(2), parent.uppercased(),
            "00-\(zeros)-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            parent.replacing("-", with: "_"), "cc" + parent.dropFirst(2) + "x",
            "00-" + String(repeating: "ä", count: 26),
        ] { #expect(TraceContext(parent: text, state: nil) == nil, "\(text)") }
        for state in ["", "a\u{0}b", "ü=1", String(repeating: "a", count: 513)] {
            let context = TraceContext(parent: parent, state: state)
            #expect(context != nil && context?.state == nil, "\(state)")
        }
    }
}
