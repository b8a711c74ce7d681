import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

extension GuestDiskTests {
    @Suite("Guests on real disks", .serialized, .timeLimit(.minutes(30)))
    struct RealDiskTests {
        private func disks() throws -> GuestDisks { try #require(GuestDisks.current) }

        @Test(
            "ext4, xfs and LVM: exactly the lines that insist on other disks are found, and the source stays as it is"
        )
        func found() async throws {
            let disks = try disks()
            let wanted: [(id: String, lines: [String])] = [
                (
                    "i-ext4",
                    [
                        "/etc/fstab 4 fstab-mount", "/etc/fstab 6 fstab-mount", "/etc/fstab 8 fstab-mount",
                        "/etc/fstab 12 fstab-swap", "/etc/udev/rules.d/70-persistent-net.rules 3 persistent-net",
                    ]
                ), ("i-xfs", ["/etc/fstab 3 fstab-mount"]), ("i-lvm-ext4", ["/etc/fstab 5 fstab-mount"]),
            ]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (id, lines) in wanted {
                    group.addTask {
                        let before = try await disks.sums(id)
                        let facts = try await disks.look(id)
                        let found = facts.findings.map { "\($0.file ?? "") \($0.line ?? 0) \($0.code?.rawValue ?? "")" }
                        #expect(found == lines, "\(id): \(facts.findings.map(\.message))")
                        #expect(try await disks.sums(id) == before, "\(id) was changed")
                    }
                }
                try await group.waitForAll()
            }
        }

        @Test(
            "what is hostile or unreadable is bounded, shown safely and not taken for clean; no fstab is nothing to find"
        )
        func hostile() async throws {
            let disks = try disks()
            let before = try await disks.sums("i-hostile")
            let facts = try await disks.look("i-hostile")
            #expect(facts.systems.map(\.root) == ["/dev/sda1", "/dev/sda2", "/dev/sda3"])
            #expect(facts.systems.last?.fstab == .absent)
            let findings = facts.findings
            try #require(findings.map(\.severity) == [.notChecked, .warning, .notChecked], "\(findings)")
            #expect(findings[0].message.contains("1048576 bytes"))
            #expect(findings[1].file == "/dev/sda2:/etc/fstab" && findings[1].line == 1)
            #expect(findings[2].message.contains("a file system was not checked, /dev/sda4, ext4: "))
            for finding in findings {
                let text = finding.message + (finding.text ?? "")
                #expect(
                    text.utf8.count < 1024 && !text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x202e }
                )
            }
            #expect(throws: StepFailure.self) { try GuestChecks.enforce.judge(.seen(facts), gap: nil) }
            #expect(throws: StepFailure.self) { try GuestChecks.fix.judge(.seen(facts), gap: nil) }
            #expect(try await disks.sums("i-hostile") == before)
        }

        @Test("a volume whose group goes on elsewhere is not there, whatever its name says")
        func spanned() async throws {
            let facts = try await disks().look("i-spanned")
            #expect(
                facts.volumes.filter(\.isMissing).map(\.device) == ["/dev/vgs/data", "/dev/vgs/own"],
                "\(facts.volumes)"
            )
            #expect(facts.findings.map(\.line) == [2, 3], "\(facts.findings)")
            #expect(facts.findings.allSatisfy { $0.message.contains("a volume group that is short of a disk") })
        }

        @Test("of a btrfs with snapshots, what is booted is fixed, through chattr's protection, which stays")
        func btrfs() async throws {
            let disks = try disks()
            let capture = try await disks.capture("i-btrfs", .imageFile, fixesGuest: true)
            let found = capture.guestFix?.findings.map { "\($0.file ?? "") \($0.line ?? 0) \($0.severity.rawValue)" }
            #expect(
                found == [
                    "/etc/fstab 3 fixed", "/etc/fstab 4 fixed", "/etc/crypttab 1 fixed",
                    "/etc/udev/rules.d/75-net.rules 1 fixed",
                ],
                "\(capture.guestFix?.findings ?? [])"
            )
            let script = """
                run
                mount-ro btrfsvol:/dev/sda1/@ /
                cat /etc/fstab
                cat /etc/crypttab
                cat /etc/udev/rules.d/75-net.rules
                get-e2attrs /etc/fstab
                get-e2attrs /etc/crypttab

                """
            let shown = try await GuestDisks.guestfish(
                script,
                ["--ro", "--format=qcow2", "-a", disks.file(of: capture)]
            )
            #expect(
                shown.contains("/data ext4 defaults,nofail 0 2\n/data/www /var/www none bind,nofail 0 0\n"),
                "\(shown)"
            )
            #expect(shown.contains("none luks,nofail\n") && shown.contains("# rest\n") && !shown.contains("52:54:00"))
            let letters = shown.split(separator: "\n").suffix(2)
            #expect(letters.first?.contains("i") == true && letters.last?.contains("a") == true, "\(shown)")
        }

        @Test(
            "a fix, on ext4 and on xfs inside LVM, changes exactly the faulty lines, on the copy only, and the copy's checksum is of what it holds"
        )
        func fixed() async throws {
            let disks = try disks()
            let captures = try await withThrowingTaskGroup(of: Capture.self) { group in
                for (id, kind) in [("i-ext4", Resource.Kind.imageFile), ("i-lvm-xfs", .snapshot)] {
                    group.addTask {
                        let before = try await disks.sums(id)
                        let capture = try await disks.capture(id, kind, fixesGuest: true)
                        #expect(try await disks.sums(id) == before, "\(id) was changed")
                        return capture
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.resource.id < $1.resource.id }
            }
            let (ext4, xfs) = (try #require(captures.first), try #require(captures.last))
            #expect(
                ext4.guestFix?.diff == """
                    --- /etc/fstab
                    +++ /etc/fstab
                    @@ -1,14 +1,14 @@
                     # /etc/fstab
                     UUID=\(Disk.rootUUID) / ext4 errors=remount-ro 0 1
                     UUID=\(Disk.swapUUID.uppercased()) none swap sw 0 0
                    -LABEL=spool /var/spool ext4 defaults 0 2
                    +LABEL=spool /var/spool ext4 defaults,nofail 0 2
                     LABEL=root /again ext4 defaults 0 0
                    -/dev/vdb1 /srv/device ext4 defaults 0 2
                    +/dev/vdb1 /srv/device ext4 defaults,nofail 0 2
                     /dev/vdc1 /srv/gone ext4 defaults,nofail 0 2
                    -UUID=\(Disk.dataUUID) /srv/uuid xfs
                    +UUID=\(Disk.dataUUID) /srv/uuid xfs defaults,nofail
                     UUID=\(Disk.dataUUID) /srv/nofail xfs nofail 0 2
                     LABEL=maybe /srv/maybe ext4 noauto 0 0
                     /dev/vda2 none swap sw 0 0
                    -/dev/vdd none swap sw 0 0
                    +/dev/vdd none swap sw,nofail 0 0
                     server:/export /mnt nfs defaults 0 0
                     tmpfs /tmp tmpfs nosuid 0 0
                    --- /etc/udev/rules.d/70-persistent-net.rules
                    +++ /etc/udev/rules.d/70-persistent-net.rules
                    @@ -1,3 +1,2 @@
                     # made by a script
                    \u{20}
                    -\(Disk.rule)

                    """
            )
            #expect(ext4.guestFix?.findings.map(\.severity) == [.fixed, .fixed, .fixed, .fixed, .fixed])
            #expect(xfs.guestFix?.findings.map(\.line) == [2])
            for capture in captures {
                let sum = try await DriverScratch.run("/usr/bin/sha256sum", [disks.file(of: capture)])
                #expect(sum.hasPrefix(capture.sha256))
            }
            // Another program reads what is there now.
            let script = """
                run
                mount-ro /dev/sda1 /
                cat /etc/fstab
                statns /etc/fstab
                cat /etc/udev/rules.d/70-persistent-net.rules
                umount-all
                mount-ro /dev/vgb/root /
                cat /etc/fstab
                cat /etc/udev/rules.d/70-persistent-net.rules

                """
            let files = ["--ro", "--format=qcow2"] + captures.flatMap { ["-a", disks.file(of: $0)] }
            let shown = try await GuestDisks.guestfish(script, files)
            #expect(shown.contains("LABEL=spool\t/var/spool\text4\tdefaults,nofail\t0 2\n"))
            #expect(shown.contains("st_mode: 33184\n") && shown.contains("# made by a script\n\n\n"), "\(shown)")
            #expect(shown.contains("/dev/data/store /srv xfs defaults,nofail 0 0\n"))
            #expect(shown.contains("# nothing but a comment\n"))
            #expect(shown.matches(of: /nofail/).count == 8, "\(shown)")
        }
    }
}

extension GuestDisks {
    func capture(_ id: String, _ kind: Resource.Kind, fixesGuest: Bool) async throws -> Capture {
        let image = try #require(ImageID("img-\(id)"))
        return try await driver.capture(
            .system,
            of: try #require(InstanceID(id)),
            into: Resource(id: ResourceID(image: image, part: "vda", fence: 1), kind: kind, imageID: image),
            guestWork: GuestWork(fixes: fixesGuest),
            progress: { _ in }
        )
    }

    func file(of capture: Capture) -> String {
        scratch.path(
            capture.resource.kind == .imageFile ? "images" : "snapshots",
            capture.resource.id.text,
            "vda.qcow2"
        )
    }
}
