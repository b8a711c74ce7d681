import Foundation

/// A system disk to be made: how it is divided, and what its guest has in its files.
struct Disk: Sendable {
    var id: String
    var mebibytes = 400
    /// Whether the instance's disk is a qcow2 layer over the raw file.
    var isLayered = false
    /// guestfish's commands, with `DISK` for the device, `SPARE` for a disk of no instance, and `FILE` for the folder
    /// of drafts and the disk's name.
    var commands: [String]
    /// Files to be uploaded, by their name in the folder of drafts.
    var files: [String: [UInt8]] = [:]

    static let rootUUID = "11111111-2222-4333-8444-555555555555"
    static let swapUUID = "21111111-2222-4333-8444-555555555555"
    static let dataUUID = "d1111111-2222-4333-8444-555555555555"

    static let all = [ext4, xfs, lvmExt4, lvmXfs, hostile, btrfs, spanned, cloud, installed, whole]
    /// Those that need no appliance.
    static let plain: Set = [ext4.id, cloud.id, installed.id, whole.id]

    static let rule = #"SUBSYSTEM=="net", ATTR{address}=="52:54:00:aa:bb:cc", NAME="eth0""#

    /// A root and swap on partitions, and every spelling of a line.
    static let ext4 = Disk(
        id: "i-ext4",
        mebibytes: 160,
        commands: [
            "part-init DISK gpt", "part-add DISK p 2048 204799", "part-add DISK p 204800 258047",
            "mkfs ext4 DISK1 label:root", "set-uuid DISK1 \(rootUUID)", "mkswap DISK2 uuid:\(swapUUID)",
            "mount DISK1 /", "mkdir-p /etc/udev/rules.d", "mkdir /usr", "upload FILE-fstab /etc/fstab",
            "chmod 0640 /etc/fstab", "upload FILE-rules /etc/udev/rules.d/70-persistent-net.rules", "umount-all",
        ],
        files: [
            "fstab": Array(
                """
                # /etc/fstab
                UUID=\(rootUUID) / ext4 errors=remount-ro 0 1
                UUID=\(swapUUID.uppercased()) none swap sw 0 0
                LABEL=spool\t/var/spool\text4\tdefaults\t0 2
                LABEL=root /again ext4 defaults 0 0
                /dev/vdb1 /srv/device ext4 defaults 0 2
                /dev/vdc1 /srv/gone ext4 defaults,nofail 0 2
                UUID=\(dataUUID) /srv/uuid xfs
                UUID=\(dataUUID) /srv/nofail xfs nofail 0 2
                LABEL=maybe /srv/maybe ext4 noauto 0 0
                /dev/vda2 none swap sw 0 0
                /dev/vdd none swap sw 0 0
                server:/export /mnt nfs defaults 0 0
                tmpfs /tmp tmpfs nosuid 0 0

                """.utf8
            ), "rules": Array("# made by a script\n\n\(rule)\n".utf8),
        ]
    )

    /// As a cloud's image has it: partitions for firmware behind the root, `/boot` on a partition, swap space; and links of
    /// every kind, folders, empty and large files among what is read.
    static let cloud = Disk(
        id: "i-cloud",
        mebibytes: 300,
        isLayered: true,
        commands: [
            "part-init DISK gpt", "part-add DISK p 262144 491519", "part-add DISK p 65536 262143",
            "part-add DISK p 2048 8191", "part-add DISK p 8192 65535", "part-add DISK p 491520 557055",
            "part-set-gpt-type DISK 3 21686148-6449-6E6F-744E-656564454649",
            "part-set-gpt-type DISK 4 C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "part-set-name DISK 1 root",
            "mkfs ext4 DISK1 label:cloudimg-rootfs", "mkfs ext2 DISK2 label:BOOT", "mkfs vfat DISK4 label:UEFI",
            "mkswap DISK5", "mount DISK1 /", "mkdir-p /etc/udev/rules.d", "mkdir-p /etc/systemd/network",
            "mkdir /etc/netplan", "mkdir-p /etc/systemd/system/local-fs.target.requires",
            "mkdir-p /etc/systemd/system/swap.target.wants", "mkdir-p /usr/lib/systemd", "ln-s usr/lib /lib",
            "upload FILE-fstab /usr/lib/fstab", "ln-s ../lib/../usr/lib/fstab /etc/fstab",
            "upload FILE-rules /etc/udev/rules.d/70-persistent-net.rules",
            "ln-s /dev/null /etc/udev/rules.d/80-masked.rules", "mkdir /etc/udev/rules.d/81-folder.rules",
            "touch /etc/udev/rules.d/82-empty.rules", "upload FILE-rules /etc/udev/rules.d/.hidden.rules",
            "mknod-c 0644 1 3 /etc/udev/rules.d/83-device.rules",
            "ln-s ../../../../../../etc/passwd /etc/udev/rules.d/84-away.rules",
            "upload FILE-large /etc/netplan/50-large.yaml", "touch /etc/crypttab", "truncate-size /etc/crypttab 70000",
            "upload FILE-unit /usr/lib/systemd/srv.mount",
            "ln-s /usr/lib/systemd/srv.mount /etc/systemd/system/local-fs.target.requires/srv.mount",
            "ln-s ../gone.swap /etc/systemd/system/swap.target.wants/gone.swap",
            "ln-s /etc/systemd/system/swap.target.wants /etc/systemd/system/also.wants", "umount-all",
        ],
        files: [
            "fstab": Array("LABEL=cloudimg-rootfs / ext4 discard 0 1\nLABEL=data /data ext4 defaults 0 2\n".utf8),
            "rules": Array("\(rule)\n".utf8), "large": [UInt8](repeating: UInt8(ascii: "#"), count: 300 << 10),
            "unit": Array("[Mount]\nWhat=LABEL=data\nWhere=/srv\n".utf8),
        ]
    )

    /// As Debian's installer makes it: swap space on a logical partition.
    static let installed = Disk(
        id: "i-installed",
        mebibytes: 200,
        commands: [
            "part-init DISK mbr", "part-add DISK p 2048 204799", "part-add DISK e 206846 401407",
            "part-add DISK l 206848 301407", "part-add DISK l 303456 401407", "mkfs ext3 DISK1", "mkswap DISK5",
            "mkfs ext4 DISK6 blocksize:4096", "mount DISK1 /", "mkdir /etc", "mkdir /bin",
            "upload FILE-fstab /etc/fstab", "umount-all",
        ],
        files: ["fstab": Array("/dev/sda1 / ext3 defaults 0 1\n/dev/sda6 /home ext4 defaults 0 2\n".utf8)]
    )

    /// A file system without partitions, and no fstab.
    static let whole = Disk(
        id: "i-whole",
        mebibytes: 64,
        commands: ["mkfs ext4 DISK", "mount DISK /", "mkdir /etc", "mkdir /sbin", "umount-all"]
    )

    /// One file system that fills a partition.
    static let xfs = Disk(
        id: "i-xfs",
        isLayered: true,
        commands: [
            "part-disk DISK mbr", "mkfs xfs DISK1 label:sys", "set-uuid DISK1 \(rootUUID)", "mount DISK1 /",
            "mkdir /etc", "mkdir /usr", "upload FILE-fstab /etc/fstab", "umount-all",
        ],
        files: [
            "fstab": Array(
                """
                UUID=\(rootUUID) / xfs defaults 0 0
                /dev/disk/by-label/sys /again xfs defaults 0 0
                LABEL=data /data xfs defaults 0 0
                """.utf8
            )
        ]
    )

    /// Boot on a partition, root and swap on logical volumes whose names have hyphens.
    static let lvmExt4 = Disk(
        id: "i-lvm-ext4",
        mebibytes: 256,
        commands: [
            "part-init DISK gpt", "part-add DISK p 2048 67583", "part-add DISK p 67584 520191", "pvcreate DISK2",
            "vgcreate vg-a DISK2", "lvcreate lv-root vg-a 128", "lvcreate swap vg-a 32", "mkfs ext4 DISK1 label:boot",
            "mkfs ext4 /dev/vg-a/lv-root", "mkswap /dev/vg-a/swap", "mount /dev/vg-a/lv-root /", "mkdir /etc",
            "mkdir /usr", "upload FILE-fstab /etc/fstab", "umount-all",
        ],
        files: [
            "fstab": Array(
                """
                /dev/mapper/vg--a-lv--root / ext4 defaults 0 1
                LABEL=boot /boot ext4 defaults 0 2
                /dev/mapper/vg--a-lv--root /again ext4 defaults 0 0
                /dev/vg-a/swap none swap sw 0 0
                /dev/mapper/data-store /srv/data ext4 defaults 0 2

                """.utf8
            )
        ]
    )

    static let lvmXfs = Disk(
        id: "i-lvm-xfs",
        mebibytes: 512,
        isLayered: true,
        commands: [
            "part-disk DISK gpt", "pvcreate DISK1", "vgcreate vgb DISK1", "lvcreate root vgb 400",
            "mkfs xfs /dev/vgb/root label:sysb", "mount /dev/vgb/root /", "mkdir-p /etc/udev/rules.d", "mkdir /usr",
            "upload FILE-fstab /etc/fstab", "upload FILE-rules /etc/udev/rules.d/70-persistent-net.rules",
            "umount-all",
        ],
        files: [
            "fstab": Array("/dev/vgb/root / xfs defaults 0 0\n/dev/data/store /srv xfs defaults 0 0\n".utf8),
            "rules": Array("# nothing but a comment\n".utf8),
        ]
    )

    /// A system with snapshots of it that cannot be written, its files protected or masked.
    static let btrfs = Disk(
        id: "i-btrfs",
        mebibytes: 260,
        commands: [
            "part-disk DISK mbr", "mkfs-btrfs DISK1 \"label:my system\"", "mount DISK1 /", "btrfs-subvolume-create /@",
            "mkdir-p /@/etc/udev/rules.d/70-persistent-net.rules", "mkdir /@/usr", "upload FILE-fstab /@/etc/fstab",
            "upload FILE-crypttab /@/etc/crypttab", "upload FILE-rules /@/etc/udev/rules.d/75-net.rules",
            "ln-s /dev/null /@/etc/udev/rules.d/76-net.rules", "mkdir /snaps",
            "btrfs-subvolume-snapshot /@ /snaps/1 ro:true", "btrfs-subvolume-snapshot /@ /snaps/2 ro:true",
            "set-e2attrs /@/etc/fstab i", "set-e2attrs /@/etc/crypttab a", "umount-all",
        ],
        files: [
            "fstab": Array(
                """
                LABEL=my\\040system / btrfs subvol=@ 0 0
                /dev/disk/by-label/my\\x20system /again btrfs subvol=@ 0 0
                UUID=\(dataUUID) /data ext4 defaults 0 2
                /data/www /var/www none bind 0 0

                """.utf8
            ), "crypttab": Array("secret UUID=\(dataUUID) none luks\n".utf8), "rules": Array("\(rule)\n# rest\n".utf8),
        ]
    )

    /// A volume group that goes on on a disk which is not the system disk.
    static let spanned = Disk(
        id: "i-spanned",
        mebibytes: 160,
        commands: [
            "part-init DISK mbr", "part-add DISK p 2048 131071", "part-add DISK p 131072 325000",
            "part-disk SPARE mbr", "mkfs ext4 DISK1 label:sys", "pvcreate DISK2", "pvcreate SPARE1",
            "vgcreate vgs \"DISK2 SPARE1\"", "lvcreate own vgs 64", "lvcreate data vgs 80", "mkfs ext4 /dev/vgs/own",
            "mkfs ext4 /dev/vgs/data", "mount DISK1 /", "mkdir /etc", "mkdir /usr", "upload FILE-fstab /etc/fstab",
            "umount-all",
        ],
        files: [
            "fstab": Array(
                """
                LABEL=sys / ext4 defaults 0 1
                /dev/vgs/own /own ext4 defaults 0 2
                /dev/mapper/vgs-data /data ext4 defaults 0 2

                """.utf8
            )
        ]
    )

    /// Three systems: one with a line of a mebibyte, one with control characters, and one without a file. And half a file
    /// system: its superblock is there, the rest is not.
    static let hostile = Disk(
        id: "i-hostile",
        mebibytes: 160,
        commands: [
            "part-init DISK gpt", "part-add DISK p 2048 67583", "part-add DISK p 67584 133119",
            "part-add DISK p 133120 198655", "part-add DISK p 198656 231423", "mkfs ext4 DISK1", "mkfs ext4 DISK2",
            "mkfs ext4 DISK3",
            "mount DISK1 /", "mkdir /etc", "mkdir /usr", "upload FILE-long /etc/fstab", "umount-all",
            "mount DISK2 /", "mkdir /etc", "mkdir /usr", "upload FILE-control /etc/fstab", "umount-all",
            "mount DISK3 /", "mkdir /etc", "mkdir /usr", "umount-all",
            "upload FILE-half DISK4",
        ],
        files: [
            "long": [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20),
            "control": Array("LABEL=\u{1b}[2J\u{202e}lie /srv ext4 x\u{7}\r\n".utf8) + [0xff, 0xfe, 0, 0x0a]
                + [UInt8](repeating: UInt8(ascii: "y"), count: 200 << 10),
        ]
    )

    func write(to drafts: String) throws {
        for (name, bytes) in files { try Data(bytes).write(to: URL(fileURLWithPath: "\(drafts)/\(id)-\(name)")) }
    }

    func script(device: String, spare: String, drafts: String) -> String {
        commands.map {
            $0.replacing("DISK", with: device).replacing("SPARE", with: spare).replacing(
                "FILE",
                with: "\(drafts)/\(id)"
            ) + "\n"
        }.joined()
    }
}
