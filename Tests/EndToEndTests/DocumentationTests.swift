import FoundationEssentials
import Glibc
import ImageCore
import Testing

@Suite("The documentation says what the program does")
struct DocumentationTests {
    private func page(_ name: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("docs/\(name)"), encoding: .utf8)
    }

    @Test("every setting has its row, and every row its setting")
    func settings() async throws {
        let file = "/tmp/goldsmith-settings-\(getpid()).json"
        defer { unlink(file) }
        try #"{"noSuchSetting": 1}"#.write(toFile: file, atomically: true, encoding: .utf8)
        let result = try await Program.run(["image", "list", "--config", file])
        #expect(result.code == 2)
        #expect(result.complaint.contains("noSuchSetting"))
        // The complaint names every setting there is.
        let known = try #require(result.complaint.split(separator: "known are ").last)
            .split(separator: ",").map { $0.trimmingPrefix { $0.isWhitespace }.filter { !$0.isWhitespace } }
        let rows = try page("configuration.md").split(separator: "\n").compactMap { line -> String? in
            let cells = line.split(separator: "|").map { $0.filter { !$0.isWhitespace } }
            guard cells.count > 2, cells[1].hasPrefix("`GOLDSMITH_") else { return nil }
            return String(cells[0].filter { $0 != "`" })
        }
        #expect(rows.sorted() == known.map { String($0) }.sorted())
    }

    @Test("every event is described")
    func events() throws {
        let text = try page("messages.md")
        for kind in Announcement.Kind.allCases where !text.contains("goldsmith.\(kind.rawValue)") {
            let words = kind.rawValue.split(separator: ".")
            // Steps stand as `goldsmith.step.<step>.done`.
            #expect(words[0] == "step" && text.contains("goldsmith.step.<step>.\(words[1])"), "\(kind.rawValue)")
        }
        for type in ["goldsmith.request.rejected", "goldsmith.image.progress"] {
            #expect(text.contains(type), "\(type)")
        }
    }

    /// The rest of it is held to the running program by `make contract`.
    @Test("the contract for programs knows every operation, event, step, status and code")
    func contract() throws {
        let text = try page("asyncapi.yaml")
        for operation in ImageCore.Operation.allCases { #expect(text.contains("address: \(operation.rawValue)\n")) }
        for kind in Announcement.Kind.allCases {
            let words = kind.rawValue.split(separator: ".")
            let type =
                words[0] == "step"
                ? #"{pattern: '^goldsmith\.step\.[a-z-]+\.\#(words[1])$'}"#
                : "{const: goldsmith.\(kind.rawValue)}"
            #expect(text.contains("type: \(type)\n"), "\(kind.rawValue)")
        }
        let steps = Step.allCases.map(\.rawValue).joined(separator: ", ")
        let statuses = ImageStatus.allCases.map(\.rawValue).joined(separator: ", ")
        for words in [steps, statuses] { #expect(text.contains("enum: [\(words)]\n")) }
        let codes = ErrorCode.allCases.map { "        - \($0.rawValue)\n" }
        // In any order: more may be added in between.
        for code in codes { #expect(text.contains(code), "\(code)") }
    }

    @Test("every error code is explained")
    func codes() throws {
        let text = try page("messages.md")
        for code in ErrorCode.allCases { #expect(text.contains("`\(code.rawValue)`"), "\(code.rawValue)") }
    }

    @Test(
        "every test that the guarantees and the coverage of the source name is there",
        arguments: [("guarantees.md", 60), ("seed-coverage.md", 30)]
    )
    func namedTests(name: String, atLeast: Int) throws {
        var named = 0
        for paragraph in try page(name).split(separator: "\n\n") where paragraph.contains("- [") {
            // An item is a link to a source, and behind it the names of tests in it.
            for item in "\n\(paragraph)".split(separator: "\n- [", omittingEmptySubsequences: false).dropFirst() {
                let words = item.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                guard let begin = words.firstRange(of: "](../"),
                    let end = words[begin.upperBound...].firstIndex(of: ")")
                else { continue }
                let file = String(words[begin.upperBound..<end])
                let source = try page("../\(file)")
                let parts = words[end...].split(separator: "\"", omittingEmptySubsequences: false)
                for (index, name) in parts.enumerated() where index % 2 == 1 {
                    named += 1
                    #expect(source.contains("\"\(name)\""), "\(file) has no test \(name)")
                }
            }
        }
        #expect(named > atLeast)
    }
}
