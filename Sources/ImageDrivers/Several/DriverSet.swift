public import ImageCore
package import Logging

/// Several drivers as one. Each call goes to the driver that has the instance, the location or the resource; each sees
/// its own instances by their names alone.
///
/// What names no driver was made before there were several, and belongs to the first.
public struct DriverSet: ImageDriver {
    package struct Member: Sendable {
        package var name: DriverName
        package var driver: any PeerDriver

        package init(_ name: DriverName, _ driver: any PeerDriver) { (self.name, self.driver) = (name, driver) }
    }

    /// At least one, each with a name of its own.
    package let members: [Member]
    let logger: Logger

    package init(_ first: Member, _ others: [Member] = [], logger: Logger) {
        (members, self.logger) = ([first] + others, logger)
    }

    package func member(named name: DriverName?) throws(StepFailure) -> Member {
        guard let member = name == nil ? members.first : members.first(where: { $0.name == name }) else {
            throw StepFailure(
                .permanent,
                .notFound,
                "There is no driver \(name?.text ?? "").",
                advice: "Name it in the setting drivers again, or choose one of: "
                    + "\(members.map(\.name.text).joined(separator: ", ")).",
                isFixedByAdvice: true
            )
        }
        return member
    }

    private func member(with resource: Resource) throws(StepFailure) -> any PeerDriver {
        try member(named: resource.driver).driver
    }

    /// Asks the driver that has an instance for it, by its name there.
    private func asking<Value>(
        about instance: InstanceID,
        _ body: (any PeerDriver, InstanceID) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        do throws(StepFailure) {
            return try await body(try member(named: instance.driver).driver, instance.name)
        } catch {
            throw error == .noInstance(instance.name) ? .noInstance(instance) : error
        }
    }

    // MARK: Instances

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        let name = try member(named: instance.driver).name
        return try await asking(about: instance) { driver, id async throws(StepFailure) in
            try await driver.describe(id, for: owner).of(name)
        }
    }

    /// Those of the drivers that answer.
    /// - Throws: when none does.
    public func instances() async throws(StepFailure) -> [Instance] { try await list().instances }

    /// What `instances` finds, and who did not answer: drivers, and hosts as `kvm/h2`.
    package struct Listing: Sendable {
        package var instances: [Instance] = []
        package var silent: [String] = []
    }

    /// - Throws: when no driver answers.
    package func list() async throws(StepFailure) -> Listing {
        var listing = Listing()
        var failures: [StepFailure] = []
        for (member, answer) in try await askAll({ driver async throws(StepFailure) -> LibvirtSite.Listing in
            guard let site = driver as? LibvirtSite else {
                return LibvirtSite.Listing(instances: try await driver.instances(), silentHosts: [])
            }
            return try await site.list()
        }) {
            switch answer {
            case .success(let found):
                listing.instances += found.instances.map { $0.of(member.name) }
                listing.silent += found.silentHosts.map { "\(member.name)/\($0)" }
            case .failure(let failure):
                listing.silent.append(member.name.text)
                failures.append(failure)
            }
        }
        if failures.count == members.count, let failure = failures.first { throw failure }
        listing.instances.sort { $0.id < $1.id }
        return listing
    }

    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await asking(about: instance) { driver, id async throws(StepFailure) in
            try await driver.checkDisk(device, of: id)
        }
    }

    public func checkDisks(_ devices: [DeviceName], of instance: InstanceID) async throws(StepFailure) {
        try await asking(about: instance) { driver, id async throws(StepFailure) in
            try await driver.checkDisks(devices, of: id)
        }
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await asking(about: instance) { driver, id async throws(StepFailure) in
            try await driver.copyBytes(of: device, of: id)
        }
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await asking(about: instance) { driver, id async throws(StepFailure) in
            try await driver.inspectGuest(of: id)
        }
    }

    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        try await asking(about: call.instance) { driver, id async throws(StepFailure) in
            var call = call
            call.instance = id
            return try await driver.capture(call)
        }
    }

    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        try await member(with: call.resource).convert(call)
    }

    // MARK: Replicas

    /// Of each driver, closed to those whose captures it cannot read.
    public func locations() async throws(StepFailure) -> [Location] {
        var found: [Location] = []
        for member in members {
            for place in try await member.driver.locations() {
                var place = place
                place.driver = member.name
                for other in members where other.name != member.name {
                    let access = other.driver.lends
                    guard !member.driver.takes.contains(access) else { continue }
                    place.closedTo[other.name] = "driver \(member.name) takes no captures that \(access.description)"
                }
                found.append(place)
            }
        }
        return found.sorted()
    }

    /// The driver of the location reads the captures from the one that made them.
    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        let target = try member(named: call.resource.driver)
        var call = call
        // What other drivers keep is out of its reach.
        call.sources.removeAll { $0.resource.driver != call.resource.driver }
        var makers: [DriverName: any PeerDriver] = [:]
        for capture in call.captures {
            let maker = try member(named: capture.resource.driver)
            makers[maker.name] = maker.driver
        }
        guard makers.keys.contains(where: { $0 != target.name }) else { return try await target.driver.replicate(call) }
        return try await target.driver.replicate(call) { capture throws(StepFailure) in
            try member(with: capture.resource).source(of: capture, for: call.resource)
        }
    }

    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        try await member(with: replica.resource).proveBoot(of: replica)
    }

    // MARK: Launches

    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        var call = call
        call.launch.instanceID = call.launch.instanceID.name
        try await member(with: call.resource).launch(call)
    }

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        var named = launch
        named.instanceID = launch.instanceID.name
        try await member(with: resource).publishInstance(named, from: resource)
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        try await member(with: resource).rollBackLaunch(resource)
    }

    // MARK: What there is

    public func delete(_ resource: Resource) async throws(StepFailure) {
        try await member(with: resource).delete(resource)
    }

    /// Of the drivers that answer: what is not listed is not taken for an orphan.
    /// - Throws: when none does.
    public func inventory() async throws(StepFailure) -> [Resource] {
        var found: [Resource] = []
        var failures: [StepFailure] = []
        for (member, answer) in try await askAll({ driver async throws(StepFailure) in try await driver.inventory() }) {
            switch answer {
            case .success(let resources):
                found += resources.map { resource in
                    var resource = resource
                    resource.driver = member.name
                    return resource
                }
            case .failure(let failure):
                failures.append(failure)
                logger.warning(
                    "the inventory of a driver is not known",
                    metadata: ["driver": "\(member.name)", "reason": "\(failure.message)"]
                )
            }
        }
        if failures.count == members.count, let failure = failures.first { throw failure }
        return found
    }

    /// Asks all drivers at once.
    private func askAll<Value: Sendable>(
        _ question: @escaping @Sendable (any PeerDriver) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> [(member: Member, answer: Result<Value, StepFailure>)] {
        let answers = await withTaskGroup(of: (DriverName, Result<Value, StepFailure>).self) { group in
            for member in members {
                group.addTask {
                    do throws(StepFailure) {
                        return (member.name, .success(try await question(member.driver)))
                    } catch {
                        return (member.name, .failure(error))
                    }
                }
            }
            return await group.reduce(into: [DriverName: Result<Value, StepFailure>]()) { $0[$1.0] = $1.1 }
        }
        if Task.isCancelled { throw .interrupted("What the drivers were asked") }
        return members.compactMap { member in answers[member.name].map { (member, $0) } }
    }
}

extension Instance {
    fileprivate func of(_ driver: DriverName) -> Instance {
        var instance = self
        instance.id = id.of(driver)
        return instance
    }
}
