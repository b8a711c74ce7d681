import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("What guest checks make of an image", .timeLimit(.minutes(30)))
struct GuestCheckTests {
    private static let faulty = GuestFacts(
        volumes: [.init(device: "/dev/sda1", uuid: "1111")],
        systems: [.init(root: "/dev/sda1", fstab: .bytes(Array("/dev/vdb /srv ext4 rw 0 2\n".utf8)))]
    )

    private func made(
        _ checks: String,
        guest: GuestFacts? = faulty,
        more: [String: JSONValue] = [:]
    ) async throws -> (Image, Rig) {
        let rig = try await Rig()
        if let guest { try rig.driver.setGuest(guest, of: InstanceID(known: "i-web1")) }
        rig.request(.create, ["guestChecks": .string(checks)].merging(more) { $1 })
        try await rig.run(rig.worker())
        return (try await rig.image(), rig)
    }

    private func events(_ rig: Rig, _ key: String) throws -> [CloudEvent] {
        try rig.broker.events.filter { $0.routingKey.hasPrefix(key) }.map {
            try CanonicalJSON.decode(CloudEvent.self, from: $0.body.utf8)
        }
    }

    @Test("warn makes the image, with the finding on it and in its events")
    func warn() async throws {
        let (image, rig) = try await made("warn")
        #expect(image.status == .available)
        #expect(image.findings.map(\.code) == [.fstabMount] && image.findings.map(\.severity) == [.warning])
        #expect(image.captures.allSatisfy { $0.guestFix == nil })
        #expect(try events(rig, "step.stop-check.done").map(\.data.findings) == [nil], "the capture looks")
        #expect(try events(rig, "step.system-disk.done").map(\.data.findings) == [image.findings])
        #expect(try events(rig, "image.available").map(\.data.findings) == [image.findings])
    }

    @Test("enforce ends in Error with file, line and advice, after one attempt, and captures nothing")
    func enforce() async throws {
        let (image, rig) = try await made("enforce")
        #expect(image.status == .error && image.failure?.attempts == 1 && image.failure?.job == .stopCheck)
        #expect(image.failure?.cause.code == .failedPrecondition)
        #expect(image.failure?.cause.message.contains("/etc/fstab line 1 mounts /dev/vdb at /srv") == true)
        #expect(image.failure?.cause.advice?.contains("nofail") == true)
        #expect(try await rig.driver.inventory().isEmpty && image.cleanUp == .done)
    }

    @Test("enforce with secretScan looks once, when the system disk is captured, and cleans up after it")
    func enforceLate() async throws {
        let (image, rig) = try await made("enforce", more: ["secretScan": .string("report")])
        #expect(image.status == .error && image.failure?.attempts == 1 && image.failure?.job == .systemDisk)
        #expect(image.failure?.cause.message.contains("/etc/fstab line 1 mounts /dev/vdb at /srv") == true)
        #expect(try await rig.driver.inventory().isEmpty && image.cleanUp == .done)
    }

    @Test("fix changes the captured system disk and says so, once; no other disk is fixed")
    func fix() async throws {
        let (image, rig) = try await made("fix")
        #expect(image.status == .available)
        #expect(image.findings.map(\.severity) == [.fixed])
        #expect(image.captures.filter { $0.guestFix != nil }.map(\.device) == [.system])
        #expect(image.captures.first?.guestFix?.diff.contains("+/dev/vdb /srv ext4 rw,nofail 0 2\n") == true)
        #expect(try events(rig, "step.system-disk.done").first?.data.findings?.map(\.severity) == [.fixed])
    }

    @Test("off looks at nothing, and a clean guest has no findings", arguments: ["off", "warn", "enforce", "fix"])
    func clean(checks: String) async throws {
        let (image, _) = try await made(checks, guest: checks == "off" ? Self.faulty : nil)
        #expect(image.status == .available && image.findings.isEmpty)
    }

    @Test("a guest that could not be looked into is refused by enforce and fix, and told of by warn")
    func notChecked() async throws {
        let blind = GuestFacts(
            volumes: [],
            systems: [],
            unread: [.init(root: "/dev/sda1", type: "crypto_LUKS", reason: "encrypted")]
        )
        for checks in ["enforce", "fix"] {
            let (image, _) = try await made(checks, guest: blind)
            #expect(image.status == .error && image.failure?.cause.message.contains("encrypted") == true)
        }
        let (image, _) = try await made("warn", guest: blind)
        #expect(image.status == .available && image.findings.map(\.severity) == [.notChecked])
    }
}
