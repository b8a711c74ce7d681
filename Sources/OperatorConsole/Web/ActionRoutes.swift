import HTTPTypes
import Hummingbird
import ImageCore
import Logging

/// Operators' requests on an owner's behalf, each behind a page that says what will happen, and their outcome.
struct ActionRoutes: Sendable {
    let pages: Pages
    let requests: RequestClient

    func add(to inside: RouterGroup<ConsoleContext>) {
        for action in ImageAction.allCases {
            inside.get("/images/:id/\(action.rawValue)") { _, context in try await ask(action, context) }
            inside.post("/images/:id/\(action.rawValue)") { request, context in
                let fields = try await context.provenForm(request)
                return try await send(action, fields, context)
            }
        }
    }

    private func ask(_ action: ImageAction, _ context: ConsoleContext) async throws -> Response {
        let session = try context.operating()
        let form = ActionForm(action: action, image: try await pages.image(try context.imageID()))
        if let refusal = action.refusal(by: form.image) { throw Problem(refusal) }
        return try await page(form, for: session)
    }

    private func send(_ action: ImageAction, _ fields: FormFields, _ context: ConsoleContext) async throws -> Response {
        let session = try context.operating()
        let form = ActionForm(action: action, image: try await pages.image(try context.imageID()))
        guard let requestID = fields[ActionPage.requestField].flatMap({ ImageCore.RequestID($0) }) else {
            throw Problem(.badRequest, "the form has no request id", advice: "open the page again and repeat it")
        }
        guard let owner = form.owner(fields) else {
            let rejection = Rejection(
                .invalidArgument,
                "the image is neither theirs nor shared with them",
                field: "owner"
            )
            return try await page(form, fields, rejection, for: session)
        }
        let identity = RequestIdentity(owner: owner, requestID: requestID)
        let body: [String: JSONValue]
        do throws(Rejection) { body = try form.body(fields) } catch {
            return try await page(form, fields, error, for: session)
        }
        switch try await requests.ask(action.operation, identity, body, by: session.account, context.logger) {
        case .rejected(let rejection): return try await page(form, fields, rejection, for: session)
        // The answer, or that there is none yet, is shown on a page that may be loaded again.
        case .accepted, .sent: return .redirect(to: .request(identity))
        }
    }

    private func page(
        _ form: ActionForm,
        _ fields: FormFields = FormFields(),
        _ rejection: Rejection? = nil,
        for session: Session
    ) async throws -> Response {
        let quota: QuotaUsage
        do throws(StoreError) { quota = try await pages.store.quota(of: form.image.owner) } catch {
            throw Problem(error)
        }
        let page = ActionPage(
            form: form,
            quota: quota,
            formToken: session.formToken,
            requestID: RequestClient.newRequestID(),
            fields: fields,
            rejection: rejection
        )
        let route = Route.action(form.action, form.image.id)
        var response = Response.page(
            Layout.page("\(form.action.word): \(form.image.name)", at: route, for: session) { page.html }
        )
        if let rejection { response.status = Problem(rejection).status }
        return response
    }
}
