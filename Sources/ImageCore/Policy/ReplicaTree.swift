/// Which host pulls an image from which, where several pull it from the host that has its captures: a verified replica
/// serves the next, so that no host sends an image more than twice.
///
/// Who sends does so once at a time, since two at once would share its line. If each copy takes as long, 2, 4, 7, 12 hosts
/// have the image after 1, 2, 3, 4 copies:
///
/// ```
/// captures ─1─► a ─2─► c ─3─► f ─4─► …
///     │         └──3─► d ─4─► …
///     └────2──► b ─3─► e ─4─► …
///               └──4─► g
/// ```
/// A location on a host that has a replica already is copied from that one. Locations that the captures' own host writes
/// are not in the tree: they cost no line.
struct ReplicaTree: Equatable {
    struct Place: Equatable {
        /// Whose replica is pulled; `nil`: the captures are.
        var parent: LocationName?
        /// Who pulls from there before.
        var elder: LocationName?
    }

    private(set) var places: [LocationName: Place] = [:]

    /// How often a host sends an image.
    static let mostChildren = 2

    init(_ plan: Plan) {
        // Captures on no host are mounted wherever they are read.
        guard let home = plan.host, let hosts = plan.locationHosts else { return }
        var first: [HostName: LocationName] = [:]
        var pulling: [LocationName] = []
        for location in plan.locations {
            guard let host = hosts[location], host != home else { continue }
            if let before = first[host] {
                places[location] = Place(parent: before)
            } else {
                first[host] = location
                pulling.append(location)
            }
        }
        var senders: [Sender] = [Sender()]
        var rest = pulling[...]
        while !rest.isEmpty {
            // A copy's time: each that has the image sends it to one more.
            for index in senders.indices where senders[index].children < Self.mostChildren {
                guard let next = rest.popFirst() else { return }
                places[next] = senders[index].send(to: next)
                senders.append(Sender(location: next))
            }
        }
    }

    private struct Sender {
        var location: LocationName?
        var children = 0
        var last: LocationName?

        mutating func send(to next: LocationName) -> Place {
            defer { (children, last) = (children + 1, next) }
            return Place(parent: location, elder: last)
        }
    }

    /// The locations by way of which an image comes there, nearest first.
    func ancestors(of location: LocationName) -> [LocationName] {
        var found: [LocationName] = []
        var next = places[location]?.parent
        while let parent = next {
            found.append(parent)
            next = places[parent]?.parent
        }
        return found
    }
}

extension Image {
    /// The verified replicas that a location may be copied from instead of from the captures, nearest first. The captures
    /// serve where none of them can.
    public func sources(for location: LocationName) -> [Replica] {
        let tree = ReplicaTree(plan)
        guard tree.places[location] != nil else { return [] }
        var locations = tree.ancestors(of: location)
        // Something on that way did not serve: then each that can may.
        if jobs[.replicate(location)]?.lastFailure != nil {
            let others = plan.locations.filter { tree.places[$0] != nil && !locations.contains($0) }
            locations += others
        }
        return locations.compactMap { verifiedReplica(at: $0) }
    }

    private func verifiedReplica(at location: LocationName) -> Replica? {
        guard let state = jobs[.replicate(location)], state.phase == .done, case .replicated(let replica) = state.output
        else { return nil }
        return replica
    }

    /// What a replication that is not open yet waits for.
    /// - Parameter passed: a location that is not waited for, though nothing is heard of it.
    func awaited(by location: LocationName, in tree: ReplicaTree, passing passed: LocationName? = nil) -> LocationName?
    {
        guard let place = tree.places[location] else { return nil }
        return [place.parent, place.elder].compactMap { $0 }.first { $0 != passed && holdsUp(.replicate($0)) }
    }

    /// One that is in trouble holds up no other: who comes after it pulls from elsewhere.
    private func holdsUp(_ job: Job) -> Bool {
        guard let state = jobs[job] else { return true }
        return state.phase != .done && !state.isHeldBack
    }

    /// Opens the replications whose turn has come.
    /// - Parameter silent: a location whose replication nobody works on.
    mutating func openReplications(passing silent: LocationName? = nil, in builder: inout TransitionBuilder) {
        guard status == .replicating else { return }
        let tree = ReplicaTree(plan)
        for location in plan.locations where awaited(by: location, in: tree, passing: silent) == nil {
            open(.replicate(location), in: &builder)
        }
    }

    /// The open replications that waited for one.
    func replications(after location: LocationName) -> [Job] {
        let places = ReplicaTree(plan).places
        return plan.locations.filter { places[$0]?.parent == location || places[$0]?.elder == location }
            .map { .replicate($0) }
    }
}
