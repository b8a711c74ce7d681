import Testing

@testable import ImageCore

@Suite("A verified replica serves the next host")
struct ReplicaTreeTests {
    private static let a = Sample.locations[0]
    private static let b = Sample.locations[1]
    private static let c = Sample.locations[2]
    private static let d = Sample.locations[3]

    private static func plan(_ count: Int) -> Plan {
        var plan = Sample.plan()
        plan.host = HostName(known: "h0")
        plan.locations = (1...max(1, count)).map { LocationName(known: "at-\($0)") }
        let hosts = plan.locations.enumerated().map { ($1, HostName(known: "h\($0 + 1)")) }
        plan.locationHosts = Dictionary(uniqueKeysWithValues: hosts)
        return plan
    }

    /// After how many copies each location has its replica, if each takes as long.
    private static func times(_ tree: ReplicaTree) -> [LocationName: Int] {
        func time(_ location: LocationName?) -> Int {
            guard let location, let place = tree.places[location] else { return 0 }
            return 1 + max(time(place.parent), time(place.elder))
        }
        return Dictionary(uniqueKeysWithValues: tree.places.keys.map { ($0, time($0)) })
    }

    @Test("no host sends an image more than twice or two at once, and eight have it after four copies")
    func shape() {
        for count in [1, 2, 3, 8, 40, 1000] {
            let plan = Self.plan(count)
            let tree = ReplicaTree(plan)
            #expect(Set(tree.places.keys) == Set(plan.locations))
            let children = Dictionary(grouping: tree.places, by: \.value.parent)
            for (parent, places) in children {
                #expect(places.count <= 2)
                // The second comes after the first.
                #expect(places.compactMap(\.value.elder).count == places.count - 1, "\(String(describing: parent))")
            }
        }
        let times = [1, 2, 3, 6, 8, 11, 12].map { Self.times(ReplicaTree(Self.plan($0))).values.max() }
        #expect(times == [1, 2, 2, 3, 4, 4, 5])
    }

    @Test("only other hosts pull, each once; what is mounted or on the captures' host is copied there at once")
    func ownHost() {
        var plan = Self.plan(4)
        let names = plan.locations
        plan.locationHosts = [names[0]: HostName(known: "h0"), names[1]: HostName(known: "h1")]
        plan.locationHosts?[names[3]] = HostName(known: "h1")
        #expect(ReplicaTree(plan).places == [names[1]: .init(), names[3]: .init(parent: names[1])])
        plan.host = nil
        #expect(ReplicaTree(plan).places.isEmpty)
        #expect(ReplicaTree(Sample.plan(locations: 4)).places.isEmpty)
    }

    private static func captured() -> Life {
        var life = Life(plan: Sample.plan(locations: 4, pulled: true))
        for job in [Job.stopCheck, .systemDisk] { life.run(job) }
        return life
    }

    private static func sources(_ life: Life, _ location: LocationName) -> [LocationName] {
        life.image.sources(for: location).map(\.location)
    }

    @Test("a replication opens when the one that it pulls from is verified, and the one before it there is done")
    func turns() {
        var life = Self.captured()
        #expect(life.image.status == .replicating && life.open == [.replicate(Self.a)])
        #expect(life.image.precondition(of: .replicate(Self.b)) == "after the replica at \(Self.a)")
        life.run(.replicate(Self.a))
        #expect(Set(life.open) == [.replicate(Self.b), .replicate(Self.c)])
        #expect(Self.sources(life, Self.b).isEmpty && Self.sources(life, Self.c) == [Self.a])
        life.run(.replicate(Self.b))
        #expect(life.open == [.replicate(Self.c)], "its parent sends to another")
        life.run(.replicate(Self.c))
        #expect(life.open == [.replicate(Self.d)] && Self.sources(life, Self.d) == [Self.a])
        life.run(.replicate(Self.d))
        #expect(life.image.status == .available)
    }

    @Test("nobody waits for a location whose attempt failed, and after a failure every verified replica may serve")
    func trouble() {
        var life = Self.captured()
        life.apply(.began(.replicate(Self.a), attempt: 1))
        life.apply(.failed(.replicate(Self.a), fence: life.image.fence, Sample.failure(.transient), discarded: true))
        #expect(Set(life.open) == [.replicate(Self.a), .replicate(Self.b), .replicate(Self.c)])
        #expect(Self.sources(life, Self.c).isEmpty, "nothing is verified: the captures serve")
        life.run(.replicate(Self.b))
        #expect(Self.sources(life, Self.a) == [Self.b] && Self.sources(life, Self.c).isEmpty)
        life.run(.replicate(Self.c))
        #expect(Set(life.open) == [.replicate(Self.a), .replicate(Self.d)])
    }

    @Test("nobody waits longer than two minutes for a host that is silent, whether its message lies there or not")
    func silence() {
        for queued in [true, false] {
            var life = Self.captured()
            let job = Job.replicate(Self.a)
            life.context.now = life.context.now + life.context.policy.overdueAfter
            life.apply(.overdue(alive: [job]))
            #expect(life.open == [job], "one that works is waited for")
            life.context.now = life.context.now + life.context.policy.overdueAfter
            life.apply(.overdue(alive: [], queued: queued ? [job] : []))
            #expect(Set(life.open) == [job, .replicate(Self.b), .replicate(Self.c)])
            life.run(.replicate(Self.b))
            life.run(.replicate(Self.c))
            life.context.now = life.context.now + life.context.policy.overdueAfter
            life.apply(.overdue(alive: [], queued: [job]))
            life.run(.replicate(Self.d))
            #expect(life.open == [job], "only the silent one is missing")
            life.run(job)
            #expect(life.image.status == .available)
        }
    }

    @Test("a duplicate of a done replication sends again what waited for it")
    func duplicate() {
        var life = Self.captured()
        life.run(.replicate(Self.a))
        let again = life.apply(.began(.replicate(Self.a), attempt: 1))
        #expect(
            again
                == .ignored(
                    .alreadyDone,
                    [Self.b, Self.c].map { .enqueue(.replicate($0), attempt: 1, after: nil) }
                )
        )
    }

    @Test("another try goes on where the tree was left")
    func anotherTry() {
        var life = Self.captured()
        life.run(.replicate(Self.a))
        life.kill(.replicate(Self.b))
        life.apply(.retried)
        #expect(Set(life.open) == [.replicate(Self.b), .replicate(Self.c)])
        #expect(Self.sources(life, Self.c) == [Self.a])
    }
}
