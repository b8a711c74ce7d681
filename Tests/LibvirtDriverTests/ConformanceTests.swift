import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite(
    "The libvirt driver keeps the port's rules",
    .enabled(if: TestLibvirt.isPossible, "\(TestLibvirt.obstacle ?? "")"),
    .serialized,
    .timeLimit(.minutes(30))
)
struct ConformanceTests {
    @Test("the libvirt driver keeps every rule", arguments: DriverConformance.checks)
    func rule(_ check: DriverCheck) async throws {
        let scratch = try await LibvirtScratch(copyRate: check.isSlow ? 64 << 10 : nil)
        try await check.run(scratch.fixture)
    }

    @Test("it keeps those of replicas at a location of another host", arguments: DriverConformance.checksOfReplicas)
    func elsewhere(_ check: DriverCheck) async throws {
        let two = try await TwoHosts()
        try await check.run(two.fixture)
        #expect(try await two.pools() == [TwoHosts.ownPools, TwoHosts.ownPools])
    }
}
