import GoldsmithTestSupport
import ImageCore
import LibvirtClient
import Logging
import Testing

@testable import GoldsmithCommands

@Suite("The setting libvirtHosts names hosts and where their libvirt is")
struct LibvirtHostsTests {
    private static let two = "h1=qemu:///system, h2=qemu+tls://h2.example/system"
    private static let setting = "setting libvirtHosts (GOLDSMITH_LIBVIRT_HOSTS): "
    private let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    /// In a folder where nothing runs.
    private func settings(_ flags: [SettingKey: String]) async throws(CommandFailure) -> Settings {
        let standard = [SettingKey.data: folder.file("data"), .driver: "libvirt"]
        return try await Settings(flags: flags.merging(standard) { given, _ in given }, file: nil)
    }

    @Test("its names are the installation's hosts, which the setting hosts may repeat")
    func hosts() async throws {
        for hosts in [nil, "h2,h1"] {
            let flags: [SettingKey: String?] = [.libvirtHosts: Self.two, .hosts: hosts]
            let settings = try await settings(flags.compactMapValues { $0 })
            #expect(try await settings.hosts().map(\.text) == ["h1", "h2"])
            let list = try #require(try await settings.libvirtHosts())
            #expect(list.uris[HostName(known: "h2")]?.text == "qemu+tls://h2.example/system")
            #expect(try await settings.drivers().map(\.kind) == [.libvirt])
        }
        #expect(try await settings([:]).libvirtHosts() == nil)
        #expect(try await settings([:]).libvirtConnections() == nil)
    }

    @Test("a worker reaches its own host by a URI of its machine, and others as they are listed")
    func own() async throws {
        let none = try await settings([.libvirtHosts: Self.two]).libvirtConnections()
        let (h1, h2) = (HostName(known: "h1"), HostName(known: "h2"))
        #expect(none?[h1]?.uri == "qemu:///system" && none?[h2]?.uri == "qemu+tls://h2.example/system")
        let remote = "h1=qemu+tls://h1/system,h2=qemu+tls://h2/system"
        let first = try await settings([.libvirtHosts: remote, .host: "h1"]).libvirtConnections()
        #expect(first?[h1]?.uri == "qemu:///system" && first?[h2]?.uri == "qemu+tls://h2/system")
        let sockets = "h1=qemu+unix:///system?socket=/run/a,h2=qemu+unix:///system?socket=/run/b"
        let second = try await settings([.libvirtHosts: sockets, .host: "h2"]).libvirtConnections()
        #expect(second?[h2]?.uri == "qemu+unix:///system?socket=/run/b")
        #expect(second?[h1]?.uri == "qemu+unix:///system?socket=/run/a")
    }

    @Test(
        "a wrong one is refused by its name, with what is wrong",
        arguments: [
            ("", "'' must be a name, = and a URI"), ("h1", "'h1' must be a name, = and a URI"),
            ("h1=qemu:///system,", "'' must be a name, = and a URI"),
            ("H1=qemu:///system", "'H1' is no name of a host; "),
            ("h1=qemu:///system,h1=qemu+tls://b/system", "h1 stands twice"),
            ("h1=qemu:///system,h2=qemu:///system", "h1 and h2 have the same URI"),
            ("h1=", "the URI of h1 is not a libvirt URI"), ("h1=h1.example", "the URI of h1 is not a libvirt URI"),
            ("h1=xen:///system", "the URI of h1 is not a libvirt URI"),
            ("h1=qemu+ext://h1/system", "the URI of h1 is not a libvirt URI"),
            ("h1=qemu+tls://h1", "the URI of h1 is not a libvirt URI"),
            ("h1=qemu+tls://h1/vm", "the URI of h1 is not a libvirt URI"),
            ("h1=qemu+tls://h 1/system", "the URI of h1 is not a libvirt URI"),
        ]
    )
    func malformed(text: String, problem: String) async throws {
        let error = await caught { () async throws(CommandFailure) in
            _ = try await settings([.libvirtHosts: text]).hosts()
        }
        #expect(error?.kind == .usage)
        #expect(error?.message.hasPrefix(Self.setting + problem) == true, "\(String(describing: error))")
    }

    @Test("what contradicts it is refused before anything is made")
    func contradictions() async throws {
        let wrong: [([SettingKey: String], String)] = [
            ([.libvirtHosts: Self.two, .hosts: "h1,h3"], Self.setting + "its hosts are h1, h2, those of the setting"),
            ([.libvirtHosts: Self.two, .host: "h3"], "host h3 is not among the hosts: h1, h2"),
            ([.libvirtHosts: Self.two, .driver: "simulated"], Self.setting + "the driver is simulated"),
            ([.libvirtHosts: Self.two, .host: "h2"], Self.setting + "on host h2, qemu:///system is not h1's libvirt"),
            ([.hosts: "h1"], "setting hosts (GOLDSMITH_HOSTS) names hosts, and nothing says where their libvirt is"),
        ]
        for (flags, message) in wrong {
            let error = await caught { () async throws(CommandFailure) in
                let settings = try await settings(flags)
                _ = try await settings.workerDriver(Logger(label: "test"))
            }
            #expect(error?.kind == .usage && error?.message.hasPrefix(message) == true, "\(String(describing: error))")
        }
    }

    @Test("a location can be a folder of one of the hosts, which other workers leave alone")
    func locations() async throws {
        let (east, west) = (LocationName(known: "east"), LocationName(known: "west"))
        for (host, reached) in [(nil, [east]), ("h1", [east]), ("h2", [east, west])] as [(String?, [LocationName])] {
            let flags: [SettingKey: String?] = [
                .libvirtHosts: "h1=qemu+tls://h1/system,h2=qemu+tls://h2/system",
                .locations: "east=/srv/east,west@h2=/srv/west", .host: host,
            ]
            let settings = try await settings(flags.compactMapValues { $0 })
            #expect(try await settings.reachedLocations(of: DriverEntry(kind: .libvirt)).keys.sorted() == reached)
            let driver = try await settings.viewedDriver(Logger(label: "test"))
            #expect(try await driver.locations() == [Location(east), Location(west, on: HostName(known: "h2"))])
        }
        let simulated: [SettingKey: String] = [.driver: "simulated", .hosts: "h1", .locations: "west@h1"]
        let driver = try await settings(simulated).viewedDriver(Logger(label: "test"))
        #expect(try await driver.locations() == [Location(west, on: HostName(known: "h1"))])
    }

    @Test("a location of no host of the installation is refused before anything is made")
    func strangeLocations() async throws {
        let wrong: [([SettingKey: String], String)] = [
            ([.libvirtHosts: Self.two, .locations: "west@h3"], "host h3 of west is not among the hosts: h1, h2"),
            ([.locations: "west@h1"], "host h1 of west is not among the hosts: none"),
            (
                [.driver: "local", .locations: "west@h1"],
                "west is a folder of host h1, and the driver local has no hosts"
            ),
            ([.libvirtHosts: Self.two, .locations: "a@h1=/x,b@h1=/x/"], "a and b are the same folder"),
            ([.libvirtHosts: Self.two, .locations: "west@"], "'', the host of west, is no name of one; "),
        ]
        for (flags, message) in wrong {
            let error = await caught { () async throws(CommandFailure) in
                _ = try await settings(flags).workerDriver(Logger(label: "test"))
            }
            #expect(error?.kind == .usage)
            #expect(error?.message.hasPrefix("setting locations: " + message) == true, "\(String(describing: error))")
        }
    }
}
