import ImageCore

/// Why an image failed, what to do, and what was cleaned up.
struct ImageFailureSection {
    let image: Image
    let failure: ImageFailure

    var html: HTML {
        tag(.section, .class("failure"), Attribute("aria-labelledby", "why")) {
            tag(.h2, .id("why")) { "Why it failed" }
            tag(.p, .class("reason")) { Words.sentence(failure.cause.message) }
            if let advice = failure.cause.advice {
                tag(.p, .class("advice")) {
                    tag(.strong) { "What to do: " }
                    Words.sentence(advice)
                }
            }
            tag(.dl, .class("facts")) {
                fact("Code") { tag(.code) { failure.cause.code.rawValue } }
                if let job = failure.job { fact("In") { job.title } }
                if failure.attempts > 0 { fact("After") { Words.count(failure.attempts, "attempt") } }
                fact("At") { Words.moment(failure.at) }
                fact("Clean-up") { cleanUp.html }
                if !image.cleaned.isEmpty {
                    fact("Deleted") { Self.list(image.cleaned.map(\.text)) }
                }
                if !image.ledger.isEmpty {
                    fact("Still there") { Self.list(image.ledger.map(\.resource.id.text)) }
                }
            }
        }
    }

    private var cleanUp: Mark {
        switch image.cleanUp {
        case .notNeeded: Mark(.off, "not needed")
        case .running: Mark(.busy, "running")
        case .done: Mark(.good, "done, nothing is left")
        case .incomplete: Mark(.bad, "incomplete, a human is needed")
        }
    }

    private static func list(_ names: [String]) -> HTML {
        tag(.ul, .class("plain")) { for name in names { tag(.li) { tag(.code) { name } } } }
    }
}
