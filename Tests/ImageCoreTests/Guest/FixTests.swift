import Testing

@testable import ImageCore

@Suite("A copy is fixed with as little as possible")
struct FixTests {
    private func facts(_ fstab: [UInt8], rules: GuestFile = .absent) -> GuestFacts {
        GuestFacts(
            volumes: [.init(device: "/dev/sda1", uuid: "1111")],
            systems: [.init(root: "/dev/sda1", fstab: .bytes(fstab), networkRules: rules)]
        )
    }

    @Test(
        "a faulty line gets nofail among its options and stays otherwise as it is",
        arguments: [
            ("/dev/vdb /b ext4 rw 0 2\n", "/dev/vdb /b ext4 rw,nofail 0 2\n"),
            ("/dev/vdb /b ext4", "/dev/vdb /b ext4 defaults,nofail"),
            ("/dev/vdb\t/b  ext4\t rw\t0 2  # x", "/dev/vdb\t/b  ext4\t rw,nofail\t0 2  # x"),
            ("/dev/vdb /b ext4 rw\r\n", "/dev/vdb /b ext4 rw,nofail\r\n"),
            ("/dev/vdb /b ext4\r\n", "/dev/vdb /b ext4 defaults,nofail\r\n"),
            ("/dev/vdb none swap sw\nUUID=1111 / ext4 rw\n", "/dev/vdb none swap sw,nofail\nUUID=1111 / ext4 rw\n"),
            (
                "#x\n/dev/vdb /b ext4 rw\n\n/dev/vdc /c ext4 ro",
                "#x\n/dev/vdb /b ext4 rw,nofail\n\n/dev/vdc /c ext4 ro,nofail"
            ),
            ("/dev/vdb /b ext4 rw\0junk\n", "/dev/vdb /b ext4 rw,nofail\0junk\n"),
        ]
    )
    func lines(before: String, after: String) throws {
        let edits = facts(Array(before.utf8)).edits
        #expect(edits.map(\.path) == ["/etc/fstab"] && edits.map(\.root) == ["/dev/sda1"])
        #expect(edits.first?.bytes.map { String(decoding: $0, as: UTF8.self) } == after)
        let fixed = facts(Array(after.utf8))
        #expect(fixed.findings.isEmpty && fixed.edits.isEmpty && fixed.guestFix.diff.isEmpty)
    }

    @Test("bytes that are no text come through unchanged")
    func bytes() {
        let before = [0xff, 0xfe, 0x0a] + Array("/dev/vdb /b ext4 rw\n".utf8) + [0x80]
        let after = [0xff, 0xfe, 0x0a] + Array("/dev/vdb /b ext4 rw,nofail\n".utf8) + [0x80]
        #expect(facts(before).edits.map(\.bytes) == [after])
    }

    @Test("rules for one card go, with the lines that continue them, and the rest of the file stays")
    func rules() {
        let before = """
            # a
            SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", \\
            # between
              NAME="eth0\u{1b}[2J"
            SUBSYSTEM=="net", KERNELS=="0000:00:03.0", NAME="lan0"

            """
        let facts = facts([], rules: .bytes(Array(before.utf8)))
        let after = "# a\nSUBSYSTEM==\"net\", KERNELS==\"0000:00:03.0\", NAME=\"lan0\"\n"
        #expect(facts.edits.map(\.path) == [GuestFacts.networkRulesPath])
        #expect(facts.edits.first?.bytes.map { String(decoding: $0, as: UTF8.self) } == after)
        #expect(
            facts.guestFix.diff == """
                --- /etc/udev/rules.d/70-persistent-net.rules
                +++ /etc/udev/rules.d/70-persistent-net.rules
                @@ -1,5 +1,2 @@
                 # a
                -SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", \\
                -# between
                -  NAME="eth0\u{FFFD}[2J"
                 SUBSYSTEM=="net", KERNELS=="0000:00:03.0", NAME="lan0"

                """
        )
        #expect(facts.guestFix.findings.map(\.severity) == [.fixed])
    }

    @Test("passwords of shares are not shown")
    func secrets() {
        let share = "//host/share /mnt cifs user=me,password=s3cret,passwd=t0psecret 0 0"
        let guestFix = facts(Array("\(share)\n/dev/vdb /b ext4 rw,pass=hidden,x\n".utf8)).guestFix
        let all = guestFix.diff + guestFix.findings.map { $0.message + ($0.text ?? "") }.joined()
        #expect(!all.contains("s3cret") && !all.contains("t0psecret") && !all.contains("hidden"))
        #expect(guestFix.diff.contains(" //host/share /mnt cifs user=me,password=…,passwd=… 0 0\n"))
        #expect(guestFix.findings.first?.text == "/dev/vdb /b ext4 rw,pass=…,x")
    }

    @Test("a diff shows three lines around, joins what touches, and is cut where it is long")
    func hunks() {
        let many = (1...30).map { [2, 6, 20].contains($0) ? "/dev/vdb /b\($0) ext4 rw" : "# \($0)" }
        let diff = facts(Array(many.joined(separator: "\n").utf8)).guestFix.diff
        let heads = diff.split(separator: "\n").filter { $0.hasPrefix("@@") }
        #expect(heads == ["@@ -1,9 +1,9 @@", "@@ -17,7 +17,7 @@"])
        let long = facts(Array(String(repeating: "/dev/vdb /b ext4 rw\n", count: 500).utf8)).guestFix.diff
        #expect(long.split(separator: "\n").count == FileDiff.lineLimit + 3)
        #expect(long.hasSuffix("… 941 more lines\n"))
    }
}
