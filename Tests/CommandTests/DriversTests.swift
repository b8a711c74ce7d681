import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import ImageWorker
import Logging
import Testing

@testable import GoldsmithCommands

@Suite("The setting drivers names several drivers")
struct DriversTests {
    private static let three = "kvm=libvirt, cloud=openstack:/etc/clouds.yaml#east,lab=local:/srv/lab"
    private static let setting = "setting drivers (GOLDSMITH_DRIVERS): "
    private let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    private func settings(_ flags: [SettingKey: String]) async throws(CommandFailure) -> Settings {
        try await Settings(flags: flags.merging([.data: folder.file("data")]) { given, _ in given }, file: nil)
    }

    @Test("each has a name, a kind and its place, in their order")
    func names() async throws {
        let settings = try await settings([.drivers: Self.three])
        let drivers = try await settings.drivers()
        #expect(drivers.map(\.name?.text) == ["kvm", "cloud", "lab"])
        #expect(drivers.map(\.kind) == [.libvirt, .openstack, .local])
        #expect(drivers.map(\.place) == [nil, "/etc/clouds.yaml#east", "/srv/lab"])
        #expect(try await settings.driverNames().names == drivers.compactMap(\.name))
        #expect(try await settings.workerOptions().drivers.names.count == 3)
        let one = try await self.settings([:])
        #expect(try await one.drivers() == [DriverEntry(kind: .local)])
        #expect(try await one.driverNames() == DriverList())
    }

    @Test("the first keeps the data folder, and what has no driver is the first's")
    func folders() async throws {
        let settings = try await settings([
            .drivers: "lab=local,far=local,old=local:/srv/old", .locations: "east,far/west,old/vault=/srv/vault",
        ])
        let drivers = try await settings.drivers()
        var roots: [String] = []
        for driver in drivers { roots.append(try await settings.root(of: driver)) }
        #expect(roots == [settings.data, settings.data + "/drivers/far", "/srv/old"])
        let places = try await settings.locations()
        func place(_ name: String) -> LocationFolder? { places[LocationName(known: name)] }
        #expect(place("east") == LocationFolder(settings.data + "/locations/east", of: drivers[0].name))
        #expect(place("west") == LocationFolder(roots[1] + "/locations/west", of: drivers[1].name))
        #expect(place("vault") == LocationFolder("/srv/vault", of: drivers[2].name))
        let text = try await settings.locationsText()
        let again = try await self.settings([.drivers: "lab=local,far=local,old=local:/srv/old", .locations: text])
        #expect(try await again.locations() == places)
        let driver = try await settings.viewedDriver(Logger(label: "test"))
        let told = try await driver.locations().map { "\($0.driver?.text ?? "")/\($0.name)" }
        #expect(told == ["lab/east", "old/vault", "far/west"])
    }

    @Test("a location in a cloud may say a store or a volume type, as one elsewhere may not")
    func places() async throws {
        let flags: [SettingKey: String] = [
            .drivers: "lab=local,cloud=openstack:/etc/clouds.yaml",
            .locations: "lab/east,cloud/glance,cloud/vault=store:cold,cloud/ssd=volume-type:fast,cloud/twin=store:cold",
        ]
        let settings = try await settings(flags)
        let text = try await settings.locationsText()
        let parts = [
            "lab/east=\(settings.data)/locations/east", "cloud/glance", "cloud/ssd=volume-type:fast",
            "cloud/twin=store:cold", "cloud/vault=store:cold",
        ]
        #expect(text == parts.joined(separator: ","))
        let again = try await self.settings(flags.merging([.locations: text]) { $1 })
        #expect(try await again.locations() == settings.locations())
        for (wrong, problem) in [
            ("lab/vault=store:cold", "the path of vault must be absolute"),
            ("vault=store:cold", "the path of vault must be absolute"),
            ("cloud/vault=", "the path of vault must be absolute"),
            ("cloud/vault=store:", "vault is neither store:<id> nor volume-type:<name>"),
            ("cloud/vault=shop:cold", "vault is neither store:<id> nor volume-type:<name>"),
        ] {
            let error = await caught { () async throws(CommandFailure) in
                _ = try await self.settings(flags.merging([.locations: wrong]) { $1 }).locations()
            }
            #expect(error?.message == "setting locations: \(problem)", "\(wrong)")
        }
    }

    @Test(
        "a wrong one is refused with what is wrong",
        arguments: [
            ("", "'' must be a name, = and a driver"), ("local", "'local' must be a name, = and a driver"),
            ("Lab=local", "'Lab' is no name of a driver; "), ("a/b=local", "'a/b' is no name of a driver; "),
            ("lab=folder", "lab is of no known kind, 'folder'; known are local, libvirt, openstack, simulated"),
            ("lab=local:srv", "the path of lab must be absolute"),
            ("kvm=libvirt:qemu+tls://h1/system", "the URI of kvm must be one of this machine"),
            ("kvm=libvirt:h1", "the URI of kvm must be one of this machine"),
            ("lab=local,lab=simulated", "driver lab stands twice"),
            ("a=libvirt,b=libvirt", "driver a and driver b are the same"),
            ("a=local:/srv/a,b=local:/srv/a", "driver a and driver b are the same"),
        ]
    )
    func malformed(text: String, problem: String) async throws {
        let error = await caught { () async throws(CommandFailure) in
            _ = try await settings([.drivers: text]).drivers()
        }
        #expect(error?.kind == .usage)
        #expect(error?.message.hasPrefix(Self.setting + problem) == true, "\(String(describing: error))")
    }

    @Test("what contradicts it is refused before anything is made")
    func contradictions() async throws {
        let wrong: [([SettingKey: String], String)] = [
            ([.drivers: "lab=local", .driver: "local"], "the settings driver and drivers are both set"),
            (
                [.drivers: "lab=local", .locations: "far/east"],
                "setting locations: far, the driver of east, is not among the drivers"
            ),
            ([.locations: "lab/east"], "setting locations: lab, the driver of east, is not among the drivers"),
            (
                [.drivers: "lab=local", .locations: "lab/east@h1"],
                "setting locations: east is a folder of host h1, and driver lab has no hosts"
            ),
            (
                [.drivers: "lab=local", .libvirtHosts: "h1=qemu:///system"],
                "setting libvirtHosts (GOLDSMITH_LIBVIRT_HOSTS): "
            ),
        ]
        for (flags, message) in wrong {
            let error = await caught { () async throws(CommandFailure) in
                _ = try await settings(flags).workerDriver(Logger(label: "test"))
            }
            #expect(error?.kind == .usage && error?.message.hasPrefix(message) == true, "\(String(describing: error))")
        }
    }
}
