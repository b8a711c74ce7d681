import Testing

@testable import ImageCore

@Suite("A rule counts when it is for one card")
struct UdevRulesTests {
    private func findings(_ rules: String, at path: String = GuestFacts.networkRulesPath) -> [Finding] {
        GuestFacts(
            volumes: [],
            systems: [.init(root: "/dev/sda1", files: [path: .bytes(Array(rules.utf8))])]
        ).findings
    }

    @Test(
        "by its MAC address, under every key that has one",
        arguments: [
            #"SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", NAME="eth0""#,
            #"SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="52:54:00:AB:cd:ef", ATTR{dev_id}=="0x0", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0""#,
            #"SUBSYSTEM=="net", ATTRS{address}=="52:54:00:12:34:56", NAME="eth0""#,
            #"ACTION=="add", ENV{MATCHADDR}=="52:54:00:12:34:56", NAME="eth0""#,
            #"SUBSYSTEM=="net", ENV{ID_NET_NAME_MAC}=="enx525400123456", NAME="lan0""#,
            #"SUBSYSTEM=="net" ATTR{address}=="52:54:00:12:34:56|52:54:00:12:34:57" NAME="eth0""#,
            #"SUBSYSTEM=="net", ATTR{address}=="*:12:34:56", NAME="eth0""#,
            #"SUBSYSTEM=="net",ATTR{address}==i"52:54:00:12:34:56",NAME:="eth0""#,
            #"   SUBSYSTEM == "net" , ATTR{address} == "52-54-00-12-34-56" , NAME = "eth0""#,
        ]
    )
    func bound(rule: String) {
        #expect(findings(rule).map(\.code) == [.persistentNet])
        #expect(findings("# a\n\n" + rule + "\n", at: "/etc/udev/rules.d/75-net.rules").map(\.line) == [3])
    }

    @Test(
        "and not by anything else",
        arguments: [
            #"SUBSYSTEM=="net", ACTION=="add", KERNELS=="0000:00:03.0", NAME="eth0""#,
            #"SUBSYSTEM=="net", DRIVERS=="virtio_net", ATTR{address}=="?*", NAME="eth0""#,
            #"SUBSYSTEM=="net", ATTR{address}=="52:54:00:*", NAME="eth0""#,
            #"SUBSYSTEM=="net", ENV{MATCHADDR}=="00:00:00:00:00:00", GOTO="end""#,
            #"ENV{MATCHADDR}="$attr{address}""#, #"ENV{MATCHADDR}=="?[2367abef]:*", GOTO="end""#,
            #"# SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", NAME="eth0""#,
            #"SUBSYSTEM=="usb", ATTR{address}=="52:54:00:12:34:56", MODE="0660""#,
            #"SUBSYSTEM=="net", ATTR{address}="52:54:00:12:34:56""#,
            #"SUBSYSTEM=="net", ATTR{address}==52:54:00:12:34:56, NAME="eth0""#,
            #"SUBSYSTEM=="net", KERNEL=="eth0", NAME="lan0""#, #"SUBSYSTEM=="net""#, "", "# a\n \t# b\n\n\r\n",
        ]
    )
    func free(rule: String) { #expect(findings(rule).isEmpty) }

    @Test("a rule that passes over all cards but one is found, and left")
    func exclusion() throws {
        let rules =
            "SUBSYSTEM==\"net\", ATTR{address}!=\"52:54:00:12:34:56\", GOTO=\"end\"\nNAME=\"eth0\"\nLABEL=\"end\"\n"
        let facts = GuestFacts(
            volumes: [],
            systems: [.init(root: "/dev/sda1", networkRules: .bytes(Array(rules.utf8)))]
        )
        #expect(facts.edits.isEmpty)
        #expect(facts.guestFix.findings.map(\.severity) == [.warning])
        #expect(facts.guestFix.findings.first?.advice?.contains("leaves it as it is") == true)
    }

    @Test("what people mask a file with is nothing there; an /etc/fstab that is a folder is not checked")
    func masked() {
        for kind: GuestFile.Kind in [.nothing, .folder, .characterDevice, .other, .file(size: 0)] {
            #expect(GuestFile.unlessReadable(GuestFacts.networkRulesPath, kind) == .absent)
        }
        #expect(GuestFile.unlessReadable(GuestFacts.networkRulesPath, .file(size: 1)) == nil)
        for path in [GuestFacts.fstabPath, GuestFacts.networkRulesPath] {
            guard case .unread? = GuestFile.unlessReadable(path, .file(size: 1 << 20)) else {
                Issue.record("a large file is taken for read")
                continue
            }
        }
        #expect(GuestFile.unlessReadable(GuestFacts.fstabPath, .characterDevice) == .absent)
        #expect(GuestFile.unlessReadable(GuestFacts.fstabPath, .folder) == .unread("it is not a regular file"))
    }
}
