import LibvirtClient
import Testing

@Suite("Descriptions of domains are read as what they are: other people's XML")
struct DomainXMLTests {
    private func disks(_ devices: String) throws -> [DomainDisk] {
        try DomainXML("<domain><devices>\(devices)</devices></domain>").disks
    }

    @Test("each kind of source is told from the others")
    func sources() throws {
        let found = try disks(
            """
            <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/a &amp; b'/><target dev='vda' bus='virtio'/></disk>
            <disk type='block'><source dev='/dev/x'/><target dev='vdb' bus='virtio'/></disk>
            <disk type='volume'><driver type='raw'/><source pool='p' volume='v'/><target dev='vdc' bus='virtio'/></disk>
            <disk type='network'><source protocol='rbd' name='p/v'><host name='h'/></source><target dev='vdd' bus='virtio'/></disk>
            <disk type='nvme'><source type='pci'/><target dev='vde' bus='virtio'/></disk>
            <disk type='file'><target dev='vdf' bus='virtio'/></disk>
            """
        )
        #expect(
            found.map(\.source) == [
                .file("/a & b"), .block("/dev/x"), .volume(pool: "p", name: "v"), .network("rbd"), .other("nvme"),
                .nothing,
            ]
        )
        #expect(found.map(\.format) == ["qcow2", "raw", "raw", "raw", "raw", "raw"])
    }

    @Test("drives for disks and floppies are no disks, full or empty, and a passed-through device is one")
    func drives() throws {
        let found = try disks(
            """
            <disk type='file' device='cdrom'><source file='/c.iso'/><target dev='sda' bus='sata'/></disk>
            <disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>
            <disk type='block' device='lun'><source dev='/dev/x'/><target dev='sdb' bus='scsi'/></disk>
            """
        )
        #expect(found.map(\.target) == ["sdb"])
        #expect(found.map(\.isPassedThrough) == [true])
    }

    @Test("what makes a disk unfit is seen: encryption, a slice of a file, backing files of the description's own")
    func unfit() throws {
        let found = try disks(
            """
            <disk type='file'><source file='/a'><encryption format='luks'/></source><target dev='vda' bus='virtio'/></disk>
            <disk type='file'><source file='/b'><slices><slice type='storage' offset='1' size='2'/></slices></source><target dev='vdb' bus='virtio'/></disk>
            <disk type='file'><source file='/c'/><backingStore type='file'><source file='/d'/><backingStore/></backingStore><target dev='vdc' bus='virtio'/></disk>
            <disk type='file'><source file='/e'/><backingStore/><target dev='vdd' bus='virtio'/></disk>
            <disk type='file'><source file='/f'/><target dev='vde' bus='virtio'/></disk>
            """
        )
        #expect(found.map(\.isEncrypted) == [true, false, false, false, false])
        #expect(found.map(\.isSlice) == [false, true, false, false, false])
        #expect(found.map(\.backing) == [nil, nil, ["/d"], [], nil])
    }

    @Test("disks are numbered as a guest numbers them: by boot order, then virtio first, then by dead letters")
    func order() throws {
        let names = ["sdb", "vdaa", "vdz", "sda", "vdb", "hda"]
        let devices = names.map { name in
            let bus = name.hasPrefix("v") ? "virtio" : name.hasPrefix("h") ? "ide" : "scsi"
            return "<disk type='file'><source file='/\(name)'/><target dev='\(name)' bus='\(bus)'/></disk>"
        }
        let plain = DomainDisk.inGuestOrder(try disks(devices.joined()))
        #expect(plain.map(\.target) == ["vdb", "vdz", "vdaa", "hda", "sda", "sdb"])
        let second = "<disk type='file'><source file='/q'/><target dev='sdq' bus='scsi'/><boot order='1'/></disk>"
        #expect(DomainDisk.inGuestOrder(try disks(devices.joined() + second)).first?.target == "sdq")
    }

    @Test("metadata are found by their namespace, whatever their prefix")
    func metadata() throws {
        let xml = try DomainXML(
            "<domain><metadata><x:instance xmlns:x='urn:a' owner='o'/><instance xmlns='urn:b' owner='p'/></metadata></domain>"
        )
        #expect(xml.metadata("urn:a")?["owner"] == "o")
        #expect(xml.metadata("urn:b")?["owner"] == "p")
        #expect(xml.metadata("urn:c") == nil)
    }

    @Test("an element is written as it was read, with what XML keeps for itself escaped")
    func writing() throws {
        let text = "<a x=\"1 &lt; 2 &quot;&#10;\"><b>&lt;&amp;\n</b><p:c xmlns:p=\"urn:x\"/></a>"
        let element = try XMLElement(parsing: text)
        #expect(element["x"] == "1 < 2 \"\n")
        #expect(element.first("b")?.text == "<&\n")
        #expect(try XMLElement(parsing: element.document) == element)
    }

    @Test(
        "what is not plain XML is refused",
        arguments: [
            "", "no XML", "<a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
            "<!DOCTYPE a [<!ENTITY x 'y'><!ENTITY z '&x;&x;&x;&x;&x;&x;&x;&x;'>]><a>&z;</a>",
        ]
    )
    func refused(_ text: String) {
        #expect(throws: XMLProblem.self) { _ = try XMLElement(parsing: text) }
    }

    @Test("neither size nor depth of a document is without a bound")
    func bounds() {
        let large = "<a>" + String(repeating: "x", count: 5 << 20) + "</a>"
        #expect(throws: XMLProblem.self) { _ = try XMLElement(parsing: large) }
        let deep = String(repeating: "<a>", count: 100_000) + String(repeating: "</a>", count: 100_000)
        #expect(throws: XMLProblem.self) { _ = try XMLElement(parsing: deep) }
    }

    @Test("another document than a domain's is refused")
    func notADomain() {
        #expect(throws: XMLProblem.self) { _ = try DomainXML("<pool/>") }
    }
}
