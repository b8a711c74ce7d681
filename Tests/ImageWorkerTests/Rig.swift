import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import ImageStore
import Logging
import SQLAccess
import Testing
import Tracing

@testable import ImageWorker

/// A whole system under test: a real store on a file, a simulated compute system, a broker in memory, manual time.
struct Rig: Sendable {
    let time = ManualTime()
    let broker: FakeBroker
    let store: any ImageStore
    let driver: SimulatedDriver
    let dice: SharedDice
    let log = RecordingLog()
    private let folder: ScratchFolder

    init(seed: UInt64 = 1, faults: SimulatedFaults = SimulatedFaults(), deliveryLimit: Int = 20, hosts: [HostName] = [])
        async throws
    {
        folder = try ScratchFolder()
        broker = FakeBroker(time: time, deliveryLimit: deliveryLimit, lanes: LaneList(hosts: hosts))
        store = try await SQLImageStore(on: try SQLiteDatabase(path: folder.file("state.sqlite")), clock: time)
        driver = SimulatedDriver(
            locations: ["east", "west"].compactMap { LocationName($0) },
            hosts: hosts,
            impliesInstances: !hosts.isEmpty,
            faults: faults
        )
        dice = SharedDice(seed: seed)
        try addInstance("i-web1")
    }

    func addInstance(_ id: String, owner: String = "acct-1", status: InstanceStatus = .stopped) throws {
        let disk = { (name: String, kind: DiskKind) throws in
            Disk(device: try #require(DeviceName(name)), kind: kind, sizeBytes: 1 << 30)
        }
        try driver.add(
            Instance(
                id: InstanceID(known: id),
                owner: Owner(known: owner),
                status: status,
                disks: [try disk("/dev/vda", .local), try disk("/dev/vdb", .cloud), try disk("/dev/vdc", .cloud)]
            )
        )
    }

    func worker(
        _ name: String = "w1",
        plan: CrashPlan = CrashPlan(),
        time: (any Timekeeper)? = nil,
        store: Interceptor? = nil,
        driver: Interceptor? = nil,
        tracer: any Tracer = NoOpTracer(),
        adjust: (inout WorkerOptions) -> Void = { _ in }
    ) -> TestWorker {
        var options = WorkerOptions(id: WorkerID(known: name))
        // No task of its own runs beside a test's deliveries.
        options.markSentEvery = .zero
        adjust(&options)
        let dice = dice
        let own: any ImageDriver = options.host.map { self.driver.seen(from: $0) } ?? self.driver
        let context = WorkerContext(
            options: options,
            store: plan.store(store.map { InterceptedStore(self.store, $0) } ?? self.store),
            driver: plan.driver(driver.map { InterceptingDriver(own, JudgedCalls($0)) } ?? own),
            publisher: plan.publisher(broker),
            time: StoreTime(plan.time(time ?? self.time)),
            random: { dice.share() },
            logger: log.logger,
            tracer: tracer
        )
        return TestWorker(context: context, broker: broker, plan: plan)
    }

    // MARK: Requests

    /// Sends a request as an upstream does.
    func request(
        _ operation: Operation = .create,
        id: String = "r1",
        _ fields: [String: JSONValue] = [:],
        replyTo: String? = "answers",
        userID: String? = nil,
        trace: TraceContext? = nil
    ) {
        var body: [String: JSONValue] = ["requestId": .string(id), "owner": .string("acct-1")]
        if operation == .create {
            body["instanceId"] = .string("i-web1")
            body["name"] = .string("golden")
            body["dataDisks"] = .string("all")
        }
        body.merge(fields) { $1 }
        var message = IncomingMessage(
            routingKey: operation.rawValue,
            messageID: id,
            correlationID: "corr-\(id)",
            replyTo: replyTo,
            userID: userID,
            body: CanonicalJSON.bytes(JSONValue.object(body))
        )
        message.trace = trace
        broker.send(message)
    }

    /// The only image there is.
    func image() async throws -> Image {
        let images = try await store.images(ImageQuery())
        try #require(images.count == 1, "there are \(images.count) images")
        return images[0]
    }

    /// The answers sent so far, without repetitions.
    func answers() throws -> [Answer] {
        var answers: [Answer] = []
        for reply in broker.replies {
            let answer = try CanonicalJSON.decode(Answer.self, from: reply.body.utf8)
            if !answers.contains(answer) { answers.append(answer) }
        }
        return answers
    }

    // MARK: Running

    /// Lets one worker after another do all there is to do, one delivery at a time, until nothing moves any more.
    /// - Parameter next: makes the worker that follows one which died.
    func run(_ first: TestWorker, then next: () -> TestWorker) async throws {
        var worker = first
        for _ in 0..<3000 {
            broker.turn()
            let lanes = broker.busyLanes
            if !lanes.isEmpty {
                await worker.work(lanes[dice.number(below: lanes.count)])
            } else if try await isAtRest() {
                return
            } else {
                let pause = time.now() + worker.context.options.sweepEvery
                time.advance(by: min(broker.nextDue ?? pause, pause) - time.now())
                await worker.sweep()
            }
            if worker.plan.isDead {
                broker.lose(worker.name)
                worker = next()
            }
        }
        Issue.record("nothing came to rest; seed \(dice.seed)")
    }

    func run(_ worker: TestWorker) async throws { try await run(worker, then: { worker }) }

    /// Takes the request in and gets it past its stop-check, so that the captures wait in their queues.
    func startCapturing(by worker: TestWorker? = nil) async {
        request()
        let worker = worker ?? self.worker("starter")
        await worker.work(.intake)
        await worker.work(.job(.stopCheck))
    }

    /// Lets time pass second by second, and after each waits until the woken tasks have finished.
    func pass(seconds: Int, until isQuiet: @Sendable () async throws -> Bool) async throws {
        for _ in 0..<seconds {
            time.advance(by: .seconds(1))
            try await becomesTrue(isQuiet)
        }
    }

    /// As above, until every lease is renewed and this many tasks sleep again.
    func passRenewing(seconds: Int, sleepers: Int) async throws {
        let (time, store) = (time, store)
        try await pass(seconds: seconds) {
            guard time.sleepers == sleepers, let image = try await store.images(ImageQuery()).first
            else { return false }
            return try await store.leases(of: image.id).allSatisfy { $0.expiresAt == time.now() + .seconds(15) }
        }
    }

    private func isAtRest() async throws -> Bool {
        guard broker.nextDue == nil, broker.unacked == 0, try await unsent().isEmpty else { return false }
        return try await store.images(ImageQuery()).allSatisfy { $0.wakeAt == nil }
    }

    func unsent() async throws -> [OutgoingMessage] {
        try await store.unsent(before: Timestamp(microseconds: .max), limit: .max)
    }
}

/// One worker process, its deliveries handed to it by the test.
struct TestWorker: Sendable {
    let context: WorkerContext
    let broker: FakeBroker
    let plan: CrashPlan

    var name: String { context.options.id.text }

    /// Takes the next delivery of a lane, if there is one, and handles it to its end.
    func work(_ lane: Lane) async {
        guard let delivery = broker.take(lane, by: name) else { return }
        await handle(plan.delivery(delivery), lane)
    }

    func handle(_ delivery: any IncomingDelivery, _ lane: Lane) async {
        switch lane {
        case .intake: await Intake(context: context).handle(delivery)
        case .job: await StepRunner(context: context, lane: lane).handle(delivery)
        case .deadLetters: await DeadLetterHandler(context: context).handle(delivery)
        case .parked: await DeadLetterRecorder(context: context, kind: .parked).handle(delivery)
        case .unrouted: await DeadLetterRecorder(context: context, kind: .unrouted).handle(delivery)
        }
    }

    func sweep() async { try? await Sweeper(context: context, inspector: broker).sweep() }
}
