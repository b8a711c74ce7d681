import ImageCore
import ImageDrivers
import Logging
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

@Suite("A cloud that is away", .timeLimit(.minutes(5)))
struct AwayTests {
    /// No service listens on port 1.
    private static let cloud = OpenStackDriver(
        cloud: OpenStackCloud(
            CloudAccess(authURL: "http://127.0.0.1:1", credentialID: "i", secret: CloudSecret("s"), region: "one"),
            pauses: [.milliseconds(1)]
        ),
        scope: "test",
        locations: [LocationName(known: "east"): .captures],
        defaultOwner: Owner(known: "local"),
        logger: Logger(label: "test")
    )

    @Test("pauses a worker that has no other driver, and does not keep one of several from the others' work")
    func trials() async {
        let logger = Logger(label: "test")
        let (cloud, lab) = (DriverName(known: "cloud"), DriverName(known: "lab"))
        let alone = DriverSet(.init(cloud, Self.cloud), logger: logger)
        #expect(await alone.tryTools()?.map(\.tool) == [.cloud])
        let several = DriverSet(
            .init(lab, SimulatedDriver(locations: [])),
            [.init(cloud, Self.cloud)],
            logger: logger
        )
        #expect(await several.tryTools() == [])
    }
}
