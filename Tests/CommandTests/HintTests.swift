import ImageCore
import Testing

@testable import GoldsmithCommands

@Suite("A hint fits what was wrong")
struct HintTests {
    @Test(
        "what is not there is looked for where it would stand",
        arguments: [
            ("instanceId", Operation.create, "instance list"), ("imageId", .share, "image list"),
            ("imageId", .launch, "image list"), ("dataDisks[0].device", .create, "instance show"),
            ("dataDisks[2].device", .launch, "image show"), ("replicateTo[1]", .create, "--replicate-to"),
            ("location", .launch, "replicas"), ("location", .prove, "replicas"), ("with", .unshare, "shared with"),
        ]
    )
    func notFound(field: String, operation: Operation, hint: String) throws {
        let step = try #require(Rejection(.notFound, "there is none", field: field).nextStep(after: operation))
        #expect(step.contains(hint), "\(step)")
        if !field.hasSuffix("Id") { #expect(!step.contains("--owner"), "\(step)") }
    }

    @Test("what the refusal says itself needs no hint")
    func enough() {
        #expect(Rejection(.outOfRange, "at most 8", field: "dataDisks").nextStep(after: .create) == nil)
        #expect(Rejection(.notFound, "nobody knows what").nextStep(after: .create) == nil)
    }

    private func refusal(_ words: String) -> CommandFailure? {
        do throws(CommandFailure) {
            try CommandWords(of: Goldsmith.self).check(words.split(separator: " ").map(String.init))
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "a mistyped command is named, with the one that was meant, whatever options follow",
        arguments: [
            ("image creat --data x", "goldsmith image create"), ("imgae list", "goldsmith image"),
            ("instance lauch --image img-1", "goldsmith instance launch"), ("dead lst", "goldsmith dead list"),
            ("qeue list", "goldsmith queue"), ("help image sohw", "goldsmith image show"),
            ("create --instance i-1", "goldsmith image create"), ("doctr", "goldsmith doctor"),
            ("worker lsit", "goldsmith worker list"), ("quota st acct-1", "goldsmith quota set"),
        ]
    )
    func mistyped(line: String, meant: String) throws {
        let failure = try #require(refusal(line))
        #expect(failure.kind == .usage && failure.message.hasPrefix("there is no command 'goldsmith "))
        #expect(failure.advice?.contains("`\(meant)`") == true, "\(failure)")
    }

    @Test("what is near nothing is told what there is")
    func far() throws {
        let failure = try #require(refusal("image frobnicate"))
        #expect(failure.advice?.contains("create, list, show") == true, "\(failure)")
        #expect(refusal("frobnicate")?.advice?.contains("guest-visit") == false, "that is not for people")
    }

    @Test(
        "what names a command is left to it",
        arguments: [
            "", "image", "image list", "image show creat", "--version", "help", "help image create", "worker --steps x",
            "image list --status creat", "guest-visit --disk x", "---completion image show -- id",
            "--generate-completion-script bash", "console user alice --role viewer",
        ]
    )
    func right(line: String) { #expect(refusal(line) == nil) }
}
