@testable import ImageCore

/// A guest as installers leave it, and what a start of it without its other disks does.
struct RealSystem: Sendable, CustomStringConvertible {
    var description: String
    var volumes: [GuestVolume]
    var files: [String: String]
    var links: [String] = []
    var root = "/dev/sda1"
    /// `file:line code`, with `fixed` or `left` for what a fix does; `?` for what is unknown.
    var found: [String]

    var facts: GuestFacts {
        let files = files.mapValues { GuestFile.bytes(Array($0.utf8)) }
        return GuestFacts(volumes: volumes, systems: [.init(root: root, files: files, unitLinks: links)])
    }

    static let all: [RealSystem] = [
        RealSystem(
            description: "Debian: UUIDs, a data disk with folders bound from it, a swap file on it",
            volumes: [
                .init(device: "/dev/sda"), .init(device: "/dev/sda1", type: "ext4", uuid: "a-1"),
                .init(device: "/dev/sda5", type: "swap", uuid: "b-2"),
            ],
            files: [
                "/etc/fstab": """
                # / was on /dev/vda1 during installation
                UUID=a-1 / ext4 errors=remount-ro 0 1
                UUID=b-2 none swap sw 0 0
                UUID=dd-1 /data ext4 defaults 0 2
                /data/www /var/www none bind 0 0
                /dev/sda1 /data/cache ext4 defaults 0 2
                /data/disk.img /mnt/img ext4 loop 0 0
                /data/swapfile none swap sw 0 0
                overlay /merged overlay lowerdir=/srv:/data/low,upperdir=/srv/up,workdir=/srv/work 0 0
                tmpfs /opt/a tmpfs x-systemd.requires=/data 0 0
                tmpfs /opt/b tmpfs x-systemd.requires=data.mount 0 0
                tmpfs /opt/c tmpfs x-systemd.requires-mounts-for=/data/x 0 0
                /dev/sda1 /data/later ext4 noauto,x-systemd.automount 0 0
                /var/www/html /home/html none rbind 0 0
                /srv /home/srv none bind 0 0
                /dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0
                nas:/x /data/nas nfs defaults 0 0
                tmpfs /datax tmpfs defaults 0 0

                """
            ],
            found: [
                "/etc/fstab:4 fstab-mount fixed", "/etc/fstab:5 fstab-mount fixed", "/etc/fstab:6 fstab-mount fixed",
                "/etc/fstab:7 fstab-mount fixed", "/etc/fstab:8 fstab-swap fixed", "/etc/fstab:9 fstab-mount fixed",
                "/etc/fstab:10 fstab-mount fixed", "/etc/fstab:11 fstab-mount fixed",
                "/etc/fstab:12 fstab-mount fixed", "/etc/fstab:13 fstab-mount fixed",
                "/etc/fstab:14 fstab-mount fixed",
            ]
        ),
        RealSystem(
            description: "what hangs on a line that already may fail",
            volumes: [.init(device: "/dev/sda1", type: "ext4", uuid: "a-1")],
            files: [
                "/etc/fstab": """
                UUID=a-1 / ext4 defaults 0 1
                /dev/vdb1 /data ext4 nofail 0 2
                /dev/vdc1 /later ext4 noauto 0 2
                /data/www /var/www none bind
                /later/x /var/x none bind,nofail
                /later/y /var/y none bind
                /dev/vdb1 /net ext4 _netdev
                /net/z /var/z none bind

                """
            ],
            found: [
                "/etc/fstab:4 fstab-mount fixed", "/etc/fstab:6 fstab-mount fixed", "/etc/fstab:8 fstab-mount fixed",
            ]
        ),
        RealSystem(
            description: "Ubuntu by curtin: LVM by id, by-dname, netplan of cloud-init",
            volumes: [
                .init(device: "/dev/sda1"), .init(device: "/dev/sda2", type: "ext4", uuid: "b-2", partUUID: "p-2"),
                .init(device: "/dev/sda3", type: "LVM2_member", uuid: "pv"),
                .init(
                    device: "/dev/ubuntu-vg/ubuntu-lv",
                    type: "ext4",
                    uuid: "r",
                    logical: .init(groupUUID: "G", uuid: "R")
                ),
                .init(device: "/dev/ubuntu-vg/var", type: "ext4", uuid: "v", logical: .init(groupUUID: "G", uuid: "V")),
            ],
            files: [
                "/etc/fstab": """
                /dev/disk/by-id/dm-uuid-LVM-GR / ext4 defaults 0 1
                /dev/disk/by-id/dm-uuid-LVM-GV /var ext4 defaults 0 1
                /dev/disk/by-dname/vda-part2 /boot ext4 defaults 0 1
                /dev/disk/by-id/dm-uuid-LVM-GX /srv ext4 defaults 0 1
                /swap.img none swap sw 0 0

                """,
                "/etc/udev/rules.d/vda-part2.rules":
                    "SUBSYSTEM==\"block\", ENV{ID_PART_ENTRY_UUID}==\"p-2\", SYMLINK+=\"disk/by-dname/vda-part2\"\n",
                "/etc/netplan/50-cloud-init.yaml": """
                # written by cloud-init
                network:
                    version: 2
                    ethernets:
                        ens3:
                            dhcp4: true
                            match:
                                macaddress: 52:54:00:12:34:56
                            set-name: ens3
                        ens4:
                            match: {name: en*, macaddress: "52:54:00:12:34:57"}
                        ens5:
                            match:
                                driver: virtio_net
                                macaddress: '52:54:00:12:34:58'
                        ens6:
                            macaddress: 52:54:00:12:34:59

                """,
            ],
            root: "/dev/ubuntu-vg/ubuntu-lv",
            found: [
                "/etc/fstab:4 fstab-mount fixed", "/etc/netplan/50-cloud-init.yaml:8 network-mac left",
                "/etc/netplan/50-cloud-init.yaml:11 network-mac left",
                "/etc/netplan/50-cloud-init.yaml:15 network-mac fixed",
            ]
        ),
        RealSystem(
            description: "Fedora: subvolumes of btrfs, a keyfile of NetworkManager",
            volumes: [
                .init(device: "/dev/sda2", type: "ext4", uuid: "boot"),
                .init(device: "/dev/sda1", type: "vfat", uuid: "EF-01"),
                .init(device: "/dev/sda3", type: "btrfs", uuid: "f", label: "fedora", membership: .btrfs(devices: 1)),
            ],
            files: [
                "/etc/fstab": """
                UUID=f / btrfs subvol=root,compress=zstd:1 0 0
                UUID=boot /boot ext4 defaults 1 2
                UUID=ef-01 /boot/efi vfat umask=0077,shortname=winnt 0 2
                UUID=f /home btrfs subvol=home,compress=zstd:1 0 0
                LABEL=pool /pool btrfs device=/dev/vdb,device=/dev/vdc 0 0

                """,
                "/etc/NetworkManager/system-connections/ens3.nmconnection": """
                [connection]
                id=ens3
                type=ethernet
                interface-name=ens3

                [ethernet]
                mac-address=52:54:00:12:34:56
                cloned-mac-address=preserve

                """,
                "/etc/NetworkManager/system-connections/by address": """
                [connection]
                type=ethernet
                [802-3-ethernet]
                mac-address=52:54:00:12:34:57

                """,
                "/etc/NetworkManager/system-connections/off": """
                [connection]
                autoconnect=false
                [ethernet]
                mac-address=52:54:00:12:34:58

                """,
            ],
            root: "btrfsvol:/dev/sda3/root",
            found: [
                "/etc/fstab:5 fstab-mount fixed",
                "/etc/NetworkManager/system-connections/by address:4 network-mac left",
                "/etc/NetworkManager/system-connections/ens3.nmconnection:7 network-mac fixed",
            ]
        ),
        RealSystem(
            description: "openSUSE: a default subvolume of snapper's",
            volumes: [.init(device: "/dev/sda2", type: "btrfs", uuid: "s", membership: .btrfs(devices: 1))],
            files: [
                "/etc/fstab": """
                UUID=s / btrfs defaults 0 0
                UUID=s /.snapshots btrfs subvol=/@/.snapshots 0 0
                UUID=s /var btrfs subvol=/@/var,x-initrd.mount 0 0
                /dev/disk/by-id/ata-QEMU_HARDDISK_QM00003-part7 /srv xfs defaults 0 0

                """
            ],
            root: "/dev/sda2",
            found: ["/etc/fstab:4 fstab-mount fixed"]
        ),
        RealSystem(
            description: "RHEL: LVM's devices file, a volume group that goes on on a data disk, ifcfg files",
            volumes: [
                .init(device: "/dev/sda1", type: "xfs", uuid: "boot"),
                .init(device: "/dev/sda2", type: "LVM2_member", uuid: "Pv1-2"),
                .init(device: "/dev/rhel/root", type: "xfs", uuid: "r", logical: .init(isGroupPartial: true)),
                .init(device: "/dev/rhel/swap", type: "swap", uuid: "w", logical: .init(isGroupPartial: true)),
                .init(device: "/dev/rhel/data", isMissing: true, logical: .init(isGroupPartial: true)),
            ],
            files: [
                "/etc/fstab": """
                /dev/mapper/rhel-root / xfs defaults 0 0
                UUID=boot /boot xfs defaults 0 0
                /dev/mapper/rhel-data /data xfs defaults 0 0
                /dev/mapper/rhel-swap none swap defaults 0 0

                """,
                "/etc/lvm/devices/system.devices": """
                # LVM uses devices listed in this file.
                VERSION=1.1.2
                IDTYPE=sys_wwid IDNAME=t10.ATA DEVNAME=/dev/vda2 PVID=Pv12 PART=2
                IDTYPE=devname IDNAME=/dev/vdb1 DEVNAME=/dev/vdb1 PVID=Pv9 PART=1

                """,
                "/etc/sysconfig/network-scripts/ifcfg-eth0":
                    "DEVICE=\"eth0\"\nHWADDR=\"52:54:00:12:34:56\"\nONBOOT=yes\n",
                "/etc/sysconfig/network-scripts/ifcfg-eth1": "HWADDR=52:54:00:12:34:57\n",
                "/etc/sysconfig/network-scripts/ifcfg-eth2.bak": "DEVICE=eth2\nHWADDR=52:54:00:12:34:58\n",
                "/etc/sysconfig/network-scripts/ifcfg-eth3": "DEVICE=eth3\nMACADDR=52:54:00:12:34:58\n",
            ],
            root: "/dev/rhel/root",
            found: [
                "/etc/fstab:3 fstab-mount fixed", "/etc/fstab:4 fstab-swap fixed",
                "/etc/sysconfig/network-scripts/ifcfg-eth0:2 network-mac fixed",
                "/etc/sysconfig/network-scripts/ifcfg-eth1:1 network-mac left",
                "/etc/lvm/devices/system.devices:3 lvm-devices fixed",
            ]
        ),
        RealSystem(
            description: "encrypted data disks, and an encrypted home on the system disk",
            volumes: [
                .init(device: "/dev/sda1", type: "ext4", uuid: "a"),
                .init(device: "/dev/sda5", type: "crypto_LUKS", uuid: "c"),
            ],
            files: [
                "/etc/crypttab": """
                # <target> <source> <key> <options>
                home UUID=c none luks
                secret UUID=gone none luks,discard
                data /dev/vdb
                more /dev/vdc none nofail
                key UUID=c /data/key luks

                """,
                "/etc/fstab": """
                UUID=a / ext4 defaults
                /dev/mapper/home /home ext4 defaults
                /dev/mapper/secret /secret ext4 defaults
                /dev/mapper/data /data ext4 nofail
                /dev/mapper/vg-lv /lv ext4 defaults

                """,
            ],
            found: [
                "/etc/fstab:3 ?", "/etc/fstab:5 ?", "/etc/crypttab:3 ?",
                "/etc/crypttab:4 crypttab fixed", "/etc/crypttab:6 crypttab fixed",
            ]
        ),
        RealSystem(
            description: "units of systemd's, links and networks",
            volumes: [.init(device: "/dev/sda1", type: "ext4", uuid: "a")],
            files: [
                "/etc/fstab": "UUID=a / ext4 defaults\n/data/x /x none bind\n",
                "/etc/systemd/system/data.mount": "[Mount]\nWhat=/dev/disk/by-uuid/gone\nWhere=/data\n",
                "/etc/systemd/system/srv-own.mount": "[Mount]\nWhat=UUID=a\nWhere=/srv/own\n",
                "/etc/systemd/system/unused.mount": "[Mount]\nWhat=/dev/vdb\nWhere=/unused\n",
                "/etc/systemd/system/dev-vdc.swap": "[Swap]\nWhat=/dev/vdc\n",
                "/etc/systemd/system/multi-user.target.wants/opt.mount": "[Mount]\nWhat=/dev/vdd\nWhere=/opt\n",
                "/etc/systemd/system/late.mount": "[Mount]\nWhat=/dev/vde\nWhere=/late\nOptions=nofail\n",
                "/etc/systemd/system/data-deep.automount": "[Automount]\nWhere=/data/deep\n",
                "/etc/systemd/network/10-lan.link": "[Match]\nMACAddress=52:54:00:12:34:56\n[Link]\nName=lan0\n",
                "/etc/systemd/network/11-lan.link":
                    "[Match]\nPermanentMACAddress=52:54:00:12:34:57\nDriver=virtio_net\n[Link]\nName=lan1\n",
                "/etc/systemd/network/12-lan.link": "[Match]\nPath=pci-0000:00:03.0\n[Link]\nName=lan2\n",
                "/etc/systemd/network/20-lan.network":
                    "[Match]\nName=lan0\nMACAddress=52:54:00:12:34:56 \\\n 52:54:00:12:34:57\n[Network]\nDHCP=yes\n",
                "/etc/systemd/network/21-lan.network": "[Match]\nMACAddress=52:54:00:12:34:56\n[Network]\nDHCP=yes\n",
                "/etc/systemd/network/22-lan.network": "[Match]\nName=en*\n[Link]\nMACAddress=52:54:00:12:34:56\n",
            ],
            links: [
                "/etc/systemd/system/local-fs.target.requires/data.mount",
                "/etc/systemd/system/local-fs.target.wants/srv-own.mount",
                "/etc/systemd/system/local-fs.target.wants/late.mount",
                "/etc/systemd/system/swap.target.wants/dev-vdc.swap",
                "/etc/systemd/system/multi-user.target.wants/opt.mount",
                "/etc/systemd/system/local-fs.target.requires/data-deep.automount",
            ],
            found: [
                "/etc/fstab:2 fstab-mount fixed", "/etc/systemd/system/data-deep.automount:0 mount-unit left",
                "/etc/systemd/system/data.mount:0 mount-unit left",
                "/etc/systemd/system/dev-vdc.swap:0 mount-unit left",
                "/etc/systemd/system/multi-user.target.wants/opt.mount:0 mount-unit left",
                "/etc/systemd/network/10-lan.link:2 persistent-net left",
                "/etc/systemd/network/11-lan.link:2 persistent-net fixed",
                "/etc/systemd/network/20-lan.network:3 network-mac fixed",
                "/etc/systemd/network/21-lan.network:2 network-mac left",
            ]
        ),
        RealSystem(
            description: "what no nofail helps",
            volumes: [.init(device: "/dev/sda1", type: "ext4", uuid: "a")],
            files: [
                "/etc/fstab": """
                UUID=a / ext4 defaults
                /dev/vdb1 /usr ext4 defaults
                /dev/vdb2 /data ext4 x-systemd.required-by=web.service
                /dev/vdb3 /more ext4 x-systemd.wanted-by=web.service
                /dev/disk/by-path/pci-0000:00:07.0-part1 /where ext4 defaults

                """
            ],
            found: [
                "/etc/fstab:2 fstab-mount left", "/etc/fstab:3 fstab-mount left", "/etc/fstab:4 fstab-mount fixed",
                "/etc/fstab:5 ?",
            ]
        ),
    ]
}
