/// What will be done for one image, decided once from the request and the instance, stored with the image.
public struct Plan: Codable, Equatable, Sendable {
    public var instanceID: InstanceID
    public var systemDisk: PlannedDisk
    public var dataDisks: [PlannedDisk]
    public var locations: [LocationName]
    public var guestChecks: GuestChecks
    /// Whether the image is started once. Absent: it is not, and nothing is to be said of it.
    public var bootProof: BootTerms?
    /// What is removed from the captured system disk. Absent: nothing.
    public var seal: [SealItem]?
    /// Absent: secrets are not looked for.
    public var secretScan: SecretScan?
    /// Set for an image that is converted from another.
    public var conversion: Conversion?
    /// The host that has the disks, and the captures made of them. Absent: every worker reaches them.
    public var host: HostName?
    /// The locations that only one host can write to, each with that host. Absent: none.
    public var locationHosts: [LocationName: HostName]?
    /// The locations of each named driver. Absent: there is one driver.
    public var locationDrivers: [LocationName: DriverName]?

    /// What a converted image takes from its source.
    public struct Conversion: Codable, Equatable, Sendable {
        public var source: ImageID
        /// The source's captured system disk, to be copied into a snapshot.
        public var systemDisk: Capture
        /// The source's data-disk snapshots, which both images use from now on.
        public var captures: [Capture]
    }

    /// The image's device mapping, system disk first.
    public var disks: [PlannedDisk] { [systemDisk] + dataDisks }
    /// The jobs that must all be done before anything is replicated.
    public var captureJobs: [Job] {
        conversion == nil ? [.systemDisk] + dataDisks.map { .dataDisk($0.device) } : [.convert]
    }
    public var replicateJobs: [Job] { locations.map { .replicate($0) } }
    /// Whether a machine is started from its first replica.
    public var wantsBootProof: Bool { (bootProof?.mode ?? .off) != .off }
    /// The snapshots of a conversion's data disks are already counted with its source.
    public var quota: QuotaUse {
        QuotaUse(images: 1, snapshots: conversion == nil ? disks.count { $0.kind == .cloud } : 1)
    }

    /// Where a location is replicated to, and launched from: its own host pulls the captures, else theirs pushes them.
    func host(of location: LocationName) -> HostName? { locationHosts?[location] ?? host }

    /// The driver that replicates to a location, and launches from it.
    func driver(of location: LocationName) -> DriverName? { locationDrivers?[location] ?? instanceID.driver }

    /// The instance's lock. Every plan for it has this one, so its line is the line for its disks too.
    public var instanceKey: String { "instance/\(instanceID)" }
    /// What no other image's making may use meanwhile: the instance, and each chosen disk.
    public var lockKeys: [String] {
        [instanceKey] + disks.map { "disk/\(instanceID)/\($0.device.shortName)" }
    }

    func resource(for job: Job, of image: ImageID, fence: Int64) -> Resource? {
        switch job {
        case .stopCheck, .bootProof, .cleanUp: return nil
        case .launch:
            // Not named after the instance: that may be another owner's, and the image's owner sees its resources.
            return Resource(
                id: ResourceID(image: image, part: "launch", fence: fence),
                kind: .instance,
                imageID: image
            )
        case .systemDisk, .dataDisk, .convert:
            guard let disk = disks.first(where: { $0.device == job.device }) else { return nil }
            return Resource(
                id: ResourceID(image: image, part: disk.device.shortName, fence: fence),
                kind: disk.kind == .local ? .imageFile : .snapshot,
                imageID: image
            )
        case .replicate(let location):
            return Resource(
                id: ResourceID(image: image, part: location.text, fence: fence),
                kind: .replica,
                imageID: image,
                location: location
            )
        }
    }
}

/// One line of the device mapping: a captured disk and what a new instance gets for it.
public struct PlannedDisk: Codable, Equatable, Sendable {
    public var device: DeviceName
    public var kind: DiskKind
    /// The capacity a new instance gets, in bytes. At least the captured disk's.
    public var sizeBytes: Int64
    public var autoDelete: Bool
}

extension Plan {
    /// Disks that an instance can have: one that is captured, and one that is launched.
    public static let diskLimit = 8

    /// Decides the plan, or says which field of the request cannot be met.
    /// - Parameters:
    ///   - lanes: those of the installation: a job of a host that is not among theirs would never be done.
    ///   - bootProof: by the installation's policy and the request.
    public static func make(
        for request: CreateRequest,
        instance: Instance,
        knownLocations: [Location],
        lanes: LaneList = LaneList(),
        bootProof: BootTerms? = nil
    ) throws(Rejection) -> Plan {
        guard instance.owner == request.owner else {
            let unknown = StepFailure.noInstance(request.instanceID)
            throw Rejection(unknown.code, unknown.message, field: "instanceId")
        }
        guard instance.status == .stopped else {
            throw Rejection(
                .failedPrecondition,
                "instance \(instance.id) is \(instance.status); \(instance.status.wayToStopped)",
                field: "instanceId"
            )
        }
        guard let system = instance.systemDisk else {
            throw Rejection(
                .failedPrecondition,
                "instance \(instance.id) has no system disk at /dev/vda",
                field: "instanceId"
            )
        }
        guard instance.disks.count <= diskLimit else {
            throw Rejection(
                .outOfRange,
                "instance \(instance.id) has \(instance.disks.count) disks; at most \(diskLimit) can be imaged",
                field: "instanceId"
            )
        }
        if let host = instance.host, !lanes.hosts.contains(host) {
            throw unknown(host, of: "instance \(instance.id)", field: "instanceId", lanes)
        }
        let dataDisks = try chosenDisks(of: instance, by: request.dataDisks)
        let locations = try chosenLocations(request.replicateTo, for: instance, known: knownLocations, lanes)
        let hosts = locations.compactMap { location in location.host.map { (location.name, $0) } }
        let drivers = locations.compactMap { location in location.driver.map { (location.name, $0) } }
        return Plan(
            instanceID: instance.id,
            systemDisk: PlannedDisk(
                device: system.device,
                kind: system.kind,
                sizeBytes: system.sizeBytes,
                autoDelete: system.autoDelete
            ),
            dataDisks: dataDisks.sorted { $0.device < $1.device },
            locations: locations.map(\.name),
            guestChecks: request.guestChecks,
            bootProof: bootProof,
            seal: request.seal,
            secretScan: request.secretScan,
            host: instance.host,
            locationHosts: hosts.isEmpty ? nil : Dictionary(hosts) { first, _ in first },
            locationDrivers: drivers.isEmpty ? nil : Dictionary(drivers) { first, _ in first }
        )
    }

    /// Why jobs of the image would wait for ever: their host has been taken out of the installation since the plan was
    /// made. `nil` while every host of the plan is served.
    /// - Parameter location: the only one that matters, for a launch or a proof. Default: all of the plan.
    public func refusal(of image: ImageID, at location: LocationName? = nil, in lanes: LaneList) -> Rejection? {
        let needed = location.map { [host(of: $0)] } ?? [host] + locations.map { host(of: $0) }
        guard let gone = needed.compactMap({ $0 }).first(where: { !lanes.hosts.contains($0) }) else { return nil }
        return Self.unknown(gone, of: "image \(image)", field: "imageId", lanes)
    }

    private static func unknown(_ host: HostName, of what: String, field: String, _ lanes: LaneList) -> Rejection {
        let known = lanes.hosts.isEmpty ? "none" : lanes.hosts.map(\.text).joined(separator: ", ")
        return Rejection(
            .failedPrecondition,
            "\(what) is on host \(host), which is not served here; known hosts: \(known)",
            field: field
        )
    }

    /// The plan of a conversion; `nil` when the source is not whole.
    public static func converting(_ source: Image) -> Plan? {
        guard let system = source.captures.first(where: { $0.device.isSystem }) else { return nil }
        var disk = source.plan.systemDisk
        disk.kind = .cloud
        return Plan(
            instanceID: source.plan.instanceID,
            systemDisk: disk,
            dataDisks: source.plan.dataDisks,
            locations: source.plan.locations,
            guestChecks: .off,
            bootProof: source.plan.bootProof,
            conversion: Conversion(
                source: source.id,
                systemDisk: system,
                captures: source.captures.filter { !$0.device.isSystem }
            ),
            host: source.plan.host,
            locationHosts: source.plan.locationHosts,
            locationDrivers: source.plan.locationDrivers
        )
    }

    private static func chosenDisks(
        of instance: Instance,
        by selection: CreateRequest.DataDisks
    ) throws(Rejection) -> [PlannedDisk] {
        let chosen: [(field: String, choice: CreateRequest.DataDisk)]
        switch selection {
        case .all:
            chosen = instance.dataDisks.map { ("dataDisks", CreateRequest.DataDisk(device: $0.device)) }
        case .chosen(let disks):
            chosen = disks.enumerated().map { ("dataDisks[\($0.offset)]", $0.element) }
        }
        var planned: [PlannedDisk] = []
        for (field, choice) in chosen {
            guard let disk = instance.disk(choice.device) else {
                throw Rejection(
                    .notFound,
                    "\(choice.device) is not attached to instance \(instance.id)",
                    field: field + ".device"
                )
            }
            guard disk.kind == .cloud else {
                throw Rejection(
                    .failedPrecondition,
                    "\(choice.device) is a local data disk, which cannot be snapshotted; leave it out, or move its data to a cloud disk",
                    field: field
                )
            }
            var size = disk.sizeBytes
            if let gibibytes = choice.sizeGiB {
                guard gibibytes <= 1 << 20, Int64(gibibytes) << 30 >= disk.sizeBytes else {
                    throw Rejection(
                        .outOfRange,
                        "\(choice.device) holds \(disk.sizeBytes) bytes; sizeGiB must be at least as large, and at most \(1 << 20)",
                        field: field + ".sizeGiB"
                    )
                }
                size = Int64(gibibytes) << 30
            }
            planned.append(
                PlannedDisk(
                    device: disk.device,
                    kind: disk.kind,
                    sizeBytes: size,
                    autoDelete: choice.autoDelete ?? disk.autoDelete
                )
            )
        }
        return planned
    }

    /// - Parameter wanted: absent: all of the instance's own driver. Another's costs more, and is another kind of copy.
    private static func chosenLocations(
        _ wanted: [LocationName]?,
        for instance: Instance,
        known: [Location],
        _ lanes: LaneList
    ) throws(Rejection) -> [Location] {
        var locations = wanted == nil ? known.filter { $0.driver == instance.id.driver } : []
        for (index, name) in (wanted ?? []).enumerated() {
            guard let location = known.first(where: { $0.name == name }) else {
                throw Rejection(
                    .notFound,
                    "there is no location \(name); known are \(known.map(\.name.text).joined(separator: ", "))",
                    field: "replicateTo[\(index)]"
                )
            }
            if let driver = instance.id.driver, let reason = location.closedTo[driver] {
                throw Rejection(
                    .failedPrecondition,
                    "location \(name) takes no image of driver \(driver): \(reason)",
                    field: "replicateTo[\(index)]"
                )
            }
            locations.append(location)
        }
        for location in locations {
            guard let host = location.host, !lanes.hosts.contains(host) else { continue }
            throw unknown(host, of: "location \(location.name)", field: "replicateTo", lanes)
        }
        // Without one, no replica would ever make the image Available.
        guard !locations.isEmpty else {
            let driver = instance.id.driver.map { " of driver \($0)" } ?? ""
            throw Rejection(.failedPrecondition, "there is no location\(driver) to replicate to", field: "replicateTo")
        }
        return locations
    }
}
