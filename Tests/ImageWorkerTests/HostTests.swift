import GoldsmithTestSupport
import ImageCore
import ImageSimulation
import Testing

@testable import ImageWorker

@Suite("Jobs of a host are done there, and others go on without it", .timeLimit(.minutes(30)))
struct HostTests {
    private static let hosts = ["h1", "h2", "h3"].map { HostName(known: $0) }

    private func worker(of host: HostName?, in rig: Rig) -> TestWorker {
        rig.worker(
            "on-\(host?.text ?? "none")",
            adjust: { options in
                (options.host, options.lanes) = (host, LaneList.served(on: host))
                options.installation = LaneList(hosts: Self.hosts)
            }
        )
    }

    /// Lets the workers do what is in their lanes until nothing moves any more.
    private func run(_ workers: [TestWorker], in rig: Rig) async throws {
        for _ in 0..<200 {
            rig.broker.turn()
            let work = workers.flatMap { worker in
                rig.broker.busyLanes.filter(worker.context.options.lanes.contains).map { (worker, $0) }
            }
            guard let (worker, lane) = work.first else { return }
            await worker.work(lane)
        }
        Issue.record("they never rest")
    }

    private func image(of instance: String, in rig: Rig) async throws -> Image {
        var query = ImageQuery(limit: 1)
        query.instanceID = InstanceID(known: instance)
        return try #require(try await rig.store.images(query).first)
    }

    @Test("of three hosts, the jobs of one without a worker wait and use no attempt, until its worker comes")
    func withoutWorker() async throws {
        let rig = try await Rig(hosts: Self.hosts)
        let instances = ["i-sim-acct1-h1-a", "i-sim-acct1-h2-a", "i-sim-acct1-h3-a"]
        for (number, id) in instances.enumerated() {
            rig.request(id: "r\(number)", ["instanceId": .string(id), "owner": .string("acct1")])
        }
        try await run([worker(of: Self.hosts[0], in: rig), worker(of: Self.hosts[1], in: rig)], in: rig)
        for (id, status) in zip(instances, [ImageStatus.available, .available, .pending]) {
            let image = try await image(of: id, in: rig)
            #expect(image.status == status, "\(id)")
            #expect(image.ledger.allSatisfy { $0.resource.host == image.plan.host })
        }
        // However long it takes: the sweeper leaves alone what lies in its queue.
        for _ in 0..<20 {
            rig.time.advance(by: .seconds(600))
            await worker(of: Self.hosts[0], in: rig).sweep()
        }
        let waiting = try await image(of: instances[2], in: rig)
        #expect(waiting.jobs[.stopCheck]?.attempt == 1 && waiting.status == .pending && waiting.fence == 0)
        #expect(rig.broker.ready(.job(.stopCheck, on: Self.hosts[2])).count == 1)

        try await run([worker(of: Self.hosts[2], in: rig)], in: rig)
        let made = try await image(of: instances[2], in: rig)
        #expect(made.status == .available && made.jobs.values.allSatisfy { $0.attempt == 1 })
    }

    @Test("a job of a lane without a queue waits, uses no attempt, says why, and goes on once there is one")
    func withoutQueue() async throws {
        let rig = try await Rig(hosts: Self.hosts)
        rig.broker.install(LaneList(hosts: Array(Self.hosts.prefix(2))))
        rig.request(.create, ["instanceId": .string("i-sim-acct1-h3-a"), "owner": .string("acct1")])
        let workers = Self.hosts.map { worker(of: $0, in: rig) }
        for _ in 0..<10 {
            try await run(workers, in: rig)
            rig.time.advance(by: .seconds(31))
            await workers[0].sweep()
        }
        let waiting = try await rig.image()
        #expect(waiting.status == .pending && waiting.jobs[.stopCheck]?.attempt == 1 && waiting.fence == 0)
        #expect(waiting.jobs[.stopCheck]?.reason?.contains("no queue for the lane stop-check@h3") == true)
        #expect(rig.log.text.contains("lane missing on the broker, its job waits"))
        #expect(try await rig.store.deadLetters(DeadLetterQuery(kinds: [.unrouted, .parked])).isEmpty)

        rig.broker.install(LaneList(hosts: Self.hosts))
        for _ in 0..<3 {
            rig.time.advance(by: .seconds(31))
            try await run(workers, in: rig)
        }
        #expect(try await rig.image().status == .available)
    }

    @Test("a job that runs while its lane loses its queue is rechecked, and does not begin to wait")
    func runningWithoutQueue() async throws {
        let rig = try await Rig(hosts: Self.hosts)
        rig.request(.create, ["instanceId": .string("i-sim-acct1-h3-a"), "owner": .string("acct1")])
        let worker = worker(of: Self.hosts[0], in: rig)
        await worker.work(.intake)
        let own = Lane.job(.stopCheck, on: Self.hosts[2])
        let message = try #require(rig.broker.ready(own).first?.message)
        let job = try #require(JobMessage(parsing: message.body))
        let claim = JobClaim(job, by: WorkerID(known: "on-h3"), nonce: 1, lease: .seconds(60))
        let begun = try await rig.store.begin(claim, in: worker.context.transitionContext())
        guard case .granted = begun else { return #expect(Bool(false), "\(begun)") }
        rig.broker.purge(own)
        rig.broker.send(message, to: .unrouted)
        await worker.work(.unrouted)
        #expect(try await rig.image().jobs[.stopCheck]?.waiting == nil && rig.broker.unacked == 0)
        #expect(try await rig.store.deadLetters(DeadLetterQuery(kinds: [.unrouted, .parked])).isEmpty)
        rig.time.advance(by: .seconds(31))
        rig.broker.turn()
        #expect(rig.broker.ready(own).count == 1, "it comes round again")
    }

    @Test("a message that somebody has put into another host's queue goes to its own, and the job is done once")
    func otherLane() async throws {
        let rig = try await Rig(hosts: Self.hosts)
        rig.request(.create, ["instanceId": .string("i-sim-acct1-h1-a"), "owner": .string("acct1")])
        let workers = Self.hosts.map { worker(of: $0, in: rig) }
        await workers[0].work(.intake)
        let own = Lane.job(.stopCheck, on: Self.hosts[0])
        let message = try #require(rig.broker.ready(own).first?.message)
        rig.broker.purge(own)
        rig.broker.send(message, to: .job(.stopCheck, on: Self.hosts[1]))
        await workers[1].work(.job(.stopCheck, on: Self.hosts[1]))
        #expect(rig.broker.ready(own).count == 1 && rig.broker.unacked == 0)
        try await run(workers, in: rig)
        #expect(try await rig.image().status == .available)
    }

    @Test(
        "what needs a host that was taken out of the installation is refused, and says so",
        arguments: [Operation.launch, .convert, .prove]
    )
    func hostTakenOut(operation: Operation) async throws {
        let rig = try await Rig(hosts: Self.hosts)
        rig.request(.create, ["instanceId": .string("i-sim-acct1-h3-a"), "owner": .string("acct1")])
        try await run(Self.hosts.map { worker(of: $0, in: rig) }, in: rig)
        let image = try await rig.image()
        #expect(image.status == .available)
        let left = rig.worker(
            "on-h1",
            adjust: { options in
                (options.host, options.lanes) = (Self.hosts[0], LaneList.served(on: Self.hosts[0]))
                options.installation = LaneList(hosts: Array(Self.hosts.prefix(2)))
            }
        )
        rig.request(operation, id: "again", ["owner": .string("acct1"), "imageId": .string(image.id.text)])
        await left.work(.intake)
        let answer = try #require(try rig.answers().last)
        #expect(answer.code == .failedPrecondition && answer.field == "imageId", "\(answer)")
        #expect(answer.message?.contains("host h3") == true)
    }

    @Test("a host that is broken opens the breaker of its own lane, and of no other")
    func breakers() {
        let breakers = OutageBreakers()
        let failure = StepFailure(.transient, .unavailable, "its libvirt does not answer")
        let lanes = [Lane.job(.systemDisk, on: Self.hosts[0]), .job(.systemDisk, on: Self.hosts[1]), .job(.systemDisk)]
        let judged = (1...5).map { breakers.failed(lanes[0], ImageID(known: "img-\($0)"), failure).disposition }
        #expect(judged == [.transient, .transient, .transient, .transient, .throttled])
        for lane in lanes.dropFirst() {
            #expect(breakers.failed(lane, ImageID(known: "img-9"), failure).disposition == .transient)
        }
        breakers.succeeded(lanes[1])
        #expect(breakers.failed(lanes[0], ImageID(known: "img-6"), failure).disposition == .throttled)
        breakers.succeeded(lanes[0])
        #expect(breakers.failed(lanes[0], ImageID(known: "img-6"), failure).disposition == .transient)
    }

    @Test("a rehearsal on another host tells what it can, and says that nobody has looked into the disks")
    func rehearsal() async throws {
        let rig = try await Rig(hosts: Self.hosts)
        rig.request(
            .create,
            ["instanceId": .string("i-sim-acct1-h2-a"), "owner": .string("acct1"), "dryRun": .bool(true)]
        )
        await worker(of: Self.hosts[0], in: rig).work(.intake)
        let answer = try #require(try rig.answers().first)
        #expect(answer.status == .accepted)
        #expect(answer.dryRun?.findings.contains { $0.code == .notChecked } == true)
    }
}
