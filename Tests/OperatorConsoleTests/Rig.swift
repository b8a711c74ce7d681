import GoldsmithTestSupport
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import ImageCore
import ImageDrivers
import ImageSimulation
import ImageStore
import Logging
import Operations
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
    let store: any ImageStore
    let time = ManualTime(start)
    let telemetry = ConsoleTelemetry(version: "1.2.3", at: start)
    let console: Console

    init(
        origin: WebOrigin? = nil,
        proxies: TrustedProxies = .none,
        answerWithin: Duration = .zero
    ) async throws {
        folder = try ScratchFolder()
        store = try await SQLImageStore(on: try SQLiteDatabase(path: folder.file("state.sqlite")), clock: time)
        let driver = SimulatedDriver(
            locations: [LocationName(known: "east")],
            folder: folder.file("simulated"),
            impliesInstances: false,
            faults: SimulatedFaults(seed: 1)
        )
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        console = try Console(
            options: ConsoleOptions(
                address: .standard,
                origin: origin,
                proxies: proxies,
                answerWithin: answerWithin
            ),
            accounts: try Self.accounts(),
            store: store,
            driver: driver,
            broker: StubBrokerStatus(),
            time: time,
            telemetry: telemetry,
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

    /// - Parameter overTCP: whether requests have an address that they come from: this machine's.
    func run(overTCP: Bool = false, _ body: @Sendable (Browser) async throws -> Void) async throws {
        try await console.application().test(overTCP ? .live : .router) { client in
            try await body(Browser(client: client))
        }
        withExtendedLifetime(folder) {}
    }

    /// Accepts the making of an image.
    @discardableResult
    func take(
        _ number: Int,
        owner: String = "acct-1",
        name: String = "golden",
        details: String = "",
        dataDisks: Int = 0
    )
        async throws -> ImageID
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
        let disks = (0...dataDisks).compactMap { DeviceName(position: $0) }.map { device in
            Disk(device: device, kind: device.isSystem ? .local : .cloud, sizeBytes: 1 << 30)
        }
        request.dataDisks = .all
        let plan = try Plan.make(
            for: request,
            instance: Instance(id: request.instanceID, owner: owner, status: .stopped, disks: disks),
            knownLocations: [Location(LocationName(known: "east"))]
        )
        let context = TransitionContext(now: time.now() + .seconds(Int64(number)))
        _ = try await store.accept(request, as: id, plan: plan, reply: nil, in: context)
        return id
    }

    /// Routing keys of what waits to be sent.
    var waiting: [String] {
        get async throws { try await store.unsent(before: Timestamp(microseconds: .max), limit: 100).map(\.routingKey) }
    }

    private static func claim(_ message: JobMessage) -> JobClaim {
        JobClaim(message, by: WorkerID(known: "w1"), nonce: 1, lease: .seconds(15))
    }

    /// Does every job of the image, so that it is Available.
    func finish(_ id: ImageID) async throws {
        let context = TransitionContext(now: time.now() + .seconds(60))
        while let image = try await store.image(id),
            let job = image.jobs.filter({ $0.value.phase == .waiting }).keys.min()
        {
            let message = JobMessage(imageId: id, job: job, attempt: image.jobs[job]?.attempt ?? 1)
            let begun = try await store.begin(Self.claim(message), in: context)
            guard case .granted(let jobLease, _) = begun else { return }
            let output: JobOutput
            if let resource = jobLease.resource, let location = job.location {
                output = .replicated(Replica(resource: resource, location: location, files: []))
            } else if let resource = jobLease.resource, let device = job.device {
                output = .captured(
                    Capture(
                        resource: resource,
                        device: device,
                        virtualSizeBytes: 1 << 30,
                        fileSizeBytes: 1 << 20,
                        sha256: String(repeating: "a", count: 64),
                        guest: GuestResult(
                            inspection: device.isSystem
                                ? .seen(GuestFacts(volumes: [], systems: [.init(root: "/dev/sda1")])) : nil
                        )
                    )
                )
            } else if job.step == .bootProof {
                output = .observed(
                    BootObservation(
                        end: .sign,
                        sign: .emergencyShell,
                        milliseconds: 20_000,
                        isEmulated: false,
                        firmware: .bios
                    )
                )
            } else {
                output = .checked([])
            }
            _ = try await store.apply(.succeeded(job, fence: jobLease.fence, output), to: id, in: context)
        }
    }

    /// Requests that wait to be sent.
    var requests: [OutgoingMessage] {
        get async throws {
            try await store.unsent(before: Timestamp(microseconds: .max), limit: 100)
                .filter { $0.destination == .requests }
        }
    }

    /// Answers a request as a worker does.
    func record(_ answer: Answer, to message: OutgoingMessage) async throws {
        guard let operation = Operation(rawValue: message.routingKey) else { return }
        let request = try ImageCore.Request.parse(
            operation,
            contentType: message.contentType,
            messageID: message.id,
            body: Array(message.body.utf8)
        )
        _ = try await store.record(answer, to: request, reply: nil, in: TransitionContext(now: time.now()))
    }

    /// A worker that answers all that comes the same way, while `body` runs. Time passes meanwhile.
    /// - Returns: what `body` does, and the requests that were answered.
    func answering<Value: Sendable>(
        _ answer: Answer,
        while body: @escaping @Sendable () async throws -> Value
    ) async throws -> (value: Value, requests: [OutgoingMessage]) {
        try await withThrowingTaskGroup(of: [OutgoingMessage].self) { group in
            group.addTask {
                var answered: [OutgoingMessage] = []
                while !Task.isCancelled {
                    for request in try await requests {
                        try await record(answer, to: request)
                        try await store.markSent([request])
                        answered.append(request)
                    }
                    time.advance(by: .milliseconds(100))
                    await Task.yield()
                }
                return answered
            }
            let value = try await body()
            group.cancelAll()
            return (value, try await group.next() ?? [])
        }
    }

    /// Makes the image fail in its stop-check.
    func fail(_ id: ImageID, _ failure: StepFailure) async throws {
        let context = TransitionContext(now: time.now() + .seconds(60))
        let message = JobMessage(imageId: id, job: .stopCheck, attempt: 1)
        let begun = try await store.begin(Self.claim(message), in: context)
        guard case .granted(let jobLease, _) = begun else { return }
        _ = try await store.apply(
            .failed(.stopCheck, fence: jobLease.fence, failure, discarded: true),
            to: id,
            in: context
        )
        _ = try await store.apply(.deadLettered(.stopCheck, attempt: 1, failure), to: id, in: context)
    }
}

/// One queue that no worker serves.
struct StubBrokerStatus: BrokerStatusProvider {
    func queues() async throws(BrokerStatusError) -> [QueueStatus] {
        [QueueStatus(name: "goldsmith.intake", purpose: "requests", role: .work, ready: 3, consumers: 0)]
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
    var formToken: String { value(of: Form.tokenField) }

    /// What the first hidden field of that name holds.
    func value(of field: String) -> String {
        guard let name = text.firstRange(of: "name=\"\(field)\" value=\"") else { return "" }
        return String(text[name.upperBound...].prefix { $0 != "\"" })
    }
}
