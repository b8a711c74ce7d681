import Testing

@testable import ImageCore

@Suite("/etc/fstab is read as libmount reads it")
struct FstabTests {
    @Test(
        "fields, escapes, quotes and line ends",
        arguments: [
            ("/dev/vdb /srv ext4 defaults 0 2", "/dev/vdb|/srv|ext4|defaults"),
            ("  /dev/vdb\t /srv\text4\tro,noatime\t0\t2", "/dev/vdb|/srv|ext4|ro+noatime"),
            ("/dev/vdb /srv ext4", "/dev/vdb|/srv|ext4|"), ("/dev/vdb /srv ext4 nofail\r", "/dev/vdb|/srv|ext4|nofail"),
            ("/dev/vdb /my\\040disk ext4 a\\054b", "/dev/vdb|/my disk|ext4|a+b"),
            ("/dev/vdb /x\\0 ext4 a", "/dev/vdb|/x\\0|ext4|a"), ("/dev/vdb /x\\999 ext4 a", "/dev/vdb|/x\\999|ext4|a"),
            ("/dev/vdb /a ext4 rw\0nofail", "/dev/vdb|/a|ext4|rw"), ("# /dev/vdb /srv ext4 defaults", nil),
            ("   #/dev/vdb /srv ext4", nil), ("/dev/vdb /srv", nil), ("", nil), (" \t ", nil),
            ("\0/dev/vdb /a ext4", nil),
        ] as [(String, String?)]
    )
    func fields(line: String, wanted: String?) {
        let read = Fstab(Array(line.utf8)).mounts.map {
            "\($0.source)|\($0.target)|\($0.type)|\($0.options.joined(separator: "+"))"
        }
        #expect(read == (wanted.map { [$0] } ?? []))
    }

    @Test("lines are numbered as an editor numbers them, with or without a last line feed")
    func numbers() {
        let text = "# one\n\n/dev/vdb /b ext4 rw\n/dev/vdc /c ext4 rw"
        #expect(Fstab(Array(text.utf8)).mounts.map(\.number) == [3, 4])
        #expect(Fstab(Array((text + "\n").utf8)).mounts.map(\.number) == [3, 4])
        #expect(Fstab([]).mounts.isEmpty)
    }

    @Test("a line of a mebibyte and a mebibyte of lines take no time, and are cut where they are shown")
    func large() {
        let one = Array("/dev/vdb /srv ext4 ".utf8) + [UInt8](repeating: UInt8(ascii: ","), count: 1 << 20)
        let fstab = Fstab(one)
        #expect(fstab.mounts.count == 1)
        let facts = GuestFacts(
            volumes: [],
            systems: [.init(root: "/dev/sda1", fstab: .bytes(Array(one.prefix(200_000))))]
        )
        #expect(facts.findings.first?.text?.count == PlainText.sentenceLimit + 1)
        #expect(FileDiff.shown(one[...]).unicodeScalars.count == FileDiff.widthLimit + 1)
        #expect(Fstab([UInt8](repeating: 10, count: 1 << 20)).mounts.isEmpty)
    }

    @Test(
        "a line is required unless it says that it can be done without",
        arguments: [
            ("defaults", true), ("nofail", false), ("rw,nofail,x", false), ("noauto", false), ("_netdev", false),
            ("x-systemd.automount", false), ("bind", true), ("nofailure", true), ("NOFAIL", true),
            ("comment=nofail", true), ("nofail,fail", true), ("noauto,auto", true), ("fail,nofail", false),
        ]
    )
    func required(options: String, isRequired: Bool) {
        let lines = Fstab(Array("/dev/vdb /srv ext4 \(options)".utf8)).mounts
        let items = lines.flatMap(StartItem.items(of:)).filter { !$0.isAutomount }
        #expect(items.map { $0.want == .required } == [isRequired])
    }

    @Test(
        "what is of a disk",
        arguments: [
            ("/dev/vdb", true), ("UUID=1", true), ("LABEL=a", true), ("PARTUUID=1", true), ("PARTLABEL=x", true),
            ("ID=x", true), ("/dev/disk/by-id/wwn-1", true), ("/dev/mapper/vg-lv", true), ("tmpfs", false),
            ("proc", false),
            ("server:/export", false), ("//server/share", false), ("/srv/image.iso", false), ("/dev/zram0", false),
            ("/dev/loop3", false), ("/dev/shm", false), ("/dev/looper", true), ("user=name", false),
        ]
    )
    func ofDisk(source: String, isOfDisk: Bool) {
        #expect(MountSource.isDisk(source) == isOfDisk)
    }
}
