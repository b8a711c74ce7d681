import Testing

@testable import TerminalText

@Suite("Tables know the terminal's width")
struct TableTests {
    private static let id = "img-5f0c2b7e9a41d3c8"

    private func images() -> Table {
        var table = Table("IMAGE", "NAME", .dropped("OWNER", 1), "CREATED", .wrapped("REASON"))
        table.add(
            .init(Self.id),
            .init("web-golden"),
            .init("acct-42"),
            .init("2026-11-28 12:00:00 CET (2 min ago)", short: "2 min ago"),
            .init("UNAVAILABLE: the location is away and has been for hours")
        )
        return table
    }

    private func words(_ text: String) -> Set<Substring> { Set(text.split { $0 == " " || $0 == "\n" }) }

    @Test("without a limit every row is one line, whatever it holds")
    func unlimited() {
        let lines = images().text().split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[1].contains("2026-11-28 12:00:00 CET (2 min ago)") && lines[1].hasSuffix("for hours"))
    }

    @Test(
        "no line is wider than the terminal, and no word is broken",
        arguments: [30, 40, 50, 60, 79, 80, 100, 120, 200]
    )
    func width(width: Int) {
        let text = images().text(width: width)
        for line in text.split(separator: "\n") { #expect(line.visibleWidth <= width, "\(text)") }
        #expect(words(text).isSubset(of: words(images().text()).union(["2", "min", "ago"])), "\(text)")
        #expect(text.contains(Self.id) && text.contains("UNAVAILABLE"))
    }

    @Test("cells get shorter first, then text is wrapped, then columns go, the least wanted first")
    func order() {
        #expect(images().text(width: 150).contains("CET"))
        let shorter = images().text(width: 120)
        #expect(shorter.contains("2 min ago") && !shorter.contains("CET") && shorter.contains("acct-42"))
        #expect(shorter.split(separator: "\n").count == 2)
        let narrow = images().text(width: 75)
        #expect(narrow.contains("web-golden") && !narrow.contains("OWNER"), "\(narrow)")
        #expect(narrow.split(separator: "\n").count > 2, "the reason is wrapped")
    }

    @Test("where not even words stand side by side, each row is a list")
    func records() {
        let text = images().text(width: 30)
        #expect(text.contains("IMAGE    \(Self.id)\n"), "\(text)")
        #expect(
            text.contains("NAME     web-golden") && text.contains("OWNER    acct-42"),
            "nothing is left out of a list"
        )
    }

    @Test("a clipped column keeps each row one line")
    func clipped() {
        var table = Table("AT", .clipped("DETAIL"))
        for _ in 0..<3 { table.add("12:00:00", String(repeating: "word ", count: 40)) }
        let lines = table.text(width: 60).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.count <= 60 } && lines[1].hasSuffix("…"))
    }

    @Test("an empty column makes room for the others")
    func empty() {
        var table = Table("IMAGE", "WORKER", "STATE")
        table.add("12345678", "–", "1234")
        #expect(table.text(width: 16) == "IMAGE     STATE\n12345678  1234")
        #expect(table.text(width: 30).contains("WORKER"))
    }

    @Test("colour takes no room")
    func colour() {
        var table = Table("A", "B")
        table.add("\u{1B}[32mgood\u{1B}[0m", "x")
        #expect(table.text().split(separator: "\n").first == "A     B")
    }
}
