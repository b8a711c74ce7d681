/// How the kernel, udev, LVM and libmount call devices.
enum DeviceNames {
    static let tagFolders = [
        ("/dev/disk/by-uuid/", "UUID"), ("/dev/disk/by-label/", "LABEL"), ("/dev/disk/by-partuuid/", "PARTUUID"),
        ("/dev/disk/by-partlabel/", "PARTLABEL"),
    ]

    /// `UUID=…` and its like, taken apart. The name is one of libmount's, in capitals.
    static func tag(_ source: String) -> (name: String, value: String)? {
        guard let equals = source.firstIndex(of: "=") else { return nil }
        let name = String(source[..<equals])
        guard ["UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID"].contains(name) else { return nil }
        var value = source[source.index(after: equals)...]
        if let quote = value.first, quote == "\"" || quote == "'", value.last == quote, value.count > 1 {
            value = value.dropFirst().dropLast()
        }
        return (name, String(value))
    }

    /// A path without what does not count: `//dev/./sda1` is `/dev/sda1`.
    static func plain(_ path: String) -> String {
        guard path.contains("//") || path.contains("/./") || (path.hasSuffix("/") && path != "/") else { return path }
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }

    /// Every name of a volume but its tags.
    static func all(of volume: GuestVolume) -> [String] {
        var names = kernelNames(of: volume.device)
        if let mapped = names.first(where: { $0.hasPrefix("/dev/mapper/") }) {
            names.append("/dev/disk/by-id/dm-name-" + mapped.dropFirst("/dev/mapper/".count))
        }
        if let logical = volume.logical, let group = logical.groupUUID, let uuid = logical.uuid {
            names.append("/dev/disk/by-id/dm-uuid-LVM-\(group)\(uuid)")
        }
        if volume.type == "LVM2_member", let uuid = volume.uuid { names.append("/dev/disk/by-id/lvm-pv-uuid-" + uuid) }
        // Azure's rules name the system disk and its partitions so, whatever slot they have.
        if volume.device.hasPrefix("/dev/sda") {
            let part = volume.device.dropFirst("/dev/sda".count)
            for root in ["/dev/disk/azure/root", "/dev/disk/cloud/azure_root"] {
                names.append(root + (part.isEmpty ? "" : "-part\(part)"))
            }
        }
        return names
    }

    /// The inspector's `/dev/sda1` is the guest's `/dev/vda1`, or whatever its bus calls its first disk.
    private static func kernelNames(of device: String) -> [String] {
        guard device.hasPrefix("/dev/") else { return [] }
        if device.hasPrefix("/dev/sda") {
            let part = device.dropFirst("/dev/sda".count)
            guard part.allSatisfy(\.isNumber) else { return [device] }
            let letters = ["vda", "sda", "xvda", "hda", "ubda"].map { "/dev/\($0)\(part)" }
            return letters + ["nvme0n1", "mmcblk0"].map { "/dev/\($0)\(part.isEmpty ? "" : "p")\(part)" }
        }
        let parts = device.dropFirst("/dev/".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] != "mapper", parts[0] != "md" else { return [device] }
        // The device mapper joins volume group and volume with a hyphen, and doubles those within.
        let mapped = parts.map { $0.split(separator: "-", omittingEmptySubsequences: false).joined(separator: "--") }
        return [device, "/dev/mapper/\(mapped[0])-\(mapped[1])"]
    }

    /// The name below `/dev/mapper` of what a path or one of udev's links stands for.
    static func mapped(_ path: String) -> String? {
        for folder in ["/dev/mapper/", "/dev/disk/by-id/dm-name-"] where path.hasPrefix(folder) {
            return decoded(path.dropFirst(folder.count))
        }
        // CRYPT-LUKS2-<uuid>-<name>
        let encrypted = "/dev/disk/by-id/dm-uuid-CRYPT-"
        guard path.hasPrefix(encrypted) else { return nil }
        let parts = path.dropFirst(encrypted.count).split(separator: "-", maxSplits: 2)
        return parts.count == 3 ? decoded(parts[2]) : nil
    }

    /// `/dev/vg/root`, and what its volume is called by its UUID.
    static func mayBeLogical(_ path: String) -> Bool {
        if path.hasPrefix("/dev/disk/by-id/dm-uuid-") { return true }
        let parts = path.dropFirst("/dev/".count).split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && !["disk", "md", "block", "mapper", "cdrom"].contains(parts[0])
    }

    /// A disk by what the machine it is in says of it.
    struct Hardware {
        /// The link of the whole disk.
        var disk: String
        var partition: Int?
        /// Whether it is named by where it is plugged in, which is alike in instances made alike.
        var isByPlace: Bool
    }

    static func hardware(of source: String) -> Hardware? {
        let (folders, path) = (["/dev/disk/by-path/", "/dev/disk/by-id/", "/dev/disk/by-dname/"], plain(source))
        guard let folder = folders.first(where: path.hasPrefix) else { return nil }
        var name = path.dropFirst(folder.count)
        if folder.hasSuffix("by-id/") {
            // Devices of LVM, md and encryption are known by their names, or absent; multipath's disks are disks.
            if name.hasPrefix("dm-uuid-part"), let hyphen = name.dropFirst("dm-uuid-part".count).firstIndex(of: "-") {
                let number = Int(name.dropFirst("dm-uuid-part".count).prefix(upTo: hyphen))
                let parent = name[name.index(after: hyphen)...]
                guard parent.hasPrefix("mpath-") else { return nil }
                return Hardware(disk: folder + "dm-uuid-" + parent, partition: number, isByPlace: false)
            }
            let mapped = ["dm-name-", "dm-uuid-LVM-", "dm-uuid-CRYPT-", "lvm-pv-uuid-", "md-uuid-", "md-name-"]
            guard !mapped.contains(where: name.hasPrefix) else { return nil }
        }
        var partition: Int?
        if let hyphen = name.lastIndex(of: "-"), name[hyphen...].hasPrefix("-part"),
            let number = Int(name[hyphen...].dropFirst("-part".count))
        {
            partition = number
            name = name[..<hyphen]
        }
        // QEMU numbers disks that have no serial number.
        let isNumbered = ["QEMU_HARDDISK_QM", "QEMU_HARDDISK_drive-"].contains { name.contains($0) }
        return Hardware(
            disk: folder + name,
            partition: partition,
            isByPlace: folder.hasSuffix("by-path/") || isNumbered
        )
    }

    /// udev writes what cannot be in a file's name as `\x20`.
    static func decoded(_ name: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        var rest = Array(name.utf8)[...]
        while let byte = rest.first {
            let code = rest.dropFirst(2).prefix(2)
            if rest.starts(with: Array(#"\x"#.utf8)), code.count == 2,
                let value = UInt8(String(decoding: code, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(4)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
