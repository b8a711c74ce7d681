import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Logging
import Testing

@Suite("Every driver keeps the port's rules", .timeLimit(.minutes(30)))
struct ConformanceTests {
    enum Kind: String, CaseIterable, Sendable {
        case local
        case simulated
        case simulatedInFolder
        /// Of two drivers, one has the instances and the other the locations.
        case severalApart
        /// Of two drivers, one has the instances and its locations, the other nothing.
        case severalTogether
    }

    @Test("every driver keeps every rule", arguments: Kind.allCases, DriverConformance.checks)
    func rule(_ kind: Kind, _ check: DriverCheck) async throws {
        switch kind {
        case .local: try await check.run(Self.local(isSlow: check.isSlow))
        case .simulated: try await check.run(Self.simulated(folder: nil, isSlow: check.isSlow))
        case .simulatedInFolder:
            let scratch = try DriverScratch()
            try await check.run(Self.simulated(folder: scratch, isSlow: check.isSlow))
        case .severalApart:
            let keeper = try DriverScratch(copyRate: check.isSlow ? 64 << 10 : nil)
            try await check.run(Self.local(isSlow: check.isSlow, besides: keeper))
        case .severalTogether:
            var fixture = try Self.local(isSlow: check.isSlow)
            let local = try #require(fixture.driver as? LocalDriver)
            let (lab, other) = (DriverName(known: "lab"), DriverName(known: "sim"))
            fixture.driver = DriverSet(
                .init(other, SimulatedDriver(locations: [])),
                [.init(lab, local)],
                logger: Logger(label: "test")
            )
            (fixture.maker, fixture.keeper) = (lab, lab)
            try await check.run(fixture)
        }
    }

    /// - Parameter keeper: another driver, which then has the locations.
    private static func local(isSlow: Bool, besides keeper: DriverScratch? = nil) throws -> DriverFixture {
        let scratch = try DriverScratch(
            locations: keeper == nil ? DriverScratch.locations : [],
            copyRate: isSlow ? 64 << 10 : nil
        )
        let (lab, far) = (DriverName(known: "lab"), DriverName(known: "far"))
        let several = keeper.map { keeper in
            DriverSet(.init(lab, scratch.driver), [.init(far, keeper.driver)], logger: Logger(label: "test"))
        }
        let places = keeper ?? scratch
        return DriverFixture(
            driver: several ?? scratch.driver,
            addInstance: { instance in
                for disk in instance.disks {
                    try await scratch.makeDisk(
                        instance.id.name.text,
                        disk.device.shortName + ".qcow2",
                        virtualMebibytes: Int(disk.sizeBytes >> 20),
                        pattern: disk.device.position + 1
                    )
                }
                try scratch.describe(
                    instance.id.name.text,
                    status: instance.status.description,
                    disks: instance.disks.map {
                        .init("\($0.device)", kind: $0.kind.rawValue, file: $0.device.shortName + ".qcow2")
                    }
                )
            },
            setStatus: { try scratch.setStatus($0.name.text, "\($1)") },
            damage: { try scratch.flipByte(of: $0) },
            manifest: { replica in
                let folder = places.path("locations", replica.location?.text ?? "", replica.id.text)
                return FileManager.default.contents(atPath: folder + "/manifest.json").map { Array($0) }
            },
            maker: keeper == nil ? nil : lab,
            keeper: keeper == nil ? nil : far,
            anchor: [scratch, places]
        )
    }

    private static func simulated(folder scratch: DriverScratch?, isSlow: Bool) -> DriverFixture {
        let driver = SimulatedDriver(
            locations: DriverScratch.locations,
            folder: scratch?.path("simulated"),
            faults: SimulatedFaults(delay: isSlow ? .seconds(300) : .zero)
        )
        return DriverFixture(
            driver: driver,
            addInstance: { try driver.add($0) },
            setStatus: { try driver.setStatus($1, of: $0) },
            damage: { try driver.damage($0) },
            manifest: { try driver.manifest(of: $0) },
            anchor: scratch
        )
    }
}
