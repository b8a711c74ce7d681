import Testing

@testable import ImageCore

@Suite("A guest is judged by what it insists on")
struct JudgementTests {
    private static let volumes: [GuestFacts.Volume] = [
        .init(device: "/dev/sda"), .init(device: "/dev/sda1", type: "vfat", uuid: "AB12-CD34", partUUID: "0F0F-01"),
        .init(device: "/dev/sda2", type: "ext4", uuid: "1111-aaaa", label: "my root", partLabel: "root"),
        .init(device: "/dev/vg-a/lv-b", type: "xfs", uuid: "2222-bbbb"), .init(device: "/dev/sda3", type: "swap"),
    ]

    private static func facts(_ fstab: String, volumes: [GuestFacts.Volume] = volumes) -> GuestFacts {
        GuestFacts(
            volumes: volumes,
            systems: [.init(root: "/dev/sda2", fstab: .bytes(Array(fstab.utf8)))]
        )
    }

    @Test(
        "what is on the system disk is found under every name a guest may use",
        arguments: [
            "/dev/vda2", "/dev/sda2", "/dev/xvda2", "/dev/hda2", "/dev/nvme0n1p2", "/dev/mmcblk0p2", "UUID=1111-AAAA",
            "UUID=\"1111-aaaa\"", "UUID=ab12-cd34", "PARTUUID=0f0f-01", "LABEL=\"my\\040root\"", "LABEL=my\\040root",
            "PARTLABEL=root", "/dev/disk/by-uuid/1111-aaaa", "/dev/disk/by-label/my\\134x20root",
            "/dev/disk/by-partuuid/0f0f-01", "/dev/disk/by-partlabel/root", "/dev/vg-a/lv-b",
            "/dev/mapper/vg--a-lv--b", "/dev/vda",
        ]
    )
    func own(source: String) {
        #expect(Self.facts("\(source) /srv ext4 defaults").findings.isEmpty)
        #expect(Self.facts("\(source) none swap sw").findings.isEmpty)
    }

    @Test(
        "what is not there is found, whatever its name",
        arguments: [
            "/dev/vdb", "/dev/vdb1", "/dev/vda7", "/dev/sdb1", "/dev/nvme1n1p1", "UUID=3333", "LABEL=My\\040root",
            "LABEL=root", "PARTUUID=1111-aaaa", "PARTLABEL=my", "ID=disk", "/dev/disk/by-uuid/3333",
            "/dev/disk/by-id/wwn-0x1", "/dev/mapper/vg-a-lv-b", "/dev/vg/lv", "/dev/md0", "/dev/mapper/crypt",
        ]
    )
    func foreign(source: String) {
        #expect(Self.facts("\(source) /srv ext4 defaults").findings.map(\.code) == [.fstabMount])
        #expect(Self.facts("\(source) none swap sw").findings.map(\.code) == [.fstabSwap])
        #expect(Self.facts("\(source) /srv ext4 defaults,nofail").findings.isEmpty)
        // The kernel gets its root from the boot loader, not from this line.
        #expect(Self.facts("\(source) / ext4 defaults").findings.isEmpty)
    }

    @Test("what an encrypted volume or an array holds cannot be known, and is neither accused nor passed")
    func unknowable() {
        let locked = Self.volumes + [.init(device: "/dev/sda5", type: "crypto_LUKS", uuid: "99-aa")]
        for source in ["/dev/mapper/home", "/dev/crypt/home", "UUID=3333", "LABEL=home"] {
            let findings = Self.facts("\(source) /home ext4 defaults", volumes: locked).findings
            #expect(findings.map(\.code) == [.notChecked], "\(source)")
            #expect(findings.first?.message.contains("inside /dev/sda5, which is encrypted") == true)
            #expect(Self.facts("\(source) /home ext4 nofail", volumes: locked).findings.isEmpty)
        }
        #expect(Self.facts("/dev/mapper/luks-99-AA /home ext4 defaults", volumes: locked).findings.isEmpty)
        for source in ["/dev/vdb", "PARTUUID=3333"] {
            #expect(Self.facts("\(source) /home ext4 defaults", volumes: locked).findings.map(\.code) == [.fstabMount])
        }
        let array = Self.volumes + [.init(device: "/dev/md127", type: "ext4")]
        #expect(Self.facts("/dev/md0 /home ext4 defaults", volumes: array).findings.map(\.code) == [.notChecked])
    }

    @Test("a finding says file, line, the line itself and what to do")
    func words() throws {
        let finding = try #require(Self.facts("# x\nLABEL=data /data\u{7f}  xfs defaults 0 2\n").findings.first)
        #expect(finding.severity == .warning && finding.file == "/etc/fstab" && finding.line == 2)
        #expect(finding.text == "LABEL=data /data xfs defaults 0 2")
        #expect(
            finding.message
                == "/etc/fstab line 2 mounts LABEL=data at /data, which is not on the system disk: a new instance does not start without it"
        )
        #expect(finding.advice?.contains("nofail") == true)
    }

    @Test("what was not read is said, never passed over in silence")
    func unread() {
        let none = GuestFacts(
            volumes: [],
            systems: [],
            unread: [.init(root: "/dev/sda1", type: "xfs", reason: "bad superblock")]
        )
        #expect(none.findings.map(\.severity) == [.notChecked])
        #expect(none.findings.first?.message.contains("bad superblock") == true)
        #expect(none.findings.first?.message.contains("/dev/sda1, xfs: bad") == true)
        // A partition for a boot loader has no file system, and an encrypted one beside a system is not its root.
        var some = Self.facts("")
        some.unread = ["unknown", "crypto_LUKS", "vfat"].map { .init(root: "/dev/sda9", type: $0, reason: "no") }
        #expect(some.findings.isEmpty)
        some.unread.append(.init(root: "/dev/sda4", type: "ext4", reason: "bad geometry"))
        #expect(some.findings.map(\.message) == ["a file system was not checked, /dev/sda4, ext4: bad geometry"])
        let large = [UInt8](repeating: 35, count: GuestFile.sizeLimit + 1)
        for file in [GuestFile.unread("no permission"), .bytes(large)] {
            let facts = GuestFacts(volumes: [], systems: [.init(root: "/dev/sda1", fstab: file)])
            #expect(facts.findings.map(\.code) == [.notChecked])
            #expect(facts.edits.isEmpty)
        }
    }

    @Test("many findings are counted, and what was not checked stays among those that are told")
    func many() {
        var facts = Self.facts(String(repeating: "/dev/vdb /srv ext4 rw\n", count: 50))
        facts.systems[0].files[GuestFacts.networkRulesPath] = .unread("no permission")
        let findings = facts.findings
        #expect(findings.count == GuestFacts.findingLimit + 1)
        #expect(findings.first?.severity == .notChecked && findings.last?.message == "31 more of the same were found")
        #expect(facts.edits.count == 1)
    }

    @Test("of several systems each is judged, and named")
    func several() {
        let faulty = GuestFile.bytes(Array("/dev/vdb /srv ext4 rw\n".utf8))
        let facts = GuestFacts(
            volumes: [],
            systems: [.init(root: "/dev/sda1", fstab: faulty), .init(root: "btrfsvol:/dev/sda2/@", fstab: faulty)]
        )
        #expect(facts.findings.map(\.file) == ["/dev/sda1:/etc/fstab", "btrfsvol:/dev/sda2/@:/etc/fstab"])
        #expect(facts.edits.map(\.root) == ["/dev/sda1", "btrfsvol:/dev/sda2/@"])
    }

    private static let gap = Finding(.warning, "a gap", code: .deviceGap)

    @Test("off and warn let everything pass, enforce nothing, fix what it can fix")
    func strictness() throws {
        let faulty = GuestInspection.seen(Self.facts("/dev/vdb /srv ext4 rw"))
        let clean = GuestInspection.seen(Self.facts(""))
        let absent = GuestInspection.notChecked(reason: "no libguestfs", advice: "install it", mayPass: false)
        #expect(try GuestChecks.off.judge(nil, gap: Self.gap).map(\.code) == [.deviceGap])
        #expect(try GuestChecks.warn.judge(faulty, gap: Self.gap).map(\.code) == [.deviceGap, .fstabMount])
        #expect(try GuestChecks.warn.judge(absent, gap: nil).map(\.severity) == [.notChecked])
        #expect(try GuestChecks.fix.judge(faulty, gap: Self.gap).map(\.code) == [.deviceGap, .fstabMount])
        for checks in GuestChecks.allCases { #expect(try checks.judge(clean, gap: nil).isEmpty) }
        for inspection in [faulty, absent] {
            #expect(throws: StepFailure.self) { try GuestChecks.enforce.judge(inspection, gap: nil) }
        }
        #expect(throws: StepFailure.self) { try GuestChecks.enforce.judge(clean, gap: Self.gap) }
        #expect(throws: StepFailure.self) { try GuestChecks.fix.judge(absent, gap: nil) }
    }

    @Test("a refusal has the line and the advice, and says itself whether to try again")
    func refusals() throws {
        let faulty = GuestInspection.seen(Self.facts(String(repeating: "/dev/vdb /srv ext4 rw\n", count: 5)))
        let refusal = #expect(throws: StepFailure.self) { try GuestChecks.enforce.judge(faulty, gap: nil) }
        #expect(refusal?.disposition == .permanent && refusal?.code == .failedPrecondition)
        #expect(refusal?.message.contains("/etc/fstab line 1 mounts /dev/vdb at /srv") == true)
        #expect(refusal?.message.contains("(/dev/vdb /srv ext4 rw)") == true)
        #expect(refusal?.message.hasSuffix("; and 2 more") == true)
        #expect(refusal?.advice?.contains("nofail") == true)
        let slow = GuestInspection.notChecked(reason: "it took too long", advice: nil, mayPass: true)
        let again = #expect(throws: StepFailure.self) { try GuestChecks.fix.judge(slow, gap: nil) }
        #expect(again?.disposition == .transient && again?.code == .unavailable)
    }

    @Test("what an older version has stored is still read")
    func stored() throws {
        let bytes = Array(#"{"severity": "not-checked", "message": "not checked"}"#.utf8)
        let finding = try CanonicalJSON.decode(Finding.self, from: bytes)
        #expect(finding.severity == .notChecked && finding.code == nil && finding.line == nil)
    }
}
