import Testing

@testable import ImageCore

/// What is decided from a request and an instance, and what cannot be.
struct PlanTests {
    private static func disk(
        _ position: Int,
        _ kind: DiskKind = .cloud,
        bytes: Int64 = 8 << 30,
        autoDelete: Bool = true
    ) -> Disk {
        Disk(device: Sample.device(position), kind: kind, sizeBytes: bytes, autoDelete: autoDelete)
    }

    private static func instance(_ disks: [Disk], status: InstanceStatus = .stopped, owner: Owner = Sample.owner)
        -> Instance
    {
        Instance(id: Sample.instanceID, owner: owner, status: status, disks: disks)
    }

    private static let whole = instance([disk(2, autoDelete: false), disk(0, .local), disk(1)])

    private static func make(
        _ dataDisks: CreateRequest.DataDisks = .chosen([]),
        of instance: Instance = whole,
        to locations: [LocationName]? = nil,
        known: [LocationName] = Sample.locations
    ) -> Result<Plan, Rejection> {
        var request = Sample.request
        (request.dataDisks, request.replicateTo) = (dataDisks, locations)
        return Result { () throws(Rejection) in
            try Plan.make(for: request, instance: instance, knownLocations: known.map { Location($0) })
        }
    }

    @Test("Nothing chosen is the system disk alone, everywhere")
    func systemDiskOnly() throws {
        let plan = try Self.make().get()
        #expect(plan.disks.map(\.device) == [.system])
        #expect(plan.locations == Sample.locations)
        #expect(plan.quota == QuotaUse(images: 1, snapshots: 0), "a local disk takes no snapshot")
        #expect(plan.lockKeys == ["instance/i-web1", "disk/i-web1/vda"])
        #expect(plan.captureJobs == [.systemDisk])
    }

    @Test("The whole machine is every disk, in the guest's order")
    func wholeMachine() throws {
        let plan = try Self.make(.all, to: [Sample.locations[2]]).get()
        #expect(plan.captureJobs == [.systemDisk, .dataDisk(Sample.device(1)), .dataDisk(Sample.device(2))])
        #expect(plan.dataDisks.map(\.autoDelete) == [true, false])
        #expect(plan.replicateJobs == [.replicate(Sample.locations[2])])
        #expect(plan.quota == QuotaUse(images: 1, snapshots: 2))
        #expect(plan.lockKeys == ["instance/i-web1", "disk/i-web1/vda", "disk/i-web1/vdb", "disk/i-web1/vdc"])
    }

    @Test("Chosen disks keep what the request says of them")
    func chosen() throws {
        let plan = try Self.make(
            .chosen([.init(device: Sample.device(2), sizeGiB: 40, autoDelete: true), .init(device: Sample.device(1))])
        ).get()
        #expect(plan.dataDisks.map(\.device.position) == [1, 2])
        #expect(plan.dataDisks.map(\.sizeBytes) == [8 << 30, 40 << 30])
        #expect(plan.dataDisks.map(\.autoDelete) == [true, true])
    }

    @Test("A cloud system disk takes a snapshot of the quota")
    func cloudSystemDisk() throws {
        let plan = try Self.make(of: Self.instance([Self.disk(0)])).get()
        #expect(plan.quota == QuotaUse(images: 1, snapshots: 1))
        #expect(plan.resource(for: .systemDisk, of: Sample.imageID, fence: 3)?.kind == .snapshot)
        #expect(plan.resource(for: .stopCheck, of: Sample.imageID, fence: 3) == nil)
        #expect(plan.resource(for: .dataDisk(Sample.device(5)), of: Sample.imageID, fence: 3) == nil)
    }

    struct Refused {
        var code: ErrorCode
        var field: String
        var result: Result<Plan, Rejection>
    }

    static var refused: [Refused] {
        let vdb = CreateRequest.DataDisk(device: Sample.device(1))
        return [
            .init(
                code: .notFound,
                field: "instanceId",
                result: make(of: instance([disk(0)], owner: Owner(known: "other")))
            ),
            .init(
                code: .notFound,
                field: "instanceId",
                result: make(of: instance([disk(0)], status: .running, owner: Owner(known: "other")))
            ),
            .init(
                code: .failedPrecondition,
                field: "instanceId",
                result: make(of: instance([disk(0)], status: .running))
            ),
            .init(
                code: .failedPrecondition,
                field: "instanceId",
                result: make(of: instance([disk(0)], status: .other("stopped")))
            ),
            .init(code: .failedPrecondition, field: "instanceId", result: make(of: instance([]))),
            .init(code: .failedPrecondition, field: "instanceId", result: make(of: instance([disk(1)]))),
            .init(code: .outOfRange, field: "instanceId", result: make(of: instance((0...8).map { disk($0) }))),
            .init(
                code: .notFound,
                field: "dataDisks[1].device",
                result: make(.chosen([vdb, .init(device: Sample.device(9))]))
            ),
            .init(
                code: .failedPrecondition,
                field: "dataDisks[0]",
                result: make(.chosen([vdb]), of: instance([disk(0), disk(1, .local)]))
            ),
            .init(
                code: .failedPrecondition,
                field: "dataDisks",
                result: make(.all, of: instance([disk(0), disk(1, .local)]))
            ),
            .init(
                code: .outOfRange,
                field: "dataDisks[0].sizeGiB",
                result: make(.chosen([.init(device: Sample.device(1), sizeGiB: 7)]))
            ),
            .init(
                code: .outOfRange,
                field: "dataDisks[0].sizeGiB",
                result: make(.chosen([.init(device: Sample.device(1), sizeGiB: .max)]))
            ),
            .init(
                code: .outOfRange,
                field: "dataDisks[0].sizeGiB",
                result: make(
                    .chosen([.init(device: Sample.device(1), sizeGiB: 8)]),
                    of: instance([disk(0), disk(1, bytes: (8 << 30) + 1)])
                )
            ),
            .init(
                code: .notFound,
                field: "replicateTo[1]",
                result: make(to: [Sample.locations[0], LocationName(known: "mars")])
            ),
            .init(code: .failedPrecondition, field: "replicateTo", result: make(known: [])),
            .init(code: .failedPrecondition, field: "replicateTo", result: make(to: [])),
        ]
    }

    @Test("What cannot be met is refused with its field", arguments: refused.indices)
    func refusals(_ index: Int) {
        let example = Self.refused[index]
        guard case .failure(let rejection) = example.result else { return #expect(Bool(false), "accepted") }
        #expect(rejection.code == example.code)
        #expect(rejection.field == example.field)
    }

    @Test("Somebody else's instance looks like none, whatever its state")
    func foreign() {
        let other = Self.make(of: Self.instance([], status: .running, owner: Owner(known: "other")))
        guard case .failure(let rejection) = other else { return #expect(Bool(false), "accepted") }
        #expect(rejection.message == "there is no instance i-web1")
    }
}
