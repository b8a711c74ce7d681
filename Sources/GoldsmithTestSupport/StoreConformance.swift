public import ImageCore
import ImageStore
public import SQLAccess

/// An empty database, with as many connections to it as a check needs: each call opens it like another process.
public struct StoreFixture: Sendable {
    public var database: @Sendable () async throws -> any SQLDatabase

    public init(database: @escaping @Sendable () async throws -> any SQLDatabase) { self.database = database }

    /// Another process's store on the same data.
    public func store() async throws -> any ImageStore {
        try await SQLImageStore(on: try await database())
    }
}

/// One rule of the store port, as a check that throws a ``ConformanceFailure`` where a store breaks it.
public struct StoreCheck: Sendable, CustomStringConvertible {
    /// A sentence.
    public let description: String
    public let run: @Sendable (StoreFixture) async throws -> Void

    init(_ description: String, _ run: @escaping @Sendable (StoreFixture) async throws -> Void) {
        self.description = description
        self.run = run
    }
}

/// What the port asks of every store. Each check begins with an empty database.
public enum StoreConformance {
    public static let checks =
        requests + cancelling + operations + jobs + locking + waking + outbox + queries + concurrency + statements
        + deadLetters + workers + statistics + listings + clocks
}

/// The values that checks use.
enum Given {
    static let owner = Owner(known: "acct-1")
    static let start = Timestamp(microseconds: 1_700_000_000_000_000)
    static let lease = Duration.seconds(15)
    static let address = ReplyAddress(queue: "answers", correlationID: "c1")

    static func at(_ seconds: Int64) -> Timestamp { start + .seconds(seconds) }
    static func context(_ seconds: Int64 = 0) -> TransitionContext { TransitionContext(now: at(seconds)) }
    static func worker(_ number: Int) -> WorkerID { WorkerID(known: "w\(number)") }
    static func image(_ number: Int = 1) -> ImageID { ImageID(known: "img-\(number)") }

    static func claim(_ message: JobMessage, by number: Int, nonce: Int64? = nil) -> JobClaim {
        JobClaim(message, by: worker(number), nonce: nonce ?? .random(in: .min ... .max), lease: lease)
    }

    static func request(_ number: Int = 1, owner: Owner = owner, name: String = "golden") -> CreateRequest {
        CreateRequest(
            requestID: RequestID(known: "r\(number)"),
            owner: owner,
            instanceID: InstanceID(known: "i-web1"),
            name: name
        )
    }

    /// A local system disk and cloud data disks, copied to one location.
    static func plan(instance: String = "i-web1", dataDisks: Int = 1) throws -> Plan {
        let owner = owner
        let disks = try (0...dataDisks).map { position in
            Disk(
                device: try value(DeviceName(position: position)),
                kind: position == 0 ? .local : .cloud,
                sizeBytes: 1 << 30
            )
        }
        var request = request()
        request.dataDisks = .all
        return try Plan.make(
            for: request,
            instance: Instance(id: InstanceID(known: instance), owner: owner, status: .stopped, disks: disks),
            knownLocations: [Location(LocationName(known: "east"))]
        )
    }
}

extension ImageStore {
    /// Accepts request and image number `number`.
    @discardableResult
    func take(
        _ number: Int = 1,
        instance: String = "i-web1",
        owner: Owner = Given.owner,
        at seconds: Int64 = 0
    ) async throws -> RequestOutcome {
        try await accept(
            Given.request(number, owner: owner),
            as: Given.image(number),
            plan: try Given.plan(instance: instance),
            reply: nil,
            in: Given.context(seconds)
        )
    }

    func begin(
        _ job: Job,
        of image: Int = 1,
        by worker: Int = 1,
        nonce: Int64? = nil,
        attempt: Int = 1,
        at seconds: Int64 = 0
    ) async throws -> BeginResult {
        let message = JobMessage(imageId: Given.image(image), job: job, attempt: attempt)
        return try await begin(Given.claim(message, by: worker, nonce: nonce), in: Given.context(seconds))
    }

    func grant(_ job: Job, of image: Int = 1, by worker: Int = 1, attempt: Int = 1, at seconds: Int64 = 0)
        async throws -> JobLease
    {
        let begun = try await begin(job, of: image, by: worker, attempt: attempt, at: seconds)
        guard case .granted(let jobLease, _) = begun else {
            throw ConformanceFailure("\(job) of image \(image) is not granted: \(begun)")
        }
        return jobLease
    }

    @discardableResult
    func finish(_ jobLease: JobLease, at seconds: Int64 = 0) async throws -> Applied {
        let output: JobOutput =
            switch jobLease.job {
            case .stopCheck: .checked([])
            case .cleanUp: .cleaned
            case .launch(let instance): jobLease.image.jobs[jobLease.job]?.output == nil ? .built : .launched(instance)
            case .systemDisk, .dataDisk, .convert:
                .captured(
                    Capture(
                        resource: try value(jobLease.resource),
                        device: try value(jobLease.job.device),
                        virtualSizeBytes: 1 << 30,
                        fileSizeBytes: 1 << 20,
                        sha256: String(repeating: "a", count: 64),
                        guest: jobLease.job == .systemDisk
                            ? GuestResult(
                                inspection: .seen(GuestFacts(volumes: [], systems: [.init(root: "/dev/sda1")]))
                            ) : GuestResult()
                    )
                )
            case .replicate(let location):
                .replicated(Replica(resource: try value(jobLease.resource), location: location, files: []))
            case .bootProof:
                .observed(
                    BootObservation(
                        end: .sign,
                        sign: .loginPrompt,
                        milliseconds: 20_000,
                        isEmulated: false,
                        firmware: .bios
                    )
                )
            }
        return try await tell(
            .succeeded(jobLease.job, fence: jobLease.fence, output),
            image: jobLease.image.id,
            at: seconds
        )
    }

    @discardableResult
    func tell(_ event: Event, image: ImageID = Given.image(), at seconds: Int64 = 0) async throws -> Applied {
        try value(try await apply(event, to: image, in: Given.context(seconds)))
    }

    func cancel(_ image: Int, request: Int, owner: Owner = Given.owner) async throws -> Answer {
        let body = ImageRequest(requestID: RequestID(known: "c\(request)"), owner: owner, imageID: Given.image(image))
        return try await ask(.cancel, for: image, .cancel(body)).answer
    }

    /// Asks for something to be done with an image.
    func ask(_ command: ImageCommand, for image: Int = 1, _ request: Request, at seconds: Int64 = 0) async throws
        -> RequestOutcome
    {
        try await grant(
            command,
            for: Given.image(image),
            asked: request,
            reply: nil,
            in: Given.context(seconds)
        )
    }

    /// Everything that waits to be sent.
    func waiting() async throws -> [OutgoingMessage] {
        try await unsent(before: Timestamp(microseconds: .max), limit: .max)
    }

    func present(_ number: Int = 1) async throws -> Image { try value(try await image(Given.image(number))) }
}
