import GoldsmithTestSupport
import ImageCore
import Testing

/// They share the cloud's project, and empty it: one after the other.
@Suite("On a private cloud", .serialized)
enum CloudTests {}

extension CloudTests {
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
}
