import Testing

@testable import ImageCore

struct SealTests {
    private func parsed(_ seal: String) throws -> CreateRequest {
        let body = #"{"requestId":"r1","owner":"acct-1","instanceId":"i-1","name":"web","seal":"# + seal + "}"
        let request = try Request.parse(
            .create,
            contentType: "application/json",
            messageID: nil,
            body: Array(body.utf8)
        )
        guard case .create(let create) = request else { throw Rejection(.internal, "not a create request") }
        return create
    }

    @Test("true is every item, a list is put into one order, and nothing is none")
    func words() throws {
        #expect(try parsed("true").seal == SealItem.allCases)
        #expect(try parsed("false").seal == nil && parsed("null").seal == nil)
        #expect(try parsed(#"["ssh-host-keys","dhcp"]"#).seal == [.dhcp, .sshHostKeys])
    }

    @Test(
        "A seal that cannot be meant is refused with the field's name",
        arguments: [
            (#""all""#, "seal", ErrorCode.invalidArgument), ("[]", "seal", .outOfRange),
            (#"["dhcp","keys"]"#, "seal[1]", .invalidArgument), (#"["dhcp","dhcp"]"#, "seal[1]", .duplicate),
            ("[1]", "seal[0]", .invalidArgument),
        ]
    )
    func refused(_ seal: String, field: String, code: ErrorCode) {
        let refused = #expect(throws: UnusableRequest.self) { try parsed(seal) }
        #expect(refused?.rejection.field == field && refused?.rejection.code == code)
    }

    @Test("Only the system disk is worked on, and a look is required where the image depends on it")
    func plan() {
        var plan = Sample.plan(disks: 2)
        plan.guestChecks = .off
        #expect(plan.guestWork(on: .system) == GuestWork() && !plan.requiresLook)
        plan.seal = [.dhcp]
        plan.secretScan = .report
        #expect(plan.guestWork(on: .system) == GuestWork(seal: [.dhcp], findsSecrets: true) && plan.requiresLook)
        plan.guestChecks = .enforce
        #expect(plan.guestWork(on: .system).looks && !plan.looksFirst, "one start of an appliance is enough")
        plan.guestChecks = .off
        #expect(plan.guestWork(on: Sample.device(1)) == GuestWork())
        plan.seal = nil
        #expect(!plan.requiresLook)
        plan.secretScan = .refuse
        #expect(plan.requiresLook)
    }

    @Test("Where the guest cannot be looked into, an image that depends on it is refused, whatever guestChecks says")
    func impossible() throws {
        let blind = GuestInspection.notChecked(reason: "no libguestfs", advice: nil, mayPass: false)
        #expect(try GuestChecks.off.judge(blind, gap: nil).isEmpty)
        for checks in GuestChecks.allCases {
            #expect(throws: StepFailure.self) { try checks.judge(blind, gap: nil, requiresLook: true) }
        }
        let seen = GuestInspection.seen(GuestFacts(volumes: [], systems: []))
        #expect(try GuestChecks.off.judge(seen, gap: nil, requiresLook: true).isEmpty)
    }

    @Test(
        "A log that a rotation has left is recognised by its name",
        arguments: [
            ("syslog", false), ("syslog.1", true), ("dpkg.log", false), ("dpkg.log.2.gz", true),
            ("messages-20260131", true),
            ("boot.log-20260131", true), ("boot.log.old", true), ("wtmp", false), ("my-app", false), ("gz", false),
            ("kern.log.zst", true), ("app-1.2.log", false), ("", false), ("btmp.10000", false),
        ]
    )
    func rotated(_ name: String, isRotated: Bool) { #expect(SealItem.isRotatedLog(name) == isRotated) }

    @Test("What was sealed stands in the manifest, the view and the findings; a data disk has no such record")
    func told() {
        var plan = Sample.plan(disks: 2)
        plan.seal = [.machineID]
        var life = Life(plan: plan)
        life.run(.stopCheck)
        life.apply(.began(.systemDisk, attempt: 1))
        var capture = Sample.capture(of: .systemDisk, in: life.image)
        let left = Finding(.notChecked, "free space on /dev/sda3 (ntfs) was not overwritten", code: .seal)
        capture.seal = SealRecord(removed: [.init(.machineID, files: 1)], zeroed: ["/dev/sda1"], left: [left])
        life.apply(.succeeded(.systemDisk, fence: life.image.fence, .captured(capture)))
        #expect(life.image.findings == [left])
        let view = ImageView(life.image)
        #expect(view.seal == SealRecord(removed: [.init(.machineID, files: 1)], zeroed: ["/dev/sda1"]))
        #expect(Manifest(of: life.image).seal == [.machineID])
        #expect(
            String(decoding: CanonicalJSON.bytes(Manifest(of: life.image)), as: UTF8.self).contains(
                #""seal":["machine-id"]"#
            )
        )
    }
}
