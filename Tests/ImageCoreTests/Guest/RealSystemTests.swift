import Testing

@testable import ImageCore

@Suite("Guests as installers leave them")
struct RealSystemTests {
    private func shown(_ finding: Finding) -> String {
        let place = "\(finding.file ?? ""):\(finding.line ?? 0)"
        guard finding.severity != .notChecked else { return place + " ?" }
        return "\(place) \(finding.code?.rawValue ?? "") \(finding.severity == .fixed ? "fixed" : "left")"
    }

    @Test("what a start without the other disks does is what warn, enforce and fix say", arguments: RealSystem.all)
    func judged(system: RealSystem) throws {
        let facts = system.facts
        let (findings, guestFix) = (facts.findings, facts.guestFix)
        #expect(guestFix.findings.map(shown) == system.found)
        // Before a fix all of it is a warning, with the same words.
        #expect(findings.map(\.message) == guestFix.findings.map(\.message))
        #expect(!findings.contains { $0.severity == .fixed })
        for (finding, after) in zip(findings, guestFix.findings) where finding.severity == .warning {
            #expect(finding.advice?.contains("leaves it as it is") == (after.severity == .warning), "\(finding)")
            #expect(finding.advice?.contains("or ask for the image with") == (after.severity == .fixed), "\(finding)")
        }
        let seen = GuestInspection.seen(facts)
        #expect(try GuestChecks.warn.judge(seen, gap: nil) == findings)
        #expect(throws: StepFailure.self) { try GuestChecks.enforce.judge(seen, gap: nil) }
        if system.found.contains(where: { $0.hasSuffix("?") }) {
            #expect(throws: StepFailure.self) { try GuestChecks.fix.judge(seen, gap: nil) }
        } else {
            #expect(try GuestChecks.fix.judge(seen, gap: nil) == findings)
        }
        // What was fixed is not found again, and what was left is.
        let fixed = facts.carriedOut
        #expect(fixed.edits.isEmpty)
        #expect(fixed.findings.count == guestFix.findings.count { $0.severity != .fixed })
    }

    private static let fstab = GuestFile.bytes(
        Array("LABEL=sys / btrfs subvol=@ 0 0\nUUID=dead /data ext4 defaults 0 2\n".utf8)
    )
    private static let volume = GuestVolume(device: "/dev/sda1", type: "btrfs", uuid: "u", label: "sys")

    private func booted(_ systems: [GuestFacts.System], _ entries: [BootEntry] = []) -> [String] {
        GuestFacts(volumes: [Self.volume], systems: systems, bootEntries: entries).bootedSystems.map(\.root)
    }

    @Test("of a system and its snapshots, what is booted is judged and fixed, once")
    func snapshots() {
        func system(_ root: String, isReadOnly: Bool = false, _ fstab: GuestFile = RealSystemTests.fstab)
            -> GuestFacts.System
        {
            .init(root: root, fstab: fstab, isReadOnly: isReadOnly)
        }
        let plain = GuestFile.bytes(Array("UUID=u / btrfs defaults 0 0\nUUID=dead /data ext4 defaults 0 2\n".utf8))
        // timeshift, and snapper's layout on Ubuntu
        let own = "btrfsvol:/dev/sda1/@"
        #expect(
            booted([
                system(own), system("btrfsvol:/dev/sda1/snaps/1", isReadOnly: true),
                system("btrfsvol:/dev/sda1/timeshift-btrfs/snapshots/2026/@"),
            ]) == [own]
        )
        // openSUSE: the default subvolume is one of snapper's; others may be writable after a roll-back
        #expect(
            booted([
                system("/dev/sda1", plain),
                system("btrfsvol:/dev/sda1/@/.snapshots/2/snapshot", isReadOnly: true, plain),
                system("btrfsvol:/dev/sda1/@/.snapshots/3/snapshot", plain),
            ]) == ["/dev/sda1"]
        )
        // The default subvolume is listed as the device alone, whatever its name is.
        #expect(booted([system("/dev/sda1"), system("btrfsvol:/dev/sda1/old")]) == ["/dev/sda1"])
        // What the boot loader says counts more than any /etc/fstab.
        let new = "btrfsvol:/dev/sda1/new"
        let entry = BootEntry(root: "UUID=U", subvolume: "new")
        #expect(booted([system(own), system(new)], [entry]) == [new])
        #expect(booted([system(own), system(new)], [BootEntry(root: "UUID=other", subvolume: "new")]) == [own])
        // Unknown: all bootable ones are judged.
        #expect(booted([system("btrfsvol:/dev/sda1/a"), system("btrfsvol:/dev/sda1/b")]).count == 2)
        let facts = GuestFacts(
            volumes: [Self.volume],
            systems: [system(own), system("btrfsvol:/dev/sda1/snaps/1", isReadOnly: true)]
        )
        #expect(facts.findings.map(\.file) == ["/etc/fstab"] && facts.edits.map(\.root) == [own])
    }

    @Test("a root that cannot be written is judged, and a fix says at once that it leaves it")
    func readOnly() {
        let facts = GuestFacts(
            volumes: [Self.volume],
            systems: [.init(root: "/dev/sda1", fstab: Self.fstab, isReadOnly: true)]
        )
        #expect(facts.edits.isEmpty && facts.guestFix.findings.map(\.severity) == [.warning])
        #expect(facts.findings.first?.advice?.contains("read-only snapshot") == true)
    }

    @Test("a snapshot by LVM is not a system of its own")
    func snapshotByLVM() {
        let volumes: [GuestVolume] = [
            .init(device: "/dev/vg/root", type: "ext4", uuid: "r", logical: .init()),
            .init(device: "/dev/vg/before", type: "ext4", uuid: "r", logical: .init(isSnapshot: true)),
        ]
        let systems = volumes.map { GuestFacts.System(root: $0.device, fstab: Self.fstab) }
        #expect(GuestFacts(volumes: volumes, systems: systems).bootedSystems.map(\.root) == ["/dev/vg/root"])
    }

    @Test("boot loaders' lines are read for the root and its subvolume")
    func bootEntries() {
        let text = """
            # linux /vmlinuz root=UUID=no
            \tlinux\t/@/boot/vmlinuz root=UUID=u ro  rootflags=subvol=@ quiet
            options root=UUID=f ro rootflags=compress=zstd,subvol=/root/ rhgb
            set kernelopts="root=/dev/mapper/vg-root ro"
            linux /vmlinuz root=$device

            """
        let wanted: Set<BootEntry> = [
            .init(root: "UUID=u", subvolume: "@"), .init(root: "UUID=f", subvolume: "root"),
            .init(root: nil, subvolume: nil),
        ]
        let entries = BootEntry.entries(in: Array(text.utf8))
        #expect(entries.isSuperset(of: wanted.filter { $0.root != nil }) && entries.count == 3)
    }

    @Test("a start's items that hang on each other in long chains and circles take no time")
    func chains() {
        var lines = (0..<4000).map { "/m\($0)/x /m\($0 + 1) none bind" }
        lines += ["/dev/vdb /m0 ext4 defaults", "/c1/x /c2 none bind", "/c2/x /c1 none bind"]
        let facts = GuestFacts(
            volumes: [],
            systems: [.init(root: "/dev/sda1", fstab: .bytes(Array(lines.joined(separator: "\n").utf8)))]
        )
        #expect(facts.guestFix.findings.last?.message == "3981 more of the same were found")
        #expect(facts.carriedOut.findings.isEmpty)
    }

    @Test("a failure that the same disk leads to again is permanent, and says what to do")
    func failures() {
        let permanent = GuestFailure.allCases.filter(\.isPermanent)
        #expect(permanent == [.readOnly, .denied, .full, .damaged, .unsupported, .noSystem])
        for failure in GuestFailure.allCases { #expect(!failure.advice.isEmpty) }
    }
}

extension GuestFacts {
    /// What a fix makes of it.
    var carriedOut: GuestFacts {
        var facts = self
        for edit in edits {
            guard let index = facts.systems.firstIndex(where: { $0.root == edit.root }) else { continue }
            facts.systems[index].files[edit.path] = edit.bytes.map { .bytes($0) }
        }
        return facts
    }
}
