import GoldsmithTestSupport
import ImageCore
import Testing

@Suite(
    "The OpenStack driver keeps the port's rules",
    .enabled(if: CloudScratch.folder != nil, "GOLDSMITH_TEST_CLOUD names no cloud"),
    .serialized,
    .timeLimit(.minutes(30))
)
struct ConformanceTests {
    @Test("the OpenStack driver keeps every rule", arguments: DriverConformance.checks)
    func rule(_ check: DriverCheck) async throws {
        try await check.run(try await CloudScratch().fixture)
    }
}
