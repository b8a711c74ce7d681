import HTTPTypes
import Hummingbird
import ImageCore
import Logging
import Operations

/// What operators decide about dead letters. Both decisions stand behind a page that asks once more.
struct DeadLetterRoutes: Sendable {
    let pages: Pages
    let decisions: DeadLetterDecisions

    func add(to inside: RouterGroup<ConsoleContext>) {
        inside.get("/dead-letters/:id/replay") { _, context in
            try await ask(context, "Replay", at: Route.replay) { DeadLetterPage.replayForm($0, token: $1) }
        }
        inside.get("/dead-letters/:id/discard") { _, context in
            try await ask(context, "Discard", at: Route.discard) { DeadLetterPage.discardForm($0, token: $1) }
        }
        inside.post("/dead-letters/:id/replay") { request, context in
            let fields = try await context.provenForm(request)
            let who = try context.operating().account
            return try await decisions.replay(
                try context.deadLetterID(),
                by: who,
                force: fields["force"] == "yes",
                context
            )
        }
        inside.post("/dead-letters/:id/discard") { request, context in
            let fields = try await context.provenForm(request)
            let who = try context.operating().account
            return try await decisions.discard(try context.deadLetterID(), by: who, note: fields["note"], context)
        }
    }

    private func ask(
        _ context: ConsoleContext,
        _ title: String,
        at route: (DeadLetterID) -> Route,
        _ form: (DeadLetter, String) -> HTML
    ) async throws -> Response {
        let session = try context.operating()
        let id = try context.deadLetterID()
        let deadLetter = try await pages.deadLetter(id).deadLetter
        return .page(Layout.page(title, at: route(id), for: session) { form(deadLetter, session.formToken) })
    }
}

/// Carries a decision out, for pages and for programs, in one transaction.
struct DeadLetterDecisions: Sendable {
    let actions: DeadLetterActions

    func replay(_ id: DeadLetterID, by who: String, force: Bool, _ context: ConsoleContext) async throws -> Response {
        let verdict: DeadLetterResult
        do throws(StoreError) {
            // The console has no right to write to the broker.
            verdict = try await actions.replay(id, by: "\(who)@console", isForced: force, sentBy: .sweeper)
        } catch {
            throw Problem(error)
        }
        return try await conclude(verdict, id, "dead letter replayed", by: who, context)
    }

    func discard(_ id: DeadLetterID, by who: String, note: String?, _ context: ConsoleContext) async throws -> Response
    {
        let verdict: DeadLetterResult
        do throws(StoreError) {
            verdict = try await actions.discard(id, by: "\(who)@console", note: note)
        } catch {
            throw Problem(error)
        }
        return try await conclude(verdict, id, "dead letter discarded", by: who, context)
    }

    private func conclude(
        _ verdict: DeadLetterResult,
        _ id: DeadLetterID,
        _ event: Logger.Message,
        by who: String,
        _ context: ConsoleContext
    ) async throws -> Response {
        switch verdict {
        case .unknown: throw Problem.noDeadLetter(id.text)
        case .refused(let refusal):
            throw Problem(
                .conflict,
                refusal.message,
                advice: refusal.yieldsToForce ? "replay it once more only if its cause is gone" : nil
            )
        case .done(let deadLetter, _):
            context.logger.notice(event, metadata: ["by": "\(who)", "dead.letter": "\(id)"])
            return context.program == nil ? .redirect(to: .deadLetter(id)) : .json(deadLetter)
        }
    }
}

extension ConsoleContext {
    func deadLetterID() throws -> DeadLetterID {
        let text = try parameters.require("id")
        guard let id = DeadLetterID(text) else { throw Problem.noDeadLetter(text) }
        return id
    }
}

extension Problem {
    static func noDeadLetter(_ id: String) -> Problem {
        Problem(.notFound, "there is no dead letter \(PlainText.word(id))", advice: "look in the list")
    }
}
