import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("A simulated system fails as it is told to", .timeLimit(.minutes(30)))
struct SimulatedTests {
    private func instance(_ id: String = "i-1") throws -> Instance {
        Instance(
            id: try known(InstanceID(id)),
            owner: try known(Owner("acct-1")),
            status: .stopped,
            disks: [Disk(device: .system, kind: .local, sizeBytes: 1 << 30)]
        )
    }

    private func outcomes(_ faults: SimulatedFaults) async throws -> [Bool] {
        let driver = SimulatedDriver(locations: DriverScratch.locations, faults: faults)
        let instance = try instance()
        try driver.add(instance)
        var outcomes: [Bool] = []
        for number in 0..<100 {
            do {
                _ = try await driver.capture(
                    .system,
                    of: instance.id,
                    into: try known(resource("img-\(number)", .imageFile, "vda")),
                    progress: { _ in }
                )
                outcomes.append(true)
            } catch let failure as StepFailure {
                #expect(failure.disposition == .transient && failure.code == .unavailable)
                outcomes.append(false)
            }
        }
        return outcomes
    }

    @Test("the same seed gives the same faults, at the rate asked for, and another seed gives others")
    func seeds() async throws {
        let first = try await outcomes(SimulatedFaults(seed: 1, transientRate: 0.3))
        #expect(first == (try await outcomes(SimulatedFaults(seed: 1, transientRate: 0.3))))
        #expect(first != (try await outcomes(SimulatedFaults(seed: 2, transientRate: 0.3))))
        #expect((15...45).contains(first.filter { !$0 }.count))
        #expect(try await outcomes(SimulatedFaults()).allSatisfy { $0 })
        #expect(try await outcomes(SimulatedFaults(transientRate: 1)).allSatisfy { !$0 })
    }

    @Test("an instance named after its owner is there only when that was asked for, and only for its owner")
    func implied() async throws {
        let id = try known(InstanceID("i-sim-acct7-12"))
        let driver = SimulatedDriver(locations: DriverScratch.locations, impliesInstances: true)
        let instance = try await driver.describe(id, for: try known(Owner("acct7")))
        #expect(instance.status == .stopped && instance.systemDisk?.kind == .local)
        #expect(instance.dataDisks.map(\.kind) == [.cloud])
        for (id, owner) in [("i-sim-acct7-12", "acct8"), ("i-sim-", "acct7"), ("i-web1", "acct7")] {
            await #expect(throws: StepFailure.self) {
                try await driver.describe(try known(InstanceID(id)), for: try known(Owner(owner)))
            }
        }
        let plain = SimulatedDriver(locations: DriverScratch.locations)
        await #expect(throws: StepFailure.self) { try await plain.describe(id) }
    }

    @Test("an operation that failed by chance succeeds when it is tried again")
    func retries() async throws {
        let driver = SimulatedDriver(locations: [], faults: SimulatedFaults(transientRate: 0.5))
        let instance = try instance()
        try driver.add(instance)
        let target = try known(resource("img-1", .imageFile, "vda"))
        for _ in 0..<64 {
            do {
                _ = try await driver.capture(.system, of: instance.id, into: target, progress: { _ in })
                return
            } catch {
                #expect(error.disposition == .transient)
            }
        }
        Issue.record("64 tries in a row failed at a rate of one half")
    }

    @Test("a broken disk and a broken location fail for good")
    func broken() async throws {
        let east = try known(LocationName("east"))
        let driver = SimulatedDriver(
            locations: [east],
            faults: SimulatedFaults(brokenDevices: [.system], brokenLocations: [east])
        )
        let instance = try instance()
        try driver.add(instance)
        let check = try await refusal { try await driver.checkDisk(.system, of: instance.id) }
        let replica = try known(resource("img-1", .replica, "east", location: "east"))
        let copy = try await refusal {
            _ = try await driver.replicate([], manifest: [], into: replica, progress: { _ in })
        }
        for failure in [check, copy] {
            #expect(failure.disposition == .permanent && failure.code == .failedPrecondition)
        }
    }

    @Test("two drivers on one folder are one system")
    func shared() async throws {
        let scratch = try DriverScratch()
        let folder = scratch.path("simulated")
        let one = SimulatedDriver(locations: DriverScratch.locations, folder: folder)
        let other = SimulatedDriver(locations: DriverScratch.locations, folder: folder)
        let instance = try instance()
        try one.add(instance)
        let target = try known(resource("img-1", .imageFile, "vda"))
        let capture = try await other.capture(.system, of: instance.id, into: target, progress: { _ in })
        #expect(try await one.inventory() == [target])
        let replica = try known(resource("img-1", .replica, "west", location: "west"))
        _ = try await one.replicate([capture], manifest: [7], into: replica, progress: { _ in })
        #expect(try other.manifest(of: replica) == [7])
        try one.setStatus(.running, of: instance.id)
        #expect(try await other.describe(instance.id).status == .running)
    }
}
