import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

@Suite("What comes from outside is parsed with care")
struct ParserTests {
    @Test(
        "progress is read from what qemu-img prints",
        arguments: [
            ("    (0.00/100%)\r", 0), ("    (12.34/100%)\r", 1234), ("    (100.00/100%)\r", 10_000),
            ("    (1.17/100%)\r    (2.34/100%)\r", 234), ("", 0), ("garbage", 0), ("(12.34/100%", 0),
            ("(12.3/100%)", 0),
            ("(12.345/100%)", 0), ("(999.99/100%)", 0), ("(-1.00/100%)", 0), ("(1234.00/100%)", 0), ("(.50/100%)", 0),
            ("((7.50/100%)", 750), ("(50.00/100%)(20.00/100%)", 5000), ("(5.00/101%)(3.00/100%)", 300),
            ("(nan/100%)", 0),
        ]
    )
    func progress(printed: String, basisPoints: Int) {
        var whole = QemuProgress()
        whole.feed(printed.utf8)
        #expect(whole.basisPoints == basisPoints)
        // Cut anywhere, it reads the same.
        for cut in 0...printed.utf8.count {
            var pieces = QemuProgress()
            pieces.feed(printed.utf8.prefix(cut))
            pieces.feed(printed.utf8.dropFirst(cut))
            #expect(pieces.basisPoints == basisPoints)
        }
    }

    @Test("random bytes never upset the progress parser")
    func progressFuzz() {
        var random = SampleBytes("progress")
        let alphabet = Array("(0123456789./%) \r".utf8)
        var parser = QemuProgress()
        for _ in 0..<200_000 {
            parser.feed(alphabet[Int(random.next() % UInt64(alphabet.count))])
            #expect((0...10_000).contains(parser.basisPoints))
        }
    }

    @Test("a disk is named to QEMU as one exact block node")
    func nodes() {
        #expect(
            BlockNode.raw(path: "/a/b").argument
                == #"json:{"driver":"raw","file":{"driver":"file","filename":"/a/b"}}"#
        )
        let chain = BlockNode.qcow2(path: "/t", dataFile: "/d", backing: .raw(path: #"/q"\"#))
        #expect(
            chain.argument
                == #"json:{"driver":"qcow2","file":{"driver":"file","filename":"/t"},"data-file":{"driver":"file","#
                + #""filename":"/d"},"backing":{"driver":"raw","file":{"driver":"file","filename":"/q\"\\"}}}"#
        )
        #expect(BlockNode.quoted("a\u{1}\n") == #""a\u0001\u000a""#)
    }

    @Test("a list of locations is read as people write it")
    func locations() throws {
        let east = try known(LocationName("east"))
        let west = try known(LocationName("west"))
        let h2 = HostName(known: "h2")
        let lists: [(String, [LocationName: LocationFolder])] = [
            ("east=/srv/e=1, west", [east: LocationFolder("/srv/e=1"), west: LocationFolder("/d/west")]),
            (",,east,", [east: LocationFolder("/d/east")]),
            (#"east=/srv/a\,b\\c:d,west"#, [east: LocationFolder(#"/srv/a,b\c:d"#), west: LocationFolder("/d/west")]),
            (" west@h2 ", [west: LocationFolder("/d/west", on: h2)]),
            (
                "east=/srv/a, west@h2=/srv/a@b",
                [east: LocationFolder("/srv/a"), west: LocationFolder("/srv/a@b", on: h2)]
            ),
            (
                "east@h1=/srv/a,west@h2=/srv/a",
                [east: LocationFolder("/srv/a", on: HostName(known: "h1")), west: LocationFolder("/srv/a", on: h2)]
            ),
        ]
        for (text, folders) in lists {
            #expect(try LocationsSetting.parse(text, below: "/d") == folders)
            #expect(try LocationsSetting.parse(LocationsSetting.text(of: folders), below: "/elsewhere") == folders)
        }
        let odd = try LocationsSetting.parse("east,west", below: #"/d,ata\=:,"#)
        #expect(try LocationsSetting.parse(LocationsSetting.text(of: odd), below: "/elsewhere") == odd)
    }

    @Test(
        "a malformed list of locations is refused in a sentence",
        arguments: [
            "", ",", "=", "=,=", "=/srv", "east=", "east=srv", "east,east", "../x", "east=/a\u{0}b", "\u{1b}[2J",
            #"east=/a\b"#, #"east=/a\"#, "east@", "east@H2", "@h2", "east@h1@h2=/a", "east@h1,east@h2",
            "east=/a,west=/a", "east=/a/b/,west=//a/./b", "east@h1=/a,west=/a", "west=/a,east@h1=/a",
            "east@h1=/a,west@h1=/a",
        ]
            + [String(repeating: "x", count: 10_000)]
    )
    func malformedLocations(text: String) {
        #expect {
            _ = try LocationsSetting.parse(text, below: "/d")
        } throws: { error in
            guard let message = (error as? Rejection)?.message else { return false }
            return message.utf8.count < 300 && !message.contains("\u{1b}")
        }
    }

    @Test("an answer of qemu-img with a size below nothing cannot be read")
    func negativeSizes() {
        #expect(throws: ChildFailure.self) { try QemuImg.info(Array(#"{"virtual-size":-1,"format":"raw"}"#.utf8)) }
        #expect(throws: ChildFailure.self) { try QemuImg.requiredBytes(Array(#"{"required":-1}"#.utf8)) }
    }

    private static func description(
        id: String = #""i-1""#,
        owner: String = #""acct-1""#,
        status: String = #""Stopped""#,
        disks: String = #"[{"device":"/dev/vda","kind":"local","file":"vda","format":"raw"}]"#
    ) -> String {
        #"{"id":\#(id),"owner":\#(owner),"status":\#(status),"disks":\#(disks)}"#
    }

    private static func disk(
        device: String = #""/dev/vda""#,
        kind: String = #""local""#,
        file: String = #""vda""#,
        format: String = #""raw""#,
        more: String = ""
    ) -> String {
        description(disks: #"[{"device":\#(device),"kind":\#(kind),"file":\#(file),"format":\#(format)\#(more)}]"#)
    }

    static let broken: [(String, String)] = [
        ("", "is not JSON"), ("{", "is not JSON"), ("[]", "is not an object"), ("null", "not sound"),
        ("{}", "id: is missing"),
        ("\u{0}", "is not JSON"), (String(repeating: "[", count: 100_000), "not sound"),
        (description(id: "1"), "id: is not text"), (description(id: #""i-2""#), "id: is not the name of its folder"),
        (description(id: #""../i-1""#), "id: is not the name"), (description(id: "null"), "id: "),
        (description(owner: #""""#), "owner: use 1 to 63"), (description(owner: #""a b""#), "owner: "),
        (description(status: #""""#), "status: "), (description(status: #""Stop\nped""#), "status: "),
        (description(disks: "[]"), "disks: there is no system disk"),
        (description(disks: "{}"), "disks: is not a list"),
        (description(disks: "[1]"), "disks[0]: is not an object"), (description(disks: "[null]"), "disks[0]"),
        (disk(device: #""/dev/sda""#), "disks[0].device: use /dev/vda"), (disk(device: #""vda""#), "disks[0].device: "),
        (disk(device: #""/dev/vdbn""#), "disks[0].device: "),
        (disk(device: #""/dev/vdb""#), "disks: there is no system"),
        (disk(kind: #""Local""#), "disks[0].kind: say local or cloud"), (disk(format: #""vmdk""#), "disks[0].format: "),
        (disk(format: "null"), "disks[0].format"),
        (disk(more: #","autoDelete":"yes""#), "disks[0].autoDelete: is not true"),
        (disk(file: #""""#), "disks[0].file: "), (disk(file: #"".""#), "disks[0].file: "),
        (disk(file: #""..""#), "disks[0].file: "), (disk(file: #""../vda""#), "disks[0].file: "),
        (disk(file: #""/etc/passwd""#), "disks[0].file: "), (disk(file: #""a\u0000b""#), "disks[0].file: "),
        (disk(file: #""a\nb""#), "disks[0].file: "), (disk(file: #""a\u007fb""#), "disks[0].file: "),
        (disk(file: "\"" + String(repeating: "x", count: 256) + "\""), "disks[0].file: "),
        (
            description(
                disks: "["
                    + Array(repeating: #"{"device":"/dev/vda","kind":"local","file":"a","format":"raw"}"#, count: 2)
                    .joined(separator: ",") + "]"
            ), "disks[1].device: /dev/vda is there twice"
        ),
    ]

    @Test("a malformed instance.json is refused with the field's name", arguments: broken)
    func malformed(text: String, says: String) throws {
        let folder = try known(InstanceID("i-1"))
        #expect {
            _ = try InstanceFile(Array(text.utf8), folder: folder)
        } throws: { error in
            guard let failure = error as? StepFailure else { return false }
            if !failure.message.contains(says) { print("said:", failure.message) }
            return failure.code == .failedPrecondition && failure.disposition == .permanent
                && failure.message.contains(says)
        }
    }

    @Test("a damaged instance.json is read or refused, and never worse")
    func instanceFuzz() throws {
        let folder = try known(InstanceID("i-1"))
        let sound = Array(Self.description().utf8)
        _ = try InstanceFile(sound, folder: folder)
        var random = SampleBytes("instance")
        for _ in 0..<3000 {
            var bytes = sound
            for _ in 0...(random.next() % 3) {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
                }
            }
            do {
                let file = try InstanceFile(bytes, folder: folder)
                #expect(file.disks.allSatisfy { !$0.file.contains("/") })
            } catch {
                #expect(error.code == .failedPrecondition)
            }
        }
    }
}
