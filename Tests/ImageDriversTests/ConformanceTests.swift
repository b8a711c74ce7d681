import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("Every driver keeps the port's rules", .timeLimit(.minutes(30)))
struct ConformanceTests {
    enum Kind: String, CaseIterable, Sendable {
        case local
        case simulated
        case simulatedInFolder
    }

    @Test("every driver keeps every rule", arguments: Kind.allCases, DriverConformance.checks)
    func rule(_ kind: Kind, _ check: DriverCheck) async throws {
        switch kind {
        case .local: try await check.run(Self.local(isSlow: check.isSlow))
        case .simulated: try await check.run(Self.simulated(folder: nil, isSlow: check.isSlow))
        case .simulatedInFolder:
            let scratch = try DriverScratch()
            try await check.run(Self.simulated(folder: scratch, isSlow: check.isSlow))
        }
    }

    private static func local(isSlow: Bool) throws -> DriverFixture {
        let scratch = try DriverScratch(copyRate: isSlow ? 64 << 10 : nil)
        return DriverFixture(
            driver: scratch.driver,
            addInstance: { instance in
                for disk in instance.disks {
                    try await scratch.makeDisk(
                        instance.id.text,
                        disk.device.shortName + ".qcow2",
                        virtualMebibytes: Int(disk.sizeBytes >> 20),
                        pattern: disk.device.position + 1
                    )
                }
                try scratch.describe(
                    instance.id.text,
                    status: instance.status.description,
                    disks: instance.disks.map {
                        .init("\($0.device)", kind: $0.kind.rawValue, file: $0.device.shortName + ".qcow2")
                    }
                )
            },
            setStatus: { try scratch.setStatus($0.text, "\($1)") },
            damage: { try scratch.flipByte(of: $0) },
            manifest: { replica in
                let folder = scratch.path("locations", replica.location?.text ?? "", replica.id.text)
                return FileManager.default.contents(atPath: folder + "/manifest.json").map { Array($0) }
            },
            anchor: scratch
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
