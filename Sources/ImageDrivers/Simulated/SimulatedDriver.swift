import Crypto
import FoundationEssentials
public import ImageCore

/// A compute system without bytes, for tests and benchmarks: it keeps the port's rules and moves nothing.
public final class SimulatedDriver: ImageDriver {
    let directory: any SimulatedDirectory
    private let places: [Location]
    private let hosts: [HostName]
    private let host: HostName?
    private let faults: SimulatedFaults
    private let impliesInstances: Bool
    let dice: FaultDice
    private let pause: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - locationHosts: the locations that only one host can write to.
    ///   - hosts: those that instances may be on.
    ///   - host: the one this driver works on, out of reach of the others' disks, captures and replicas. `nil` reaches
    ///     what is on none.
    ///   - folder: an absolute path that several processes share; `nil` keeps everything in memory.
    ///   - impliesInstances: whether instances named `i-sim-<owner>-<anything>` exist without having been added.
    ///   - pause: how the time of an operation passes.
    public init(
        locations: [LocationName],
        locationHosts: [LocationName: HostName] = [:],
        hosts: [HostName] = [],
        host: HostName? = nil,
        folder: String? = nil,
        impliesInstances: Bool = false,
        faults: SimulatedFaults = SimulatedFaults(),
        pause: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.pause = pause
        directory = folder.map { FileDirectory(root: $0) } ?? MemoryDirectory()
        places = locations.sorted().map { Location($0, on: locationHosts[$0]) }
        (self.hosts, self.host) = (hosts, host)
        self.faults = faults
        self.impliesInstances = impliesInstances
        dice = FaultDice(faults)
    }

    private init(_ system: SimulatedDriver, host: HostName?) {
        (directory, places, hosts, self.host) = (system.directory, system.places, system.hosts, host)
        (faults, impliesInstances) = (system.faults, system.impliesInstances)
        (dice, pause) = (system.dice, system.pause)
    }

    /// The same system, as the workers of a host see it.
    public func seen(from host: HostName?) -> SimulatedDriver { SimulatedDriver(self, host: host) }

    /// Adds an instance, or replaces the one of that id.
    public func add(_ instance: Instance) throws(StepFailure) {
        try write(instance, to: Self.name(instance.id))
    }

    /// Deletes an instance, as its owner would.
    public func remove(_ id: InstanceID) throws(StepFailure) { try directory.delete(Self.name(id)) }

    /// Starts or stops an instance, as its owner would.
    public func setStatus(_ status: InstanceStatus, of id: InstanceID) throws(StepFailure) {
        guard var instance: Instance = try read(Self.name(id)) else { throw .noInstance(id) }
        instance.status = status
        try add(instance)
    }

    /// What an instance's guest holds; without it, a Linux that nothing is wrong with.
    public func setGuest(_ facts: GuestFacts, of id: InstanceID) throws(StepFailure) {
        try write(facts, to: "guests/" + id.text)
    }

    private func guest(of id: InstanceID) throws(StepFailure) -> GuestFacts {
        let added: GuestFacts? = try read("guests/" + id.text)
        return added ?? GuestFacts(volumes: [], systems: [GuestFacts.System(root: "/dev/sda1")])
    }

    /// Makes a capture rot: what is read from it no longer has its checksum.
    public func damage(_ capture: Capture) throws(StepFailure) {
        guard var marker = try marker(try name(of: capture.resource)) else { return }
        marker.sums[capture.device.shortName] = Self.sum("rot")
        try write(marker, to: try name(of: capture.resource))
    }

    /// The manifest of a replica; `nil` while it is not whole.
    public func manifest(of replica: Resource) throws(StepFailure) -> [UInt8]? {
        try marker(try name(of: replica))?.manifest
    }

    /// The checksums of what a resource holds, by device; `nil` when there is none, empty while it is not whole.
    public func checksums(of resource: Resource) throws(StepFailure) -> [String: String]? {
        try marker(try name(of: resource))?.sums
    }

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        let added: Instance? = try read(Self.name(instance))
        guard let found = added ?? (impliesInstances ? ImpliedInstances.instance(instance, on: hosts) : nil),
            owner == nil || owner == found.owner
        else { throw .noInstance(instance) }
        return found
    }

    public func instances() async throws(StepFailure) -> [Instance] {
        var found: [Instance] = []
        for id in try directory.names(in: "instances").compactMap({ InstanceID($0) }) {
            if let instance: Instance = try read(Self.name(id)) { found.append(instance) }
        }
        return found
    }

    public func locations() async throws(StepFailure) -> [Location] { places }

    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try dice.throwOrPass("the check of \(device) of \(instance)")
        let found = try await describe(instance)
        try require(found.host, for: "instance \(instance)")
        _ = try disk(device, of: found)
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try require(try await requireStopped(instance).host, for: "instance \(instance)")
        return .seen(try guest(of: instance))
    }

    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        let (device, instance, resource) = (call.device, call.instance, call.resource)
        let found = try await requireStopped(instance)
        try require(found.host, for: "instance \(instance)")
        let disk = try disk(device, of: found)
        try DiskRules.requireFit(disk.kind, device, resource.kind, .disk(device, instance))
        try require(resource.host, for: "\(resource.id)")
        let name = try name(of: resource)
        try write(Marker(resource: resource), to: name)
        let size = Self.captureBytes(disk, of: instance)
        try await pass(bytes: size, "The capture of \(device) of instance \(instance)", call.progress)
        try dice.throwOrPass("the capture \(resource.id)")
        try await requireStopped(instance)
        let sum = Self.sum("\(resource.id)/\(device)")
        try write(Marker(resource: resource, sums: [device.shortName: sum]), to: name)
        return Capture(
            resource: resource,
            device: device,
            virtualSizeBytes: disk.sizeBytes,
            fileSizeBytes: size,
            sha256: sum,
            guest: try result(of: call.guestWork, in: instance)
        )
    }

    private func result(of work: GuestWork, in instance: InstanceID) throws(StepFailure) -> GuestResult {
        let facts = try guest(of: instance)
        var result = GuestResult()
        if work.looks { result.inspection = .seen(facts) }
        if work.fixes { result.fix = facts.guestFix }
        if !work.seal.isEmpty { result.seal = SealRecord(removed: work.seal.map { SealRecord.Line($0, files: 1) }) }
        if work.findsSecrets {
            result.secrets = facts.systems.flatMap(\.files).sorted { $0.key < $1.key }.compactMap { path, file in
                guard case .bytes(let bytes) = file else { return nil }
                let count = SecretText.count(in: bytes, path: path)
                return count.isEmpty ? nil : count.finding(in: path)
            }
        }
        return result
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        let found = try await describe(instance)
        try require(found.host, for: "instance \(instance)")
        return Self.captureBytes(try disk(device, of: found), of: instance)
    }

    /// A capture is between an eighth and five eighths of its disk.
    private static func captureBytes(_ disk: Disk, of instance: InstanceID) -> Int64 {
        var share = SampleBytes("\(instance)/\(disk.device)")
        return disk.sizeBytes / 8 + Int64(share.next() % 5) * (disk.sizeBytes / 10)
    }

    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        let (capture, resource) = (call.capture, call.resource)
        try require(resource.host, for: "\(resource.id)")
        let name = try name(of: resource)
        guard resource.kind == .snapshot else { throw .noSnapshot(resource) }
        try write(Marker(resource: resource), to: name)
        try await pass(bytes: capture.fileSizeBytes, "The conversion of \(capture.resource.id)", call.progress)
        try dice.throwOrPass("the conversion \(resource.id)")
        let sum = try sum(of: capture)
        guard sum == capture.sha256 else { throw .rotten(capture, sha256: sum) }
        try write(Marker(resource: resource, sums: [capture.device.shortName: sum]), to: name)
        var converted = capture
        converted.resource = resource
        return converted
    }

    /// What is read from a capture.
    private func sum(of capture: Capture) throws(StepFailure) -> String {
        let bytes = try directory.read(try name(of: capture.resource))
        guard let sum = bytes.flatMap({ Marker.sum(of: capture.device.shortName, in: $0) }) else {
            throw StepFailure(
                .permanent,
                .notFound,
                "The capture of \(capture.device), \(capture.resource.id), is gone."
            )
        }
        return sum
    }

    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        let (captures, resource) = (call.captures, call.resource)
        try require(resource.host, for: "\(resource.id)")
        let name = try name(of: resource)
        guard resource.kind == .replica, let location = resource.location else {
            throw StepFailure(.permanent, .invalidArgument, "\(resource.id) is not a replica.")
        }
        guard !faults.brokenLocations.contains(location) else {
            throw StepFailure(.permanent, .failedPrecondition, "Location \(location) is broken in this simulation.")
        }
        try write(Marker(resource: resource), to: name)
        try await pass(
            bytes: captures.reduce(0) { $0 + $1.fileSizeBytes },
            "The copy to location \(location)",
            call.progress
        )
        try dice.throwOrPass("the copy \(resource.id)")
        var whole = Marker(resource: resource, manifest: call.manifest)
        var files: [Replica.File] = []
        var isServed = false
        for source in call.sources where !isServed { isServed = try isWhole(source.resource, captures) }
        for capture in captures {
            let sum = try isServed ? capture.sha256 : sum(of: capture)
            guard sum == capture.sha256 else {
                throw .differs(capture, at: location, sha256: sum)
            }
            whole.sums[capture.device.shortName] = sum
            files.append(
                Replica.File(
                    device: capture.device,
                    name: LocalFolders.fileName(capture.device),
                    sizeBytes: capture.fileSizeBytes,
                    sha256: sum
                )
            )
        }
        try write(whole, to: name)
        return Replica(resource: resource, location: location, files: files)
    }

    private func isWhole(_ replica: Resource, _ captures: [Capture]) throws(StepFailure) -> Bool {
        guard let marker = try marker(try name(of: replica)), marker.manifest != nil else { return false }
        return captures.allSatisfy { marker.sums[$0.device.shortName] == $0.sha256 }
    }

    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        try require(replica.resource.host, for: "\(replica.resource.id)")
        try await pass(bytes: 0, "The boot proof of \(replica.resource.id)") { _ in }
        try dice.throwOrPass("the boot proof \(replica.resource.id)")
        guard try manifest(of: replica.resource) != nil else {
            throw StepFailure(.transient, .unavailable, "The replica \(replica.resource.id) is not there.")
        }
        let verdict = faults.bootVerdicts(replica.resource)
        return BootObservation(
            end: verdict == .notProven ? .deadline : .sign,
            sign: verdict == .notProven ? nil : verdict == .proven ? .loginPrompt : .emergencyShell,
            milliseconds: Int64(faults.delay / .milliseconds(1)),
            isEmulated: false,
            firmware: .bios
        )
    }

    public func delete(_ resource: Resource) async throws(StepFailure) {
        try dice.throwOrPass("the deletion of \(resource.id)")
        try require(resource.host, for: "\(resource.id)")
        try directory.delete(try name(of: resource))
    }

    public func inventory() async throws(StepFailure) -> [Resource] {
        var found: [Resource] = []
        for folder in ["images", "snapshots", "launches"] + places.map({ "locations/" + $0.name.text }) {
            for name in try directory.names(in: folder) {
                guard let marker = try marker(folder + "/" + name), reaches(marker.resource.host) else {
                    continue
                }
                found.append(marker.resource)
            }
        }
        return found
    }
}

extension SimulatedDriver {
    static func name(_ id: InstanceID) -> String { "instances/" + id.text }

    /// Whether what is on a host can be read and written here.
    private func reaches(_ other: HostName?) -> Bool { other == nil || other == host }

    func require(_ other: HostName?, for what: String) throws(StepFailure) {
        guard !reaches(other) else { return }
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "The files of \(what) are on host \(other?.text ?? "none"), out of reach of \(host?.text ?? "this worker")."
        )
    }

    func name(of resource: Resource) throws(StepFailure) -> String {
        switch resource.kind {
        case .imageFile: return "images/" + resource.id.text
        case .snapshot: return "snapshots/" + resource.id.text
        case .instance: return "launches/" + resource.id.text
        case .replica:
            guard let location = resource.location, places.contains(where: { $0.name == location }) else {
                throw StepFailure(
                    .permanent,
                    .notFound,
                    "There is no location \(resource.location?.text ?? "without a name").",
                    advice: "Choose one of: \(places.map(\.name.text).joined(separator: ", "))."
                )
            }
            return "locations/\(location)/" + resource.id.text
        }
    }

    private func disk(_ device: DeviceName, of instance: Instance) throws(StepFailure) -> Disk {
        guard let disk = instance.disk(device) else {
            throw StepFailure(.permanent, .notFound, "Instance \(instance.id) has no disk \(device).")
        }
        guard !faults.brokenDevices.contains(device) else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "\(device) of instance \(instance.id) is broken in this simulation."
            )
        }
        return disk
    }

    @discardableResult
    private func requireStopped(_ id: InstanceID) async throws(StepFailure) -> Instance {
        let found = try await describe(id)
        guard found.status == .stopped else { throw .notStopped(id, found.status) }
        return found
    }

    /// Lets the time of an operation pass in ten parts, and reports each.
    func pass(
        bytes: Int64,
        _ what: String,
        _ progress: @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) {
        let parts = max(10, Int(faults.delay.components.seconds) * 2)
        for part in 0...parts {
            progress(CopyProgress(doneBytes: Int64(Double(bytes) * Double(part) / Double(parts)), totalBytes: bytes))
            guard part < parts else { break }
            if Task.isCancelled { throw .interrupted(what) }
            guard faults.delay > .zero else { continue }
            do { try await pause(faults.delay / parts) } catch { throw .interrupted(what) }
        }
    }

    private static func sum(_ text: String) -> String { Hexadecimal.text(SHA256.hash(data: Array(text.utf8))) }

    func read<Value: Decodable>(_ name: String) throws(StepFailure) -> Value? {
        guard let bytes = try directory.read(name) else { return nil }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw StepFailure(.permanent, .internal, "The simulated system's file \(name) cannot be read.")
        }
    }

    func write(_ value: some Encodable, to name: String) throws(StepFailure) {
        guard let data = try? JSONEncoder().encode(value) else {
            throw StepFailure(.permanent, .internal, "The simulated system's file \(name) cannot be written.")
        }
        try directory.write(Array(data), to: name)
    }
}

/// It needs nothing of its machine.
extension SimulatedDriver: ToolTrial {
    public func tryTools() async -> [ToolFault]? { [] }
    public func tryGuestLook(thoroughly: Bool) async -> ToolFault? { nil }
    public func tryBoot() async -> String? { nil }
}
