import Testing

@testable import ImageCore

@Suite("A job goes to the lane of the host that has its files")
struct LaneTests {
    private static let hosts = ["h1", "h2", "h3"].map { HostName(known: $0) }
    private static let lanes = LaneList(hosts: hosts)

    @Test("every lane is what it says", arguments: Self.lanes.all)
    func text(lane: Lane) {
        #expect(Lane(lane.description) == lane)
        #expect(Lane(lane.description.uppercased()) == nil)
    }

    @Test(
        "nothing else is a lane",
        arguments: [
            "", "job", "@", "@h1", "replicate@", "replicate@H1", "replicate@h1@h2", "replicate@h1 ", "replicate@-h1",
            "intake@h1", "dead-letters@h1", "parked@h1", "unrouted@h1", "replicate@h1/h2", "replicate@*", "Replicate",
        ]
    )
    func noLane(text: String) { #expect(Lane(text) == nil) }

    @Test("an installation has the lanes of no host, and each step's on each host, once")
    func list() {
        #expect(LaneList().all == LaneList.served(on: nil) && LaneList().all.count == 4 + Step.allCases.count)
        #expect(Self.lanes.all.count == 4 + 4 * Step.allCases.count)
        #expect(Set(Self.lanes.all).count == Self.lanes.all.count)
        #expect(LaneList(hosts: Self.hosts.reversed() + Self.hosts) == Self.lanes)
        let places: [HostName?] = [nil] + Self.hosts
        let served = places.flatMap { LaneList.served(on: $0) }
        #expect(Set(served) == Set(Self.lanes.all), "a worker on each host, and one on none, serve everything")
    }

    @Test("where there are hosts, jobs of none need no worker while there are none of them")
    func needed() {
        #expect(LaneList().all.allSatisfy(LaneList().needsWorker))
        let spare = Self.lanes.all.filter { !Self.lanes.needsWorker($0) }
        #expect(spare == Step.allCases.map { .job($0) })
    }

    /// An image of an instance on h1, replicated from there to the east, and pulled by h2 to the west.
    private static func plan() throws -> Plan {
        let instance = Instance(
            id: Sample.instanceID,
            owner: Sample.owner,
            status: .stopped,
            disks: [Disk(device: .system, kind: .local, sizeBytes: 1 << 30)],
            host: hosts[0]
        )
        return try Plan.make(
            for: Sample.request,
            instance: instance,
            knownLocations: [Location(Sample.locations[0]), Location(Sample.locations[1], on: hosts[1])],
            lanes: lanes
        )
    }

    private static func image(_ plan: Plan) -> Image {
        Image.accepted(
            Sample.request.identity,
            label: Sample.request.label,
            as: Sample.imageID,
            plan: plan,
            in: TransitionContext(now: Sample.now)
        ).image
    }

    @Test("stop-check, captures and conversion are where the disks are, replicas and launches where they are written")
    func table() throws {
        var image = Self.image(try Self.plan())
        let launch = Launch(
            instanceID: InstanceID(known: "i-new"),
            owner: Sample.owner,
            requestID: Sample.requestID,
            location: Sample.locations[1],
            disks: []
        )
        image.references.launches = [launch]
        let made = try #require(image.resource(for: .replicate(Sample.locations[1]), fence: 3))
        image.ledger = [LedgerEntry(resource: made, job: .replicate(Sample.locations[1]), fence: 3)]
        let expected: [(Job, String)] = [
            (.stopCheck, "stop-check@h1"), (.systemDisk, "system-disk@h1"),
            (.dataDisk(Sample.device(1)), "data-disk@h1"), (.convert, "convert@h1"),
            (.replicate(Sample.locations[0]), "replicate@h1"), (.replicate(Sample.locations[1]), "replicate@h2"),
            (.launch(launch.instanceID), "launch@h2"), (.cleanUp(made.id), "clean-up@h2"),
        ]
        for (job, lane) in expected {
            #expect(image.lane(of: job).description == lane)
            let message = Effect.enqueue(job, attempt: 1, after: .second1).message(of: image)
            #expect(message?.routingKey == lane && message?.destination == .retry(.second1))
            let resource = image.resource(for: job, fence: 1)
            #expect(resource == nil || resource?.host == image.lane(of: job).host)
        }
        let converted = try #require(Plan.converting(whole(image)))
        #expect(converted.host == Self.hosts[0] && converted.locationHosts == image.plan.locationHosts)
    }

    /// As if its system disk were captured.
    private func whole(_ image: Image) -> Image {
        var image = image
        let output = Sample.output(of: .systemDisk, fence: 1, image: image)
        var state = JobState(expectedAt: Sample.now)
        (state.phase, state.output) = (.done, output)
        image.jobs[.systemDisk] = state
        return image
    }

    @Test("without a host everything has the names it had, also in what was stored before there were hosts")
    func noHost() throws {
        let image = Sample.accepted(disks: 2, locations: 2).image
        for job in image.plan.captureJobs + image.plan.replicateJobs {
            #expect(image.lane(of: job) == .job(job.step) && image.resource(for: job, fence: 1)?.host == nil)
        }
        let text = CanonicalJSON.text(image)
        #expect(!text.contains("host"))
        #expect(try CanonicalJSON.decode(Image.self, from: text.utf8) == image)
        let hosted = Self.image(try Self.plan())
        #expect(try CanonicalJSON.decode(Image.self, from: CanonicalJSON.text(hosted).utf8) == hosted)
    }

    @Test("an instance or a location on a host that is not served is refused, and says which are")
    func unknownHost() throws {
        let instance = Instance(
            id: Sample.instanceID,
            owner: Sample.owner,
            status: .stopped,
            disks: [Disk(device: .system, kind: .local, sizeBytes: 1 << 30)],
            host: HostName(known: "h9")
        )
        let refused = #expect(throws: Rejection.self) {
            try Plan.make(
                for: Sample.request,
                instance: instance,
                knownLocations: [Location(Sample.locations[0])],
                lanes: Self.lanes
            )
        }
        #expect(refused?.code == .failedPrecondition && refused?.field == "instanceId")
        #expect(refused?.message.contains("on host h9, which is not served here; known hosts: h1, h2, h3") == true)
        var free = instance
        free.host = nil
        let away = #expect(throws: Rejection.self) {
            try Plan.make(
                for: Sample.request,
                instance: free,
                knownLocations: [Location(Sample.locations[0], on: Self.hosts[0])]
            )
        }
        #expect(away?.field == "replicateTo")
    }

    @Test("a job that comes by another lane goes to its own, and uses no attempt and no fence")
    func elsewhere() throws {
        var image = Self.image(try Self.plan())
        let context = TransitionContext(now: Sample.now)
        for lane in [Lane.job(.stopCheck), .job(.stopCheck, on: Self.hosts[1]), .job(.systemDisk, on: Self.hosts[0])] {
            let transition = image.apply(.began(.stopCheck, attempt: 1, lane: lane), in: context)
            #expect(transition == .ignored(.elsewhere, [.enqueue(.stopCheck, attempt: 1, after: nil)]))
            #expect(transition.effects.first?.message(of: image)?.routingKey == "stop-check@h1")
            #expect(image.fence == 0 && image.jobs[.stopCheck]?.attempt == 1)
        }
        #expect(image.apply(.began(.stopCheck, attempt: 1, lane: image.lane(of: .stopCheck)), in: context).isMoved)
    }

    @Test("a job says that it waits for a worker of its host, until there is one")
    func missing() throws {
        let image = Self.image(try Self.plan())
        func status(_ lanes: [Lane], silent: Duration = .zero) -> WorkerStatus {
            let report = WorkerReport(
                worker: WorkerID(known: "w1"),
                identity: WorkerIdentity(),
                lanes: lanes.map(\.description),
                concurrency: 1,
                startedAt: Sample.now,
                at: Sample.now
            )
            return WorkerStatus(report: report, storedAt: Sample.now, readAt: Sample.now + silent)
        }
        func waits(_ workers: [WorkerStatus]) -> String? { ImageView(image, workers: workers).jobs.first?.waitingFor }
        let reason = "a worker of host h1 that serves stop-check"
        #expect(waits([]) == reason && waits([status(LaneList.served(on: nil))]) == reason)
        #expect(waits([status(LaneList.served(on: Self.hosts[0]), silent: .seconds(31))]) == reason)
        #expect(waits([status(LaneList.served(on: Self.hosts[0]))]) == nil)
        #expect(ImageView(image).jobs.first?.waitingFor == nil, "who does not know the workers says nothing")
        #expect(ImageView(image, for: image.owner).jobs.first?.host == nil, "hosts are the operators' business")
    }
}
