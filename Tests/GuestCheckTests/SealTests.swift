import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

/// Sealed copies of a system disk that has an identity, and secrets in files, in deleted files and in swap space. What they
/// hold is looked at with other programs than those that sealed them.
@Suite("Sealing a captured system disk", .serialized, .timeLimit(.minutes(30)))
struct SealTests {
    private static let secrets = (1...20).map { "planted-secret-number-\($0 + 100)" }

    @Test(
        "Neither identity nor secrets are in a sealed copy, its source is as it was, and a second seal changes nothing"
    )
    func sealed() async throws {
        let scratch = try DriverScratch()
        defer { withExtendedLifetime(scratch) {} }
        try await Self.makeDisk(in: scratch)
        let driver = GuestDisks.patientDriver(at: scratch.root)
        let source = scratch.path("instances", "i-seal", "base.raw")
        let before = try await DriverScratch.run("/usr/bin/sha256sum", [source])
        let planted = try await Self.strings(of: source)
        #expect(Self.secrets.allSatisfy(planted.contains), "the secrets were not planted")

        let capture = try await Self.capture(
            "i-seal",
            GuestWork(fixes: true, seal: SealItem.allCases, findsSecrets: true),
            driver
        )
        #expect(try await DriverScratch.run("/usr/bin/sha256sum", [source]) == before, "the source was changed")
        let record = try #require(capture.seal)
        let counts = Dictionary(uniqueKeysWithValues: record.removed.map { ($0.item, $0.files) })
        #expect(counts[.sshHostKeys] == 3 && counts[.machineID] == 2 && counts[.histories] == 3, "\(record)")
        #expect(counts[.logs] == 3 && counts[.cloudInit] == 1 && counts[.lvmDevices] == 1, "\(record)")
        #expect(record.zeroed == ["/swapfile", "/dev/sda1", "/dev/sda2", "/dev/sda3"], "\(record)")
        #expect(record.left == nil, "\(record.left ?? [])")
        // What a seal does not remove is still told.
        #expect(capture.secrets?.map(\.message) == ["a private key is in /home/me/.ssh/id_ed25519"])
        #expect(capture.guestFix?.findings.map(\.severity) == [.fixed])

        let file = scratch.path("images", capture.resource.id.text, "vda.qcow2")
        let raw = scratch.path("sealed.raw")
        try await DriverScratch.run("/usr/bin/qemu-img", ["convert", "-O", "raw", file, raw])
        for image in [file, raw] {
            let left = try await Self.strings(of: image)
            for secret in Self.secrets { #expect(!left.contains(secret), "\(secret) is in \(image)") }
        }
        let shown = try await GuestDisks.guestfish(Self.look, ["--ro", "--format=raw", "-a", raw])
        #expect(shown == Self.expected, "\(shown)")
        #expect(try await Self.blkid(raw) == Self.blkid(source))

        // As an instance that was launched from it.
        try FileManager.default.createDirectory(
            atPath: scratch.path("instances", "i-again"),
            withIntermediateDirectories: true
        )
        try FileManager.default.moveItem(atPath: raw, toPath: scratch.path("instances", "i-again", "base.raw"))
        try scratch.describe("i-again", disks: [.init("/dev/vda", kind: "local", file: "base.raw", format: "raw")])
        let again = try await Self.capture("i-again", GuestWork(seal: SealItem.allCases), driver)
        #expect(again.seal?.removed.allSatisfy { $0.files == 0 } == true, "\(again.seal?.text ?? "none")")
    }

    @Test("Secrets are found in files, in deleted blocks and in swap space, and none of them is shown")
    func searched() async throws {
        let scratch = try DriverScratch()
        defer { withExtendedLifetime(scratch) {} }
        try await Self.makeDisk(in: scratch)
        let driver = GuestDisks.patientDriver(at: scratch.root)
        let capture = try await Self.capture("i-seal", GuestWork(findsSecrets: true), driver)
        let found = capture.secrets?.map { "\($0.severity.rawValue): \($0.message)" } ?? []
        #expect(
            found == [
                "warning: a private key is in /etc/ssh/ssh_host_ed25519_key",
                "warning: a token is in /root/.bash_history",
                "warning: a token is in /home/bob/.zsh_history",
                "warning: a private key is in /home/me/.ssh/id_ed25519",
                "warning: a token is in /home/me/.bash_history",
                "warning: a password is in /lib/cloud/instances/i-1/user-data.txt",
                "warning: a token is in deleted blocks of /dev/sda1",
                "warning: a token is in swap space on /dev/sda2",
            ],
            "\(found)"
        )
        #expect(!"\(capture)".contains("planted-secret") && !"\(capture)".contains("ghp_"))
    }

    @Test("What cannot be sealed fails for good, and says what to do")
    func impossible() async throws {
        let scratch = try DriverScratch()
        defer { withExtendedLifetime(scratch) {} }
        let folder = scratch.path("instances", "i-empty")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await DriverScratch.run("/usr/bin/qemu-img", ["create", "-q", "-f", "raw", folder + "/base.raw", "16M"])
        try scratch.describe("i-empty", disks: [.init("/dev/vda", kind: "local", file: "base.raw", format: "raw")])
        let driver = GuestDisks.patientDriver(at: scratch.root)
        let failure = await #expect(throws: StepFailure.self) {
            try await Self.capture("i-empty", GuestWork(seal: [.machineID]), driver)
        }
        #expect(failure?.disposition == .permanent && failure?.advice == "ask for the image without seal")
    }

    // MARK: The disk

    private static func capture(_ id: String, _ work: GuestWork, _ driver: LocalDriver) async throws -> Capture {
        let image = try #require(ImageID("img-\(id)"))
        return try await driver.capture(
            .system,
            of: try #require(InstanceID(id)),
            into: Resource(id: ResourceID(image: image, part: "vda", fence: 1), kind: .imageFile, imageID: image),
            guestWork: work,
            progress: { _ in }
        )
    }

    private static let token = "ghp_" + String(repeating: "a1", count: 18)

    /// A root, swap space and `/var` on partitions. The files with a secret are deleted again, but for the first three.
    private static func makeDisk(in scratch: DriverScratch) async throws {
        let folder = scratch.path("instances", "i-seal")
        let drafts = scratch.path("drafts")
        for path in [folder, drafts] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        let key = """
            -----BEGIN OPENSSH PRIVATE KEY-----
            b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
            -----END OPENSSH PRIVATE KEY-----

            """
        let files = [
            "key": key,
            "fstab": "/dev/sda1 / ext4 defaults 0 1\n/dev/sda3 /var ext4 defaults 0 2\n/dev/sda2 none swap sw 0 0\n"
                + "/swapfile none swap sw 0 0\n/dev/vdb1 /data ext4 defaults 0 2\n",
            "id": "0123456789abcdef0123456789abcdef\n",
            "passwd": "root:x:0:0::/root:/bin/sh\nme:x:1:1::/home/me:/bin/sh\n",
            "history": "echo \(secrets[0])\nexport TOKEN=\(token)\n", "log": secrets[1] + "\n",
            "swap": secrets[2] + " " + token,
            "deleted": token + "\n", "userdata": "#cloud-config\nchpasswd: {expire: false}\npassword: hunter22\n",
        ]
        for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(drafts)/\(name)")) }
        for (index, secret) in secrets.enumerated() {
            let filler = String(repeating: "x", count: index * 700)
            try Data("\(secret) \(filler)\n".utf8).write(to: URL(fileURLWithPath: "\(drafts)/secret-\(index)"))
        }
        let planted = secrets.indices.map { "upload \(drafts)/secret-\($0) /\($0 % 2 == 0 ? "srv" : "var/lib")/s\($0)" }
        let deleted = secrets.indices.map { "rm /\($0 % 2 == 0 ? "srv" : "var/lib")/s\($0)" }
        let script =
            [
                "sparse \(folder)/base.raw 300M", "run", "part-init /dev/sda gpt", "part-add /dev/sda p 2048 264191",
                "part-add /dev/sda p 264192 329727", "part-add /dev/sda p 329728 580000", "mkfs ext4 /dev/sda1",
                "mkfs ext4 /dev/sda3", "mkswap /dev/sda2 \"label:old swap\" uuid:21111111-2222-4333-8444-555555555555",
                "mount /dev/sda1 /", "mkdir /var", "mount /dev/sda3 /var",
                "mkdir-p /var/lib/dbus", "mkdir-p /var/log/journal/0123",
                "mkdir-p /etc/ssh", "mkdir-p /etc/lvm/devices", "mkdir-p /usr/bin", "mkdir-p /usr/sbin",
                "mkdir-p /usr/lib/systemd", "mkdir /bin", "mkdir /srv", "mkdir-p /home/me/.ssh", "mkdir /root",
                "mkdir /tmp",
                "upload \(drafts)/fstab /etc/fstab", "upload \(drafts)/passwd /etc/passwd",
                "upload \(drafts)/id /etc/machine-id", "chmod 0444 /etc/machine-id",
                "upload \(drafts)/id /var/lib/dbus/machine-id",
                "upload \(drafts)/key /etc/ssh/ssh_host_ed25519_key", "touch /etc/ssh/ssh_host_ed25519_key.pub",
                "mkdir-p /data/home/bob", "upload \(drafts)/history /data/home/bob/.zsh_history",
                "ln-s /data/home/bob /home/bob",
                "touch /usr/bin/ssh-keygen", "mkdir-p /var/lib/cloud/instances/i-1",
                "upload \(drafts)/userdata /var/lib/cloud/instances/i-1/user-data.txt", "mkdir /var/lib/cloud/seed",
                "touch /usr/sbin/sshd", "touch /usr/lib/systemd/systemd",
                "upload \(drafts)/key /home/me/.ssh/id_ed25519", "upload \(drafts)/history /home/me/.bash_history",
                "upload \(drafts)/history /root/.bash_history", "set-e2attrs /root/.bash_history a",
                "upload \(drafts)/log /var/log/syslog", "upload \(drafts)/log /var/log/syslog.1",
                "upload \(drafts)/log /var/log/journal/0123/system.journal",
                "upload \(drafts)/log /etc/lvm/devices/system.devices",
                "fallocate64 /swapfile 2097152", "upload-offset \(drafts)/swap /swapfile 8192", "mkswap-file /swapfile",
                "upload \(drafts)/deleted /srv/deleted",
            ] + planted + ["sync", "rm /srv/deleted"] + deleted + [
                "umount-all", "upload-offset \(drafts)/swap /dev/sda2 1048576",
            ]
        try await GuestDisks.guestfish(script.joined(separator: "\n") + "\n")
        try scratch.describe("i-seal", disks: [.init("/dev/vda", kind: "local", file: "base.raw", format: "raw")])
    }

    private static let look = """
        run
        mount-ro /dev/sda1 /
        mount-ro /dev/sda3 /var
        filesize /etc/machine-id
        exists /var/lib/dbus/machine-id
        glob-expand /etc/ssh/*
        glob-expand /root/.bash_history
        glob-expand /home/me/.*history
        glob-expand /var/lib/cloud/*
        glob-expand /var/log/*
        filesize /var/log/syslog
        glob-expand /var/log/journal/*
        readlink /etc/systemd/system/multi-user.target.wants/ssh-host-keys.service
        grep "nofail" /etc/fstab
        filesize /swapfile

        """

    private static let expected = """
        0
        false
        /var/lib/cloud/seed/
        /var/log/journal/
        /var/log/syslog
        0
        /etc/systemd/system/ssh-host-keys.service
        /dev/vdb1 /data ext4 defaults,nofail 0 2
        2097152

        """

    private static func strings(of file: String) async throws -> String {
        try await DriverScratch.run("/usr/bin/strings", ["-n", "8", file])
    }

    /// What the swap space is called.
    private static func blkid(_ file: String) async throws -> String {
        let script = "run\nvfs-uuid /dev/sda2\nvfs-label /dev/sda2\nvfs-uuid /dev/sda1\n"
        return try await GuestDisks.guestfish(script, ["--ro", "--format=raw", "-a", file])
    }
}
