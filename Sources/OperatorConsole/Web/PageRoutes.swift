import HTTPTypes
import Hummingbird
import ImageCore
import Logging

/// What people open in a browser.
struct PageRoutes: Sendable {
    let pages: Pages
    let access: Access
    let notifier: PageChangeNotifier
    let time: any Timekeeper
    let decisions: DeadLetterDecisions
    let requests: RequestClient
    let telemetry: ConsoleTelemetry

    func add(to router: Router<ConsoleContext>) {
        router.get("/login") { request, context in try await showLogin(request) }
        router.post("/login") { request, context in try await logIn(request, context) }

        let inside = router.group().add(middleware: SessionGuard(access: access)).add(middleware: ProblemGuard())
        inside.get("/") { request, context in try await show(request, context) }
        inside.get("/images") { request, context in try await show(request, context) }
        inside.get("/images/:id") { request, context in try await show(request, context) }
        inside.get("/instances") { request, context in try await show(request, context) }
        inside.get("/instances/:id") { request, context in try await show(request, context) }
        inside.get("/instances/:id/:name") { request, context in try await show(request, context) }
        inside.get("/request") { request, context in try await show(request, context) }
        ActionRoutes(pages: pages, requests: requests).add(to: inside)
        inside.get("/dead-letters") { request, context in try await show(request, context) }
        inside.get("/dead-letters/:id") { request, context in try await show(request, context) }
        DeadLetterRoutes(pages: pages, decisions: decisions).add(to: inside)
        inside.get("/quotas") { request, context in try await show(request, context) }
        inside.get("/quotas/:owner") { request, context in try await showQuota(context) }
        inside.post("/quotas/:owner") { request, context in try await setQuota(request, context) }
        inside.post("/logout") { request, context in try await logOut(request, context) }
        inside.get("/updates") { request, context in try updates(request, context) }
    }

    // MARK: Looking

    private func show(_ request: Request, _ context: ConsoleContext) async throws -> Response {
        let session = try context.loggedIn()
        guard let route = Route(page: request.uri.string) else {
            throw Problem(.badRequest, "the address asks for what there is not")
        }
        let (title, live) = try await pages.live(route, for: session.role, at: time.now())
        return .page(
            Layout.page(title, at: route, for: session) {
                if case .images(let query) = route { ImagesPage.filterForm(query) }
                if case .deadLetters(let filter) = route { DeadLettersPage.filterForm(filter) }
                tag(.div, .id("live"), Attribute("data-live")) { live }
            }
        )
    }

    private func updates(_ request: Request, _ context: ConsoleContext) throws -> Response {
        guard let text = request.uri.query.flatMap({ FormFields(parsing: $0) })?["page"],
            let route = Route(page: text), let cookie = context.cookie
        else { throw Problem(.badRequest, "the page to follow is missing") }
        guard let changes = notifier.changes(of: route) else {
            throw Problem(.serviceUnavailable, "too many pages are followed already")
        }
        let sessions = access.sessions
        return EventStream(changes: changes, time: time) {
            sessions.session(cookie, isActivity: false) != nil
        }.response(to: request)
    }

    // MARK: Coming and going

    private func showLogin(_ request: Request) async throws -> Response {
        if access.session(of: request) != nil { return .redirect(to: .overview) }
        return loginPage(nil, for: request)
    }

    private func loginPage(_ problem: Problem?, for request: Request) -> Response {
        let proof = access.loginProof(for: request)
        var response = Response.page(LoginPage.html(accounts: access.accounts, proof: proof.field, problem: problem))
        response.setCookie(proof.cookie)
        if let problem {
            response.status = problem.status
            if let wait = problem.retryAfter { response.headers[.retryAfter] = String(max(1, wait.components.seconds)) }
        }
        return response
    }

    private func logIn(_ request: Request, _ context: ConsoleContext) async throws -> Response {
        let fields = try await request.form()
        guard access.isProven(fields, of: request) else {
            return loginPage(Problem(.forbidden, "the form was too old", advice: "try again"), for: request)
        }
        let address = access.address(of: request, from: context.peer)
        do {
            let (cookie, account) = try await access.logIn(fields, from: address)
            telemetry.loggedIn(.accepted)
            context.logger.info(
                "logged in",
                metadata: ["account": "\(account.name)", "role": "\(account.role.rawValue)", "peer": "\(address)"]
            )
            var response = Response.redirect(to: .overview)
            access.setCookie(cookie, on: &response, to: request)
            return response
        } catch let problem as Problem {
            telemetry.loggedIn(problem.status == .tooManyRequests ? .throttled : .refused)
            context.logger.notice(
                "login refused",
                metadata: ["peer": "\(address)", "status": "\(problem.status.code)"]
            )
            return loginPage(problem, for: request)
        }
    }

    private func logOut(_ request: Request, _ context: ConsoleContext) async throws -> Response {
        _ = try await context.provenForm(request)
        if let cookie = context.cookie { access.sessions.end(cookie) }
        var response = Response.redirect(to: .login)
        access.setCookie(nil, on: &response, to: request)
        return response
    }

    // MARK: Changing

    private func showQuota(_ context: ConsoleContext) async throws -> Response {
        let session = try context.operating()
        let owner = try context.owner()
        do throws(StoreError) {
            let usage = try await pages.store.quota(of: owner)
            return .page(
                Layout.page("Quota of \(owner)", at: .quota(owner), for: session) {
                    QuotasPage.form(usage, token: session.formToken)
                }
            )
        } catch {
            throw Problem(error)
        }
    }

    private func setQuota(_ request: Request, _ context: ConsoleContext) async throws -> Response {
        let fields = try await context.provenForm(request)
        let session = try context.operating()
        let owner = try context.owner()
        let limits = QuotaLimits(images: try fields.quantity("images"), snapshots: try fields.quantity("snapshots"))
        do throws(StoreError) {
            try await pages.store.setQuota(of: owner, to: limits)
        } catch {
            throw Problem(error)
        }
        context.logger.notice(
            "quota set",
            metadata: [
                "by": "\(session.account)", "owner": "\(owner)", "images": "\(limits.images)",
                "snapshots": "\(limits.snapshots)",
            ]
        )
        return .redirect(to: .quotas)
    }
}

extension ConsoleContext {
    func loggedIn() throws -> Session {
        guard let session else { throw Problem(.unauthorized, "not logged in") }
        return session
    }

    /// The session of a user who may change things.
    func operating() throws -> Session {
        let session = try loggedIn()
        guard session.role == .operator else { throw Problem.viewersOnlyLook }
        return session
    }

    /// A form that came from a page of this session.
    func provenForm(_ request: Request) async throws -> FormFields {
        let fields = try await request.form()
        guard let token = fields[Form.tokenField], ConstantTime.areEqual(token, try loggedIn().formToken) else {
            throw Problem(.forbidden, "the form is not from this session", advice: "open the page again and repeat it")
        }
        return fields
    }

    func owner() throws -> Owner {
        guard let owner = Owner(try parameters.require("owner")) else {
            throw Problem(.badRequest, "the owner: \(Owner.sentence)")
        }
        return owner
    }
}

extension FormFields {
    /// 0 to 1000000.
    func quantity(_ name: String) throws -> Int {
        guard let value = self[name].flatMap({ Int($0) }), (0...1_000_000).contains(value) else {
            throw Problem(.badRequest, "\(name) must be a whole number from 0 to 1000000")
        }
        return value
    }
}
