import FoundationEssentials
import Testing

@Suite("What the fuzzer is given, and what it has found, holds")
struct CorpusTests {
    /// `Fuzz/corpus`: a folder for each target.
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("corpus")

    @Test("every committed input keeps its target's promises", arguments: FuzzTarget.all)
    func corpus(_ target: FuzzTarget) throws {
        let folder = Self.folder.appendingPathComponent(target.name).path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(files.count >= 5, "a target needs something to begin with")
        for file in files {
            let input = try #require(FileManager.default.contents(atPath: folder + "/" + file))
            do throws(BrokenPromise) { try target.check([UInt8](input)) } catch {
                Issue.record("Fuzz/corpus/\(target.name)/\(file): \(error)")
            }
        }
    }

    @Test("no folder of inputs is without its target")
    func folders() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(folders.sorted() == FuzzTarget.all.map(\.name).sorted())
    }
}

extension FuzzTarget: CustomTestStringConvertible {
    var testDescription: String { name }
}
