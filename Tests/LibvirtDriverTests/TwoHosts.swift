import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient

/// Two libvirt hosts. The instances are on h1; the locations east and west are folders of h2, which h1 does not have, and
/// north is one of h1.
///
/// As on two machines, each has a data folder of its own under the same path: in h1's libvirt, h2's path shows h1's folder.
final class TwoHosts: Sendable {
    static let h1 = HostName(known: "h1")
    static let h2 = HostName(known: "h2")
    static let north = LocationName(known: "north")
    static let ownPools = ["pool", "pool2"]

    let first: LibvirtScratch
    let second: LibvirtScratch
    /// The driver of each host's worker.
    let source: LibvirtSite
    let target: LibvirtSite

    /// - Parameter copyRate: bytes per second that h2 copies.
    init(copyRate: Int64? = nil) async throws {
        let (first, second) = (try await LibvirtScratch(), try await LibvirtScratch())
        (self.first, self.second) = (first, second)
        let sites = [Self.h1, Self.h2].map { own in
            let home = own == Self.h2 ? second.libvirt : first.libvirt
            let north = first.libvirt.path("data", "locations", Self.north.text)
            var places: [LocationName: LocationFolder] = [:]
            for name in DriverScratch.locations {
                places[name] = LocationFolder(second.libvirt.path("data", "locations", name.text), on: Self.h2)
            }
            // What a conformant driver has is east and west.
            if own == Self.h1 { places[Self.north] = LocationFolder(north, on: Self.h1) }
            let local =
                own == Self.h2
                ? DriverScratch.driver(at: home.path("data"), copyRate: copyRate)
                : LocalDriver(root: home.path("data"), locations: [Self.north: north], logger: testLogger)
            return LibvirtSite(
                local: local,
                hosts: [
                    Self.h1: LibvirtHost(uri: first.libvirt.uri), Self.h2: LibvirtHost(uri: second.libvirt.uri),
                ],
                own: own,
                locations: places,
                defaultOwner: Owner(known: "local"),
                disks: home.path("disks"),
                logger: testLogger
            )
        }
        (source, target) = (sites[0], sites[1])
        for site in sites { try site.makeFolders() }
        try await first.libvirt.bind(first.libvirt.path("data"), at: second.libvirt.path("data"))
    }

    /// The pools of each host.
    func pools() async throws -> [[String]] {
        var pools: [[String]] = []
        for scratch in [first, second] {
            let list = try await scratch.libvirt.virsh(["pool-list", "--all", "--name"])
            pools.append(list.split(whereSeparator: \.isWhitespace).map(String.init).sorted())
        }
        return pools
    }

    /// For the port's rules.
    var fixture: DriverFixture {
        var fixture = first.fixture
        fixture.driver = RoutedDriver(source: source, target: target)
        fixture.manifest = second.fixture.manifest
        fixture.anchor = self
        return fixture
    }
}

/// Sends each call to the host that the core would send its job to, and writes the hosts that the core would write.
struct RoutedDriver: ImageDriver {
    let source: LibvirtSite
    let target: LibvirtSite

    func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        var described = try await source.describe(instance, for: owner)
        described.host = nil
        return described
    }

    func instances() async throws(StepFailure) -> [Instance] {
        try await source.instances().map { instance in
            var instance = instance
            instance.host = nil
            return instance
        }
    }

    func locations() async throws(StepFailure) -> [Location] { try await target.locations() }

    func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await source.checkDisk(device, of: instance)
    }

    func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await source.copyBytes(of: device, of: instance)
    }

    func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await source.inspectGuest(of: instance)
    }

    func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture { try await source.capture(call) }

    func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture { try await source.convert(call) }

    func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        var call = call
        for index in call.captures.indices { call.captures[index].resource.host = TwoHosts.h1 }
        for index in call.sources.indices { call.sources[index].resource.host = TwoHosts.h2 }
        call.resource.host = TwoHosts.h2
        var replica = try await target.replicate(call)
        replica.resource.host = nil
        return replica
    }

    func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        try await target.proveBoot(of: replica)
    }

    func launch(_ call: LaunchCall) async throws(StepFailure) { try await target.launch(call) }

    func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try await target.publishInstance(launch, from: resource)
    }

    func rollBackLaunch(_ resource: Resource) async throws(StepFailure) { try await target.rollBackLaunch(resource) }

    func delete(_ resource: Resource) async throws(StepFailure) {
        let isOnTarget = resource.kind == .replica || resource.kind == .instance
        try await (isOnTarget ? target : source).delete(resource)
    }

    func inventory() async throws(StepFailure) -> [Resource] {
        try await source.inventory() + target.inventory()
    }
}
