import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("What a seal and a secret scan make of an image", .timeLimit(.minutes(30)))
struct SealTests {
    private func made(_ fields: [String: JSONValue], secret: Bool = false) async throws -> (Image, Rig) {
        let rig = try await Rig()
        if secret {
            let key = Array("-----BEGIN PRIVATE KEY-----\n".utf8)
            let guest = GuestFacts(
                volumes: [],
                systems: [.init(root: "/dev/sda1", files: ["/root/.ssh/id": .bytes(key)])]
            )
            try rig.driver.setGuest(guest, of: InstanceID(known: "i-web1"))
        }
        rig.request(.create, fields)
        try await rig.run(rig.worker())
        return (try await rig.image(), rig)
    }

    @Test("What the request names is removed from the system disk, and from no other")
    func sealed() async throws {
        let (image, _) = try await made(["seal": .array([.string("machine-id"), .string("dhcp")])])
        #expect(image.status == .available)
        for capture in image.captures {
            #expect(capture.seal?.removed.map(\.item) == (capture.device.isSystem ? [.dhcp, .machineID] : nil))
        }
        #expect(ImageView(image).seal?.removed.count == 2)
    }

    @Test("A secret is reported, or ends the image in Error with nothing left behind", arguments: SecretScan.allCases)
    func secret(_ scan: SecretScan) async throws {
        let (image, rig) = try await made(["secretScan": .string(scan.rawValue)], secret: true)
        #expect(image.findings.map(\.message) == ["a private key is in /root/.ssh/id"])
        switch scan {
        case .report: #expect(image.status == .available)
        case .refuse:
            #expect(image.status == .error && image.failure?.cause.code == .secretsFound)
            #expect(image.failure?.attempts == 1 && image.cleanUp == .done)
            #expect(try await rig.driver.inventory().isEmpty)
        }
    }

    @Test("Where nothing is found, refuse makes the image")
    func clean() async throws {
        let (image, _) = try await made(["secretScan": .string("refuse"), "seal": .bool(true)])
        #expect(image.status == .available && image.findings.isEmpty)
        #expect(ImageView(image).secretScan == .refuse)
    }
}
