import Testing

@testable import ImageCore

@Suite("The system's own volumes are known by every name")
struct SystemVolumesTests {
    private static let group = "Abc1Abc2Abc3Abc4Abc5Abc6Abc7Abc8"
    private static let logical = "Xyz1Xyz2Xyz3Xyz4Xyz5Xyz6Xyz7Xyz8"
    private static let array = ArrayMember(
        uuid: "0123456789abcdef0123456789abcdef",
        name: "web1:data",
        level: 1,
        devices: 1,
        role: 0
    )
    private static let volumes: [GuestVolume] = [
        .init(device: "/dev/sda"), .init(device: "/dev/sda1", type: "ext4", uuid: "AA-1", label: "my root"),
        .init(device: "/dev/sda2", type: "LVM2_member", uuid: "pv1234-abcd", partUUID: "bb-2", partLabel: "my part"),
        .init(device: "/dev/sda3", type: "linux_raid_member", membership: .array(array)),
        .init(device: "/dev/sda4", type: "vfat", uuid: "AB12-CD34"),
        .init(
            device: "/dev/ubuntu-vg/var-log",
            type: "ext4",
            logical: .init(groupUUID: group, uuid: logical)
        ), .init(device: "/dev/md127", type: "xfs", uuid: "cc-3"),
    ]

    private func presence(_ source: String, _ volumes: [GuestVolume] = volumes, root: String = "") -> Presence {
        SystemVolumes(volumes, root: root).presence(of: source)
    }

    @Test(
        "udev's, LVM's, md's and libmount's",
        arguments: [
            "/dev/disk/by-id/dm-uuid-LVM-\(group)\(logical)", "/dev/disk/by-id/dm-name-ubuntu--vg-var--log",
            "/dev/mapper/ubuntu--vg-var--log", "/dev/ubuntu-vg/var-log", "ID=dm-name-ubuntu--vg-var--log",
            "/dev/disk/by-id/lvm-pv-uuid-pv1234-abcd", "/dev/md/data", "/dev/md/web1:data",
            "/dev/disk/by-id/md-name-web1:data", "/dev/disk/by-id/md-uuid-01234567:89abcdef:01234567:89abcdef",
            "/dev/disk/by-id/md-uuid-01234567:89abcdef:01234567:89abcdef-part1", "UUID=cc-3",
            "/dev/disk/by-label/my\\x20root", "LABEL=my root", "LABEL='my root'", "/dev/disk/by-partlabel/my\\x20part",
            "PARTLABEL=\"my part\"", "PARTUUID=BB-2", "UUID=ab12-cd34", "//dev/./sda1", "/dev/vda1",
            "/dev/disk/azure/root-part1",
        ]
    )
    func own(source: String) { #expect(presence(source) == .here) }

    @Test(
        "and no other disk's",
        arguments: [
            "/dev/disk/by-id/dm-uuid-LVM-\(logical)\(group)", "/dev/disk/by-id/dm-name-ubuntu-vg-var-log",
            "/dev/disk/by-id/lvm-pv-uuid-pv1234", "/dev/disk/by-id/md-uuid-11234567:89abcdef:01234567:89abcdef",
            "/dev/disk/by-label/my root2", "PARTLABEL=my", "/dev/disk/azure/scsi1/lun0-part1",
            "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1-part9", "/dev/disk/by-path/pci-0000:00:09.0",
        ]
    )
    func foreign(source: String) { #expect(presence(source) == .elsewhere) }

    @Test("a slot or a serial number is on no disk: whose it is cannot be seen, unless the root's line says it")
    func hardware() {
        for source in [
            "/dev/disk/by-path/pci-0000:00:07.0-part1", "/dev/disk/by-id/virtio-0d1e2f-part1",
            "/dev/disk/by-id/ata-QEMU_HARDDISK_QM00001-part1", "ID=wwn-0x500-part1",
            "/dev/disk/by-id/dm-uuid-part1-mpath-3600", "/dev/disk/by-dname/main-part1",
        ] {
            guard case .unknown = presence(source) else {
                Issue.record("\(source): \(presence(source))")
                continue
            }
        }
        var own = SystemVolumes(Self.volumes)
        own.addRoot("/dev/disk/by-path/pci-0000:00:07.0-part1")
        #expect(own.presence(of: "/dev/disk/by-path/pci-0000:00:07.0-part4") == .here)
        #expect(own.presence(of: "/dev/disk/by-path/pci-0000:00:07.0-part9") == .elsewhere)
        #expect(own.presence(of: "/dev/disk/by-path/pci-0000:00:07.0-part4", type: "ext4") == .elsewhere)
        // Another instance's disk has another serial number.
        own.addRoot("/dev/disk/by-id/virtio-0d1e2f-part1")
        guard case .unknown = own.presence(of: "/dev/disk/by-id/virtio-0d1e2f-part4") else {
            Issue.record("a serial number is taken for the copy's")
            return
        }
    }

    @Test("a name in metadata is no device: members that are missing make their volumes missing")
    func members() {
        let missing = GuestVolume(device: "/dev/vg/data", isMissing: true, logical: .init(isGroupPartial: true))
        let beside = GuestVolume(device: "/dev/vg/own", type: "ext4", uuid: "d", logical: .init(isGroupPartial: true))
        for source in ["/dev/vg/data", "/dev/mapper/vg-data", "/dev/vg/own", "UUID=d"] {
            guard case .gone = presence(source, [missing, beside]) else {
                Issue.record("\(source) is taken for there")
                continue
            }
        }
        // The root's own volume is activated by its name.
        #expect(presence("/dev/vg/own", [missing, beside], root: "/dev/vg/own") == .here)
        let half = GuestVolume(device: "/dev/sda2", type: "btrfs", uuid: "e", membership: .btrfs(devices: 2))
        guard case .gone = presence("UUID=e", [half]) else {
            Issue.record("half a btrfs is taken for there")
            return
        }
        #expect(presence("UUID=e", [half, .init(device: "/dev/sda3", type: "btrfs", uuid: "e")]) == .here)
    }

    @Test(
        "an array is there when enough of its disks are",
        arguments: [
            (0, 2, 1, false), (-1, 2, 1, false), (1, 2, 1, true), (5, 3, 2, true), (5, 3, 1, false), (6, 4, 2, true),
            (6, 4, 1, false), (10, 4, 3, true),
        ]
    )
    func arrays(level: Int, devices: Int, present: Int, starts: Bool) {
        let volumes = (0..<present).map { role in
            let member = ArrayMember(uuid: "ff", name: "h:0", level: level, devices: devices, role: role)
            return GuestVolume(device: "/dev/sda\(role + 1)", type: "linux_raid_member", membership: .array(member))
        }
        for source in ["/dev/md/0", "/dev/md0", "/dev/disk/by-id/md-name-h:0"] {
            let presence = presence(source, volumes)
            if starts {
                #expect(presence == .here)
            } else if case .gone = presence {
            } else {
                Issue.record("\(presence)")
            }
        }
        // What is on an array that was not started cannot be seen.
        guard starts, case .unknown = presence("UUID=zz", volumes) else {
            #expect(!starts && presence("UUID=zz", volumes) == .elsewhere)
            return
        }
    }

    @Test("names that the guest's own files give are looked up there")
    func given() {
        var own = SystemVolumes(Self.volumes + [.init(device: "/dev/sda5", type: "crypto_LUKS", uuid: "dd-4")])
        own.add(
            Crypttab(Array("home UUID=dd-4 none luks\ndata UUID=ee-5 none\nswap PARTUUID=ff /dev/urandom swap\n".utf8))
        )
        #expect(own.presence(of: "/dev/mapper/home") == .here)
        #expect(own.presence(of: "/dev/disk/by-id/dm-uuid-CRYPT-LUKS2-dd4-home") == .here)
        #expect(own.presence(of: "/dev/mapper/swap") == .elsewhere)
        let rules = """
            SUBSYSTEM=="block", ACTION=="add|change", ENV{DEVTYPE}=="partition", ENV{ID_PART_ENTRY_UUID}=="bb-2", SYMLINK+="disk/by-dname/main-part2"
            SUBSYSTEM=="block", ENV{DM_UUID}=="LVM-\(Self.group)\(Self.logical)", SYMLINK+="disk/by-dname/var"
            SUBSYSTEM=="block", ENV{ID_FS_UUID}=="gone", SYMLINK+="data"

            """
        own.add(UdevRules(Array(rules.utf8)))
        #expect(own.presence(of: "/dev/disk/by-dname/main-part2") == .here)
        #expect(own.presence(of: "/dev/disk/by-dname/var") == .here)
        own.addArrays(Array("ARRAY /dev/md0 metadata=1.2 UUID=01234567:89abcdef:01234567:89abcdef\n".utf8))
        #expect(own.presence(of: "/dev/md0") == .here)
    }

    @Test("blkid's escapes are taken out again")
    func blkid() {
        #expect(GuestVolume.plain(blkid: #"my\ root"#) == "my root")
        #expect(GuestVolume.plain(blkid: #"a\\b\"c\xc3\xa9"#) == #"a\b"cé"#)
        #expect(GuestVolume.plain(blkid: #"end\"#) == #"end\"#)
    }

    @Test("superblocks are read as md and btrfs write them, and nothing else is taken for one")
    func superblocks() {
        var bytes = [UInt8](repeating: 0, count: 4096)
        bytes.replaceSubrange(0..<8, with: [0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0])
        bytes.replaceSubrange(16..<32, with: (0..<16).map { UInt8($0) })
        bytes.replaceSubrange(32..<37, with: Array("h:vol".utf8))
        bytes[72] = 5
        bytes[92] = 3
        bytes[160] = 1
        bytes[258] = 2
        let wanted = ArrayMember(uuid: "000102030405060708090a0b0c0d0e0f", name: "h:vol", level: 5, devices: 3, role: 2)
        #expect(ArrayMember(superblock: bytes) == wanted)
        bytes[0] = 0
        #expect(ArrayMember(superblock: bytes) == nil && ArrayMember(superblock: []) == nil)
        bytes.replaceSubrange(0x40..<0x48, with: Array("_BHRfS_M".utf8))
        bytes[0x88] = 2
        #expect(ArrayMember.btrfsDevices(superblock: bytes) == 2)
        #expect(ArrayMember.btrfsDevices(superblock: [UInt8](repeating: 0, count: 4096)) == nil)
    }
}
