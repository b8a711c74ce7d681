import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Logging
import Testing

@Suite("Several drivers are one")
struct DriverSetTests {
    private static let (lab, far, sim) = (
        DriverName(known: "lab"), DriverName(known: "far"), DriverName(known: "sim")
    )
    private static let logger = Logger(label: "test")

    private static func simulated(_ instance: String, _ locations: [String] = []) throws -> SimulatedDriver {
        let driver = SimulatedDriver(locations: locations.map { LocationName(known: $0) })
        try driver.add(
            Instance(
                id: InstanceID(known: instance),
                owner: Owner(known: "acct-1"),
                status: .stopped,
                disks: [Disk(device: .system, kind: .local, sizeBytes: 1 << 30)]
            )
        )
        return driver
    }

    @Test("an instance is found by its driver and its name, and the same name is another instance elsewhere")
    func instances() async throws {
        let several = DriverSet(
            .init(Self.lab, try Self.simulated("web1")),
            [.init(Self.sim, try Self.simulated("web1"))],
            logger: Self.logger
        )
        #expect(try await several.instances().map(\.id.text) == ["lab/web1", "sim/web1"])
        #expect(try await several.describe(InstanceID(known: "sim/web1")).id.text == "sim/web1")
        // As an image from before there were several has it.
        #expect(try await several.describe(InstanceID(known: "web1")).id.text == "lab/web1")
        for id in ["lab/web2", "far/web1"] {
            let refused = try await refusal { _ = try await several.describe(InstanceID(known: id)) }
            #expect(refused.code == .notFound && refused.disposition == .permanent, "\(refused)")
        }
        let unknown = try await refusal { _ = try await several.describe(InstanceID(known: "lab/web2")) }
        #expect(unknown == .noInstance(InstanceID(known: "lab/web2")))
    }

    @Test("a location is closed to drivers whose captures have no bytes, and open to the others")
    func locations() async throws {
        let (first, second) = (try DriverScratch(), try DriverScratch(locations: []))
        let several = DriverSet(
            .init(Self.lab, first.driver),
            [.init(Self.far, second.driver), .init(Self.sim, try Self.simulated("web1", ["moon"]))],
            logger: Self.logger
        )
        let places = try await several.locations()
        #expect(places.map(\.name.text) == ["east", "moon", "west"])
        #expect(places.map(\.driver) == [Self.lab, Self.sim, Self.lab])
        #expect(places.map { $0.closedTo.keys.sorted() } == [[Self.sim], [Self.far, Self.lab], [Self.sim]])
    }

    @Test("what a driver that does not answer has is left out, and what the others have is there")
    func silent() async throws {
        let answering = try Self.simulated("web1")
        let broken = SimulatedDriver(locations: [], folder: "/proc/goldsmith")
        let several = DriverSet(.init(Self.lab, answering), [.init(Self.far, broken)], logger: Self.logger)
        let listing = try await several.list()
        #expect(listing.instances.map(\.id.text) == ["lab/web1"])
        #expect(listing.silent == ["far"] || listing.silent.isEmpty)
    }
}
