public import ImageCore
import Logging

/// What is done on the worker's own host.
extension LibvirtSite {
    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await ownHost(with: instance).checkDisk(device, of: instance)
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await ownHost(with: instance).copyBytes(of: device, of: instance)
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await ownHost(with: instance).inspectGuest(of: instance)
    }

    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        try requireReach(call.resource)
        return try await ownHost(with: call.instance).capture(call)
    }

    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        try requireReach(call.resource)
        try requireReach(call.replica.resource)
        try await ownHost().launch(call)
    }

    /// The new id must be on no other host that answers. One that does not answer stops no launch: if it has the id too,
    /// both are refused as instances until one is renamed.
    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try requireReach(resource)
        let driver = try ownHost()
        let sighting = try await look(for: launch.instanceID)
        let isHere = own.map { sighting.found.keys.contains($0) } ?? false
        guard isHere || sighting.found.isEmpty else { throw .exists(launch.instanceID) }
        try await driver.publishInstance(launch, from: resource)
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        try requireReach(resource)
        try await ownHost().rollBackLaunch(resource)
    }

    // MARK: Storage

    public func locations() async throws(StepFailure) -> [Location] {
        places.map { Location($0.key, on: $0.value.host) }.sorted()
    }

    /// Whatever is wrong with a replica as the source, the next is tried, and the captures last: each file has the sum of
    /// its capture or is no copy.
    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        try requireReach(call.resource)
        for replica in call.sources {
            guard let source = source(for: replica) else { continue }
            do throws(StepFailure) {
                return try await local.replicate(call) { _ in source }
            } catch {
                guard error.code != .cancelled else { throw error }
                logger.notice(
                    "a replica cannot serve as the source",
                    metadata: ["resource": "\(replica.resource.id)", "error": "\(error.message)"]
                )
            }
        }
        return try await local.replicate(call) { capture throws(StepFailure) in try source(of: capture) }
    }

    /// Where this worker reads a replica; `nil` when its place is not known here.
    private func source(for replica: Replica) -> (any CaptureSource)? {
        guard let host = replica.resource.host, host != own else {
            return OwnCaptures(driver: local, replica: replica.resource)
        }
        guard let driver = drivers[host], let folder = places[replica.location], folder.host == host else { return nil }
        let path = folder.path + "/" + replica.resource.id.text
        return HostCaptures(
            local: local,
            host: host,
            driver: driver,
            replica: .init(resource: replica.resource, folder: path)
        )
    }

    /// Where this worker reads a capture: in its own folder, or from the host that made it.
    func source(of capture: Capture) throws(StepFailure) -> any CaptureSource {
        guard let host = capture.resource.host, host != own else { return OwnCaptures(driver: local) }
        guard let driver = drivers[host] else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The capture of \(capture.device) is on host \(host), which is not among the hosts.",
                advice: "Name the host in the setting libvirtHosts again, or make the image anew."
            )
        }
        return HostCaptures(local: local, host: host, driver: driver)
    }

    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        try requireReach(replica.resource)
        return try await local.proveBoot(of: replica)
    }

    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        try requireReach(call.resource)
        return try await local.convert(call)
    }

    public func delete(_ resource: Resource) async throws(StepFailure) {
        try requireReach(resource)
        guard resource.kind != .instance else { return try await launches.delete(resource.id) }
        try await local.delete(resource)
        if let own, let driver = drivers[own] { await driver.forgetPool(over: resource) }
    }

    public func inventory() async throws(StepFailure) -> [Resource] {
        try await local.inventory() + launches.list()
    }

    // MARK: The own host

    private func ownHost() throws(StepFailure) -> LibvirtDriver {
        guard let own, let driver = drivers[own] else {
            // A job of an image from before there were hosts. A worker on its host can do it.
            throw StepFailure(
                .throttled,
                .unavailable,
                "This worker is on no host, and only a worker on the instance's host can do this job.",
                advice: "Let a worker there serve the steps of no host too: --host with --steps.",
                isFixedByAdvice: true
            )
        }
        return driver
    }

    /// - Throws: when the instance is on another host. Its image was planned for this one.
    private func ownHost(with instance: InstanceID) async throws(StepFailure) -> LibvirtDriver {
        let driver = try ownHost()
        do throws(StepFailure) {
            _ = try await driver.lookUp(instance)
        } catch {
            guard error.code == .notFound, let other = try await look(for: instance).found.keys.min() else {
                throw error
            }
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "Instance \(instance) is on host \(other), not on \(own?.text ?? "this one") as when the image was asked for.",
                advice: "Ask for the image again."
            )
        }
        return driver
    }

    /// The core sends a job to the host of its resource. Another's files of that name would be the wrong ones.
    func requireReach(_ resource: Resource) throws(StepFailure) {
        if let host = resource.host, host != own {
            throw StepFailure(
                .permanent,
                .internal,
                "\(resource.id) is on host \(host), and its job came to a worker "
                    + (own.map { "of \($0)" } ?? "of no host") + "."
            )
        }
        guard let name = resource.location, let host = places[name]?.host, host != own else { return }
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "Location \(name) is a folder of host \(host), and \(resource.id) is to be on "
                + (own?.text ?? "no host") + ".",
            advice:
                "Has the setting locations changed since? Give the location its earlier host, or make the image anew.",
            isFixedByAdvice: true
        )
    }
}

extension LibvirtSite: ToolTrial {
    public func tryTools() async -> [ToolFault]? { await local.tryTools() }

    public func tryGuestLook(thoroughly: Bool) async -> ToolFault? { await local.tryGuestLook(thoroughly: thoroughly) }

    public func tryBoot() async -> String? { await local.tryBoot() }
}
