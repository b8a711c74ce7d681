import HTTPTypes
import Hummingbird
import ImageCore
import Logging
import Operations

/// The JSON interface for programs, `/api/v1`. A contract: fields and paths are only ever added. `Assets/openapi.json`
/// describes it.
struct InterfaceRoutes: Sendable {
    static let maximumLimit = 500

    let pages: Pages
    let access: Access
    let time: any Timekeeper
    let decisions: DeadLetterDecisions
    let requests: RequestClient

    func add(to router: Router<ConsoleContext>) {
        let root = router.group("/api/v1")
        root.get("openapi.json") { _, _ in Response.bytes(PackageResources.openapi_json, type: "application/json") }

        let inside = root.group().add(middleware: BearerGuard(access: access))
        inside.get("overview") { _, _ in try await overview() }
        inside.get("images") { request, _ in try await images(request) }
        inside.get("images/:id") { _, context in try await image(context) }
        inside.get("images/:id/history") { _, context in try await history(context) }
        ActionInterface(pages: pages, requests: requests).add(to: inside)
        inside.get("instances") { _, _ in try await instances() }
        inside.get("locks") { _, _ in try await locks() }
        inside.get("workers") { _, _ in try await workers() }
        inside.get("dead-letters") { request, _ in try await deadLetters(request) }
        inside.get("dead-letters/:id") { _, context in
            Response.json(try await pages.deadLetter(try context.deadLetterID()))
        }
        inside.post("dead-letters/:id/replay") { request, context in
            let fields = try await request.object(["force"])
            let who = try context.operatingAccount()
            return try await decisions.replay(
                try context.deadLetterID(),
                by: who,
                force: fields["force"] == .bool(true),
                context
            )
        }
        inside.post("dead-letters/:id/discard") { request, context in
            let fields = try await request.object(["note"])
            let who = try context.operatingAccount()
            return try await decisions.discard(
                try context.deadLetterID(),
                by: who,
                note: fields["note"]?.string,
                context
            )
        }
        inside.get("quotas") { _, _ in try await quotas() }
        inside.put("quotas/:owner") { request, context in try await setQuota(request, context) }
    }

    // MARK: Looking

    private struct OverviewDocument: Encodable {
        var images: [String: Int]
        var alarms: [Alarm]
        var queues: [QueueStatus]
    }

    private func overview() async throws -> Response {
        let page = try await stored { () async throws(StoreError) in try await pages.overview(at: time.now()) }
        let counts = ImageStatus.allCases.map { ($0.rawValue, page.counts[$0] ?? 0) }
        return .json(
            OverviewDocument(
                images: Dictionary(uniqueKeysWithValues: counts),
                alarms: page.alarms,
                queues: page.queues.queues
            )
        )
    }

    private func images(_ request: Request) async throws -> Response {
        struct Document: Encodable {
            var images: [ImageView]
            var nextPage: ImagePage?
        }
        guard let fields = FormFields(parsing: request.uri.query ?? ""), let query = ImageQuery(fields) else {
            throw Problem(
                .badRequest,
                "status, owner, instance or page is not what it must be",
                advice: "see \(Route.document.address)"
            )
        }
        let limit = fields["limit"].map { Int($0) } ?? Pages.imagesPerPage
        guard let limit, (1...Self.maximumLimit).contains(limit) else {
            throw Problem(.badRequest, "limit must be a whole number from 1 to \(Self.maximumLimit)")
        }
        let (images, next) = try await stored { () async throws(StoreError) in
            try await pages.images(query, limit: limit)
        }
        return .json(Document(images: images.map { ImageView($0) }, nextPage: next))
    }

    private func image(_ context: ConsoleContext) async throws -> Response {
        let id = try context.imageID()
        let (image, leases) = try await stored { () async throws(StoreError) in
            (try await pages.store.image(id), try await pages.store.leases(of: id))
        }
        guard let image else { throw Problem.noImage(id.text) }
        let workers = try await stored { () async throws(StoreError) in try await pages.store.workers() }
        return .json(ImageView(image, leases: leases, workers: workers))
    }

    private func history(_ context: ConsoleContext) async throws -> Response {
        struct Document: Encodable { var events: [CloudEvent] }
        let id = try context.imageID()
        let (image, journal) = try await stored { () async throws(StoreError) in
            (try await pages.store.image(id), try await pages.store.journal(of: id, after: 0))
        }
        guard let image else { throw Problem.noImage(id.text) }
        return .json(Document(events: journal.map { CloudEvent($0, of: image) }))
    }

    private func instances() async throws -> Response {
        struct Document: Encodable { var instances: [Instance] }
        do throws(StepFailure) {
            return .json(Document(instances: try await pages.driver.instances()))
        } catch {
            throw Problem(error)
        }
    }

    private func locks() async throws -> Response {
        struct Document: Encodable { var locks: [Lock] }
        return .json(Document(locks: try await stored { () async throws(StoreError) in try await pages.store.locks() }))
    }

    private func quotas() async throws -> Response {
        struct Document: Encodable { var quotas: [QuotaUsage] }
        return .json(
            Document(
                quotas: try await stored { () async throws(StoreError) in
                    try await pages.store.quotas(limit: QuotasPage.limit)
                }
            )
        )
    }

    private func workers() async throws -> Response {
        struct Document: Encodable { var workers: [WorkerStatus] }
        return .json(
            Document(workers: try await stored { () async throws(StoreError) in try await pages.store.workers() })
        )
    }

    private func deadLetters(_ request: Request) async throws -> Response {
        struct Document: Encodable { var deadLetters: [DeadLetter] }
        guard let fields = FormFields(parsing: request.uri.query ?? ""), let filter = DeadLetterFilter(fields) else {
            throw Problem(
                .badRequest,
                "kind, state or owner is not what it must be",
                advice: "see \(Route.document.address)"
            )
        }
        let deadLetters = try await stored { () async throws(StoreError) in
            try await pages.store.deadLetters(filter.query(limit: Self.maximumLimit))
        }
        return .json(Document(deadLetters: deadLetters))
    }

    // MARK: Changing

    private func setQuota(_ request: Request, _ context: ConsoleContext) async throws -> Response {
        let account = try context.operatingAccount()
        let owner = try context.owner()
        let fields = try await request.object(["images", "snapshots"])
        guard let images = fields["images"]?.quantity,
            let snapshots = fields["snapshots"]?.quantity
        else {
            throw Problem(.badRequest, "the body must be images and snapshots, whole numbers from 0 to 1000000")
        }
        let usage = try await stored { () async throws(StoreError) in
            try await pages.store.setQuota(of: owner, to: QuotaLimits(images: images, snapshots: snapshots))
            return try await pages.store.quota(of: owner)
        }
        context.logger.notice("quota set", metadata: ["by": "\(account)", "owner": "\(owner)"])
        return .json(usage)
    }

    private func stored<Value>(_ operation: () async throws(StoreError) -> Value) async throws -> Value {
        do throws(StoreError) { return try await operation() } catch { throw Problem(error) }
    }
}

/// Programs bring a token each time; a browser that is logged in may look. A change needs the token, which no other
/// site's page can add.
struct BearerGuard: RouterMiddleware {
    let access: Access

    func handle(_ request: Request, context: ConsoleContext, next: Next) async throws -> Response {
        var context = context
        if let account = access.bearer(of: request) {
            context.program = account
        } else if request.method == .get, let (_, session) = access.session(of: request) {
            context.session = session
        } else {
            throw Problem(
                .unauthorized,
                "a token is needed",
                advice: "send it as `Authorization: Bearer <token>`"
            )
        }
        return try await next(request, context)
    }
}

extension ConsoleContext {
    func imageID() throws -> ImageID {
        let text = try parameters.require("id")
        guard let id = ImageID(text) else { throw Problem.noImage(text) }
        return id
    }

    /// The name of the program's account, if that may change things.
    func operatingAccount() throws -> String {
        guard let program, program.role == .operator else { throw Problem.viewersOnlyLook }
        return program.name
    }
}

extension Request {
    /// The fields of the body, an object; none when there is no body.
    /// - Throws: `Problem` when it is something else.
    func object() async throws -> [String: JSONValue] {
        let bytes = try await bodyBytes()
        guard !bytes.isEmpty else { return [:] }
        guard case .object(let fields)? = JSONValue(parsing: bytes) else {
            throw Problem(.badRequest, "the body must be a JSON object")
        }
        if let key = JSONValue.repeatedKey(in: bytes) {
            let name = PlainText.word(key)
            throw Problem(Rejection(.invalidArgument, "the field '\(name)' stands there twice", field: name))
        }
        return fields
    }

    /// - Throws: `Problem` also when it has other fields than those: a typo must not be ignored.
    fileprivate func object(_ known: Set<String>) async throws -> [String: JSONValue] {
        let fields = try await object()
        if let unknown = fields.keys.filter({ !known.contains($0) }).min() {
            throw Problem(.badRequest, "there is no field '\(PlainText.word(unknown))'")
        }
        return fields
    }
}

extension JSONValue {
    fileprivate var string: String? { if case .string(let text) = self { text } else { nil } }

    fileprivate var quantity: Int? {
        guard case .number(let value) = self, let whole = Int(exactly: value), (0...1_000_000).contains(whole) else {
            return nil
        }
        return whole
    }
}
