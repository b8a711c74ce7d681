import Testing

@testable import TerminalText

@Suite("Sentences break between words")
struct WrappingTests {
    @Test("what fits, and what nobody looks at, stays as it is")
    func left() {
        let text = "error: a sentence of some length\n  → and what to do about it"
        #expect(Wrapping.wrap(text, to: nil) == text)
        #expect(Wrapping.wrap(text, to: 80) == text)
    }

    @Test("what follows stands under where the words of a label begin")
    func hanging() {
        #expect(Wrapping.wrap("  → look at the log", to: 12) == "  → look at\n    the log")
        #expect(Wrapping.wrap("error: it is not there", to: 16) == "error: it is not\n       there")
        #expect(Wrapping.wrap("  reason:   no room", to: 26) == "  reason:   no room")
        #expect(
            Wrapping.wrap("  reason:   there is no room left", to: 26)
                == "  reason:   there is no\n            room left"
        )
        #expect(Wrapping.wrap("  instance i-1   owner me", to: 16) == "  instance i-1\n    owner me")
    }

    @Test("no word is broken, not even one that is longer than the line")
    func longWord() {
        let address = "http://127.0.0.1:8080/login#token=0123456789abcdef"
        #expect(Wrapping.wrap("console: \(address)", to: 20).contains(address))
    }

    @Test("nothing is lost", arguments: 1...90)
    func nothingLost(width: Int) {
        let text =
            "error: NOT_FOUND: there is no location\n  advice:   look at   what there is, then ask again: it may be back"
        let wrapped = Wrapping.wrap(text, to: width)
        #expect(wrapped.split { $0 == " " || $0 == "\n" } == text.split { $0 == " " || $0 == "\n" })
        for line in wrapped.split(separator: "\n") {
            #expect(line.count <= max(width, 10 + width / 2), "\(line)")
        }
    }
}

@Suite("A mistyped word has a nearest one")
struct NearestTests {
    private let verbs = ["create", "list", "show", "watch", "cancel", "retry", "delete", "share", "unshare", "convert"]

    @Test(
        "letters missing, doubled, wrong or swapped",
        arguments: [
            ("creat", "create"), ("craete", "create"), ("lsit", "list"), ("shw", "show"), ("delte", "delete"),
            ("canel", "cancel"), ("Retry", "retry"), ("cre", "create"), ("unshre", "unshare"), ("wacth", "watch"),
        ]
    )
    func near(typed: String, meant: String) { #expect(Nearest.matches(for: typed, among: verbs) == [meant]) }

    @Test("what is far from all has none", arguments: ["", "x", "frobnicate", "img-5f0c2b7e9a41d3c8"])
    func far(typed: String) { #expect(Nearest.matches(for: typed, among: verbs).isEmpty) }

    @Test("two that are as near are both named")
    func two() {
        #expect(Nearest.matches(for: "co", among: ["console", "convert", "list"]) == ["console", "convert"])
    }
}
