import GoldsmithTestSupport
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import ImageDrivers
import ImageSimulation
import ImageStore
import Logging
import SQLAccess

@testable import OperatorConsole

/// A console over a real store, with time in our hands.
struct Rig {
    static let start = Timestamp(microseconds: 1_700_000_000_000_000)
    static let operatorToken = String(repeating: "a1", count: 32)
    static let viewerToken = String(repeating: "b2", count: 32)
    /// Far cheaper than the real thing: tests log in often.
    static let cheap = HashedSecret.Cost(logRounds: 10, blockSize: 1, parallelism: 1)

    let folder: ScratchFolder
    let store: any ImageStore & ImageListing
    let time = ManualTime(start)
    let watch = ConsoleWatch(version: "1.2.3", at: start)
    let console: Console

    init(origin: WebOrigin? = nil) async throws {
        folder = try ScratchFolder()
        store = try await SQLImageStore(on: try SQLiteDatabase(path: folder.file("state.sqlite")))
        let driver = SimulatedDriver(
            locations: [LocationName(known: "east")],
            folder: folder.file("simulated"),
            impliesInstances: false,
            faults: SimulatedFaults(seed: 1)
        )
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        console = try Console(
            options: ConsoleOptions(address: .standard, origin: origin),
            accounts: try Self.accounts(),
            store: store,
            driver: driver,
            desk: StubDesk(),
            time: time,
            watch: watch,
            logger: logger
        )
    }

    static func accounts() throws -> Accounts {
        Accounts(
            [
                Account(name: "olga", role: .operator, secret: try .ofPassword("correct horse", cost: cheap)),
                Account(name: "vera", role: .viewer, secret: try .ofPassword("battery staple", cost: cheap)),
                Account(name: "robot", role: .operator, secret: .ofToken(operatorToken)),
                Account(name: "watcher", role: .viewer, secret: .ofToken(viewerToken)),
            ].compactMap { $0 }
        )
    }

    func run(_ body: @Sendable (Browser) async throws -> Void) async throws {
        try await console.application().test(.router) { client in try await body(Browser(client: client)) }
        withExtendedLifetime(folder) {}
    }

    /// Accepts the making of an image.
    @discardableResult
    func take(_ number: Int, owner: String = "acct-1", name: String = "golden", details: String = "") async throws
        -> ImageID
    {
        let owner = Owner(known: owner)
        var request = CreateRequest(
            requestID: RequestID(known: "r\(number)"),
            owner: owner,
            instanceID: InstanceID(known: "i-\(number)"),
            name: name
        )
        request.details = details
        let id = ImageID(known: "img-\(number)")
        let disk = Disk(device: .system, kind: .local, sizeBytes: 1 << 30)
        let plan = try Plan.make(
            for: request,
            instance: Instance(id: request.instanceID, owner: owner, status: .stopped, disks: [disk]),
            knownLocations: [LocationName(known: "east")]
        )
        let circumstances = Circumstances(now: time.now() + .seconds(Int64(number)))
        _ = try await store.accept(request, as: id, plan: plan, reply: nil, in: circumstances)
        return id
    }

    /// Routing keys of what waits to be sent.
    var waiting: [String] {
        get async throws { try await store.unsent(before: Timestamp(microseconds: .max), limit: 100).map(\.routingKey) }
    }

    /// Makes the image fail in its stop-check.
    func fail(_ id: ImageID, _ failure: StepFailure) async throws {
        let circumstances = Circumstances(now: time.now() + .seconds(60))
        let message = JobMessage(imageId: id, job: .stopCheck, attempt: 1)
        let beginning = try await store.begin(
            message,
            by: WorkerID(known: "w1"),
            nonce: 1,
            lease: .seconds(15),
            in: circumstances
        )
        guard case .granted(let grant, _) = beginning else { return }
        _ = try await store.apply(
            .failed(.stopCheck, fence: grant.fence, failure, discarded: true),
            to: id,
            in: circumstances
        )
        _ = try await store.apply(.deadLettered(.stopCheck, attempt: 1, failure), to: id, in: circumstances)
    }
}

/// One queue that nobody serves.
struct StubDesk: OperatorDesk {
    func queues() async throws(DeskError) -> [QueueStanding] {
        [QueueStanding(name: "goldsmith.intake", purpose: "requests", role: .work, ready: 3, consumers: 0)]
    }
}

/// A client that keeps cookies and fills in forms, as a browser does.
struct Browser: Sendable {
    let client: any TestClientProtocol

    func get(_ address: String, cookie: String? = nil, headers: HTTPFields = [:]) async throws -> TestResponse {
        var headers = headers
        headers[.cookie] = cookie
        return try await client.execute(uri: address, method: .get, headers: headers)
    }

    func post(
        _ address: String,
        _ fields: [(String, String)],
        cookie: String? = nil,
        headers: HTTPFields = [:]
    ) async throws -> TestResponse {
        var headers = headers
        headers[.cookie] = cookie
        headers[.contentType] = "application/x-www-form-urlencoded"
        let body = fields.map { "\(URLText.encoded($0.0))=\(URLText.encoded($0.1))" }.joined(separator: "&")
        return try await client.execute(uri: address, method: .post, headers: headers, body: ByteBuffer(string: body))
    }

    /// - Returns: the answer to the login's form.
    func tryToLogIn(_ fields: (String, String)..., headers: HTTPFields = [:]) async throws -> TestResponse {
        let page = try await get("/login")
        return try await post(
            "/login",
            [(Form.tokenField, page.formToken)] + fields,
            cookie: page.cookie,
            headers: headers
        )
    }

    /// - Returns: the session's cookie.
    func logIn(_ name: String, _ password: String) async throws -> String {
        let answer = try await tryToLogIn(("name", name), ("password", password))
        guard answer.status == .seeOther, let cookie = answer.cookie else { throw NotLoggedIn(status: answer.status) }
        return cookie
    }

    func logInAsOperator() async throws -> String { try await logIn("olga", "correct horse") }
    func logInAsViewer() async throws -> String { try await logIn("vera", "battery staple") }

    struct NotLoggedIn: Error { var status: HTTPResponse.Status }
}

extension TestResponse {
    var text: String { String(buffer: body) }

    /// Name and value of the cookie that is set.
    var cookie: String? { headers[.setCookie]?.split(separator: ";").first.map(String.init) }

    /// What the first form of the page carries.
    var formToken: String {
        guard let name = text.firstRange(of: "name=\"\(Form.tokenField)\" value=\"") else { return "" }
        return String(text[name.upperBound...].prefix { $0 != "\"" })
    }
}
