import HTTPTypes
import Hummingbird
import ImageCore
import Logging

/// What operators decide about letters. Both decisions stand behind a page that asks once more.
struct LetterRoutes: Sendable {
    let pages: Pages
    let decisions: LetterDecisions

    func add(to inside: RouterGroup<ConsoleContext>) {
        inside.get("/letters/:id/replay") { _, context in
            try await ask(context, "Replay") { LetterPage.replayForm($0, token: $1) }
        }
        inside.get("/letters/:id/discard") { _, context in
            try await ask(context, "Discard") { LetterPage.discardForm($0, token: $1) }
        }
        inside.post("/letters/:id/replay") { request, context in
            let fields = try await context.provenForm(request)
            let who = try context.operating().account
            return try await decisions.replay(try context.letterID(), by: who, force: fields["force"] == "yes", context)
        }
        inside.post("/letters/:id/discard") { request, context in
            let fields = try await context.provenForm(request)
            let who = try context.operating().account
            return try await decisions.discard(try context.letterID(), by: who, note: fields["note"], context)
        }
    }

    private func ask(
        _ context: ConsoleContext,
        _ title: String,
        _ form: (Letter, String) -> HTML
    ) async throws -> Response {
        let session = try context.operating()
        let id = try context.letterID()
        let letter = try await pages.letter(id).letter
        return .page(Layout.page(title, at: .replay(id), for: session) { form(letter, session.formToken) })
    }
}

/// Carries a decision out, for pages and for programs, in one transaction.
struct LetterDecisions: Sendable {
    let store: any ImageStore
    let time: any Timekeeper

    func replay(_ id: LetterID, by who: String, force: Bool, _ context: ConsoleContext) async throws -> Response {
        let verdict: LetterVerdict
        do throws(StoreError) {
            let limit = force ? Int.max : Letter.replayLimit
            verdict = try await store.replay(id, by: "\(who)@console", limit: limit, at: time.now())
        } catch {
            throw Problem(error)
        }
        return try await conclude(verdict, id, "a letter was replayed", by: who, context)
    }

    func discard(_ id: LetterID, by who: String, note: String?, _ context: ConsoleContext) async throws -> Response {
        let verdict: LetterVerdict
        do throws(StoreError) {
            let note = note.map { PlainText.sentence($0) }.flatMap { $0.isEmpty ? nil : $0 }
            verdict = try await store.discard(id, by: "\(who)@console", note: note, at: time.now())
        } catch {
            throw Problem(error)
        }
        return try await conclude(verdict, id, "a letter was discarded", by: who, context)
    }

    private func conclude(
        _ verdict: LetterVerdict,
        _ id: LetterID,
        _ event: Logger.Message,
        by who: String,
        _ context: ConsoleContext
    ) async throws -> Response {
        switch verdict {
        case .unknown: throw Problem.noLetter(id.text)
        case .refused(let reason): throw Problem(.conflict, reason)
        case .done(let letter, _):
            // Its message is in the outbox, and a worker sends it: the console has no right to write to the broker.
            context.logger.notice(event, metadata: ["by": "\(who)", "letter": "\(id)"])
            return context.program == nil ? .redirect(to: .letter(id)) : .json(letter)
        }
    }
}

extension ConsoleContext {
    func letterID() throws -> LetterID {
        let text = try parameters.require("id")
        guard let id = LetterID(text) else { throw Problem.noLetter(text) }
        return id
    }
}

extension Problem {
    static func noLetter(_ id: String) -> Problem {
        Problem(.notFound, "there is no letter \(PlainText.word(id))", advice: "look in the list")
    }
}
