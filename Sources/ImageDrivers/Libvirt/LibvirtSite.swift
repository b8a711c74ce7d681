public import ImageCore
public import LibvirtClient
public import Logging

/// Several libvirt hosts: the instances of all of them are described, and those of the worker's own host are captured and
/// launched, because disks are files of their host.
public struct LibvirtSite: ImageDriver {
    /// The host that this worker is on; `nil` for one that only describes.
    let own: HostName?
    let drivers: [HostName: LibvirtDriver]
    /// This worker's folders, for what needs no libvirt.
    let local: LocalDriver
    let launches: LaunchFolders
    /// All locations of the installation.
    let places: [LocationName: LocationFolder]
    let logger: Logger

    /// - Parameters:
    ///   - local: its root holds images and snapshots; it has no instances. Its locations are those that this worker
    ///     reaches.
    ///   - own: one of `hosts`.
    ///   - locations: of all hosts; default: those of `local`, on no host.
    ///   - defaultOwner: the owner of domains that name none.
    ///   - disks: the folder for the disks of launched domains, in which the own host's virtual machines may read.
    public init(
        local: LocalDriver,
        hosts: [HostName: LibvirtHost],
        own: HostName?,
        locations: [LocationName: LocationFolder]? = nil,
        defaultOwner: Owner,
        disks: String,
        logger: Logger
    ) {
        self.own = own
        places = locations ?? local.folders.locations.mapValues { LocationFolder($0) }
        self.logger = logger
        self.local = local
        let launches = LaunchFolders(disks: disks)
        self.launches = launches
        var drivers: [HostName: LibvirtDriver] = [:]
        for (name, host) in hosts {
            var logger = logger
            logger[metadataKey: "host"] = "\(name)"
            drivers[name] = LibvirtDriver(local, host, readsDisks: name == own, defaultOwner, launches, logger)
        }
        self.drivers = drivers
    }

    public func makeFolders() throws(StepFailure) {
        try local.makeFolders()
        if own != nil { try launches.make() }
    }

    // MARK: Instances

    /// An id on two hosts is refused. A host that does not answer counts only where no other has the instance: it would
    /// else stop the work of all hosts.
    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        let sighting = try await look(for: instance)
        if sighting.found.count > 1 { throw sighting.refusal(of: instance, for: owner, drivers) }
        do throws(StepFailure) {
            let host = try sighting.host(of: instance)
            guard let driver = drivers[host] else { throw .noInstance(instance) }
            var described = try await driver.describe(instance, for: owner)
            described.host = host
            return described
        } catch {
            // The same answer for another owner's instance as for none.
            guard error.code == .notFound, !sighting.silent.isEmpty else { throw error }
            throw .unanswered(instance, by: sighting.silent)
        }
    }

    /// The instances of the hosts that answer.
    /// - Throws: when none does.
    public func instances() async throws(StepFailure) -> [Instance] { try await list().instances }

    /// What `instances` finds, and who did not answer.
    public struct Listing: Sendable {
        public var instances: [Instance]
        public var silentHosts: [HostName]
    }

    /// - Throws: when no host answers.
    public func list() async throws(StepFailure) -> Listing {
        var listing = Listing(instances: [], silentHosts: [])
        var failure: StepFailure?
        for (host, answer) in try await askAll({ driver async throws(StepFailure) in try await driver.instances() }) {
            switch answer {
            case .success(let instances):
                listing.instances += instances.map { instance in
                    var instance = instance
                    instance.host = host
                    return instance
                }
            case .failure(let error):
                listing.silentHosts.append(host)
                failure = error
            }
        }
        if let failure, listing.silentHosts.count == drivers.count { throw failure }
        listing.instances.sort { ($0.id, $0.host?.text ?? "") < ($1.id, $1.host?.text ?? "") }
        listing.silentHosts.sort()
        return listing
    }

    /// Writes an owner into a domain's metadata, on the host that has it.
    public func adopt(_ id: InstanceID, by owner: Owner) async throws(StepFailure) {
        let sighting = try await look(for: id)
        if sighting.found.count > 1 { throw sighting.refusal(of: id, for: nil, drivers) }
        try await drivers[try sighting.host(of: id)]?.adopt(id, by: owner)
    }

    // MARK: Asking

    func look(for id: InstanceID) async throws(StepFailure) -> Sighting {
        var sighting = Sighting()
        for (host, answer) in try await askAll({ driver async throws(StepFailure) in try await driver.lookUp(id) }) {
            switch answer {
            case .success(let record): sighting.found[host] = record
            case .failure(let error) where error.code == .notFound: continue
            case .failure: sighting.silent.append(host)
            }
        }
        sighting.silent.sort()
        return sighting
    }

    /// Asks every host at once, so that all together take no longer than the slowest may.
    private func askAll<Value: Sendable>(
        _ question: @escaping @Sendable (LibvirtDriver) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> [HostName: Result<Value, StepFailure>] {
        let answers = await withTaskGroup(of: (HostName, Result<Value, StepFailure>).self) { group in
            for (host, driver) in drivers {
                group.addTask {
                    do throws(StepFailure) {
                        return (host, .success(try await question(driver)))
                    } catch {
                        return (host, .failure(error))
                    }
                }
            }
            return await group.reduce(into: [HostName: Result<Value, StepFailure>]()) { $0[$1.0] = $1.1 }
        }
        if Task.isCancelled { throw .interrupted("What libvirt was asked") }
        return answers
    }
}

/// Where an id was found.
struct Sighting: Sendable {
    var found: [HostName: DomainRecord] = [:]
    /// The hosts that could not be asked.
    var silent: [HostName] = []

    /// - Throws: when it is on no host that answers.
    func host(of id: InstanceID) throws(StepFailure) -> HostName {
        if let host = found.keys.min() { return host }
        throw silent.isEmpty ? .noInstance(id) : .unanswered(id, by: silent)
    }

    /// Of an id on two hosts. Only to an owner who has one of the two: others must not learn of either.
    func refusal(of id: InstanceID, for owner: Owner?, _ drivers: [HostName: LibvirtDriver]) -> StepFailure {
        let isKnown = found.contains { host, record in
            guard let owner, let driver = drivers[host] else { return owner == nil }
            return (try? DomainInstance(record, defaultOwner: driver.defaultOwner))?.owner == owner
        }
        guard isKnown else { return silent.isEmpty ? .noInstance(id) : .unanswered(id, by: silent) }
        let isOneDomain = Set(found.values.map(\.uuid)).count < found.count
        return StepFailure(
            .permanent,
            .failedPrecondition,
            "instance \(id) is on more than one host: \(found.keys.sorted().map(\.text).joined(separator: ", "))",
            advice: isOneDomain
                ? "it is one domain: is a host named twice in libvirtHosts, or was the domain moved and left behind?"
                : "rename all but one with `virsh domrename`"
        )
    }
}

extension StepFailure {
    static func unanswered(_ id: InstanceID, by hosts: [HostName]) -> StepFailure {
        let names = hosts.map(\.text).joined(separator: ", ")
        return StepFailure(
            .transient,
            .unavailable,
            "No host that answers has instance \(id), and not every host answers: \(names).",
            advice: "See whether libvirtd runs there; `goldsmith doctor` tries each host.",
            isFixedByAdvice: true
        )
    }
}
