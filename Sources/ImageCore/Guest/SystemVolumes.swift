/// Whether a new instance that has the system disk alone has what a name stands for.
enum Presence: Equatable {
    case here
    /// - Parameter why: "is not on the system disk"
    case gone(String)
    /// - Parameter why: a reason that stands for itself in a sentence.
    case unknown(String)

    static let elsewhere = Presence.gone("is not on the system disk")
}

/// The names under which a guest finds what is on its own system disk: all that udev gives.
struct SystemVolumes: Sendable {
    private var names: [String: Presence] = [:]
    private var tags: [String: [String: Presence]] = [:]
    /// Names that a guest's own files give: its `/etc/crypttab`, its rules of udev.
    private var given: [String: Presence] = [:]
    private var partitions: [Int: String?] = [:]
    private var diskType: String?
    private var locked: [GuestVolume] = []
    private var arrays: Arrays
    /// What the system disk is called after its slot or serial number, as far as the line of the root says it.
    private var hardware: Set<String> = []
    private let isCut: Bool

    init(_ volumes: [GuestVolume], root: String = "") {
        arrays = Arrays(volumes)
        isCut = volumes.count >= GuestVolume.countLimit
        let members = Dictionary(grouping: volumes.filter { $0.type == "btrfs" }) { $0.uuid ?? $0.device }
        for volume in volumes {
            var presence = Self.presence(of: volume, root)
            if case .btrfs(let devices)? = volume.membership,
                (members[volume.uuid ?? volume.device]?.count ?? 0) < devices
            {
                presence = .gone("is a file system over several disks, of which one is not the system disk")
            }
            add(volume, presence)
        }
        for (name, presence) in arrays.names { add(name, presence) }
    }

    private static func presence(of volume: GuestVolume, _ root: String) -> Presence {
        // The root's own volume is activated by name before anything else is looked for.
        if volume.logical?.isGroupPartial == true, volume.isMissing || volume.device != Subvolume.parts(of: root).device
        {
            return .gone("lies in a volume group that is short of a disk, and is not activated then")
        }
        if volume.isMissing { return .gone("lies, wholly or in part, on a disk that is not the system disk") }
        return .here
    }

    private mutating func add(_ volume: GuestVolume, _ presence: Presence) {
        for name in DeviceNames.all(of: volume) { add(name, presence) }
        add("UUID", volume.uuid, presence)
        add("LABEL", volume.label, presence)
        add("PARTUUID", volume.partUUID, presence)
        add("PARTLABEL", volume.partLabel, presence)
        if volume.type == "crypto_LUKS" { locked.append(volume) }
        if volume.device == "/dev/sda" {
            diskType = volume.type
        } else if volume.device.hasPrefix("/dev/sda"), let number = Int(volume.device.dropFirst("/dev/sda".count)) {
            partitions[number] = .some(volume.type)
        }
    }

    private mutating func add(_ name: String, _ presence: Presence) {
        if names[name] != .here { names[name] = presence }
    }

    private mutating func add(_ tag: String, _ value: String?, _ presence: Presence) {
        guard let value, !value.isEmpty else { return }
        let folded = Self.folded(tag, value)
        if tags[tag]?[folded] != .here { tags[tag, default: [:]][folded] = presence }
    }

    /// UUIDs are the same in either case, labels are not.
    private static func folded(_ tag: String, _ value: String) -> String {
        tag.hasSuffix("UUID") ? value.lowercased() : value
    }

    // MARK: What the guest's own files say

    /// `/dev/mapper/name` of each line; in the file's order, since one may be inside another.
    mutating func add(_ crypttab: Crypttab) {
        for line in crypttab.lines { given["/dev/mapper/" + line.name] = presence(of: line.source) }
    }

    /// `ARRAY /dev/md0 UUID=…` of `/etc/mdadm/mdadm.conf`.
    mutating func addArrays(_ bytes: [UInt8]) {
        for line in Fstab.lines(of: bytes) {
            let words = String(decoding: bytes[line].prefix(1024), as: UTF8.self).split(whereSeparator: \.isWhitespace)
            guard words.count > 2, words[0] == "ARRAY", words[1].hasPrefix("/dev/") else { continue }
            guard let uuid = words.last(where: { $0.lowercased().hasPrefix("uuid=") })?.dropFirst(5) else { continue }
            let digits = uuid.lowercased().filter(\.isHexDigit)
            given[String(words[1])] = arrays.presence(uuid: digits)
        }
    }

    /// Names such as `/dev/disk/by-dname/…`, which installers write rules for.
    mutating func add(_ rules: UdevRules) {
        for rule in rules.rules {
            let names = rule.deviceNames
            guard !names.isEmpty else { continue }
            let presence = presence(of: rule)
            for name in names where given[name] == nil || presence == .here { given[name] = presence }
        }
    }

    private func presence(of rule: UdevRules.Rule) -> Presence {
        if let uuid = rule.match("ENV{ID_PART_ENTRY_UUID}") { return holds("PARTUUID", uuid) }
        if let name = rule.match("ENV{ID_PART_ENTRY_NAME}") { return holds("PARTLABEL", DeviceNames.decoded(name)) }
        for key in ["ENV{ID_FS_UUID}", "ENV{ID_FS_UUID_ENC}"] {
            if let uuid = rule.match(key) { return holds("UUID", DeviceNames.decoded(uuid)) }
        }
        for key in ["ENV{ID_FS_LABEL}", "ENV{ID_FS_LABEL_ENC}"] {
            if let label = rule.match(key) { return holds("LABEL", DeviceNames.decoded(label)) }
        }
        if let name = rule.match("ENV{DM_NAME}") { return presence(of: "/dev/mapper/" + name) }
        if let uuid = rule.match("ENV{DM_UUID}") { return presence(of: "/dev/disk/by-id/dm-uuid-" + uuid) }
        if let uuid = rule.match("ENV{MD_UUID}") { return presence(of: "/dev/disk/by-id/md-uuid-" + uuid) }
        return .unknown("is a name that a rule of udev in the guest gives")
    }

    /// The line of the root names the system disk, whatever it calls it.
    mutating func addRoot(_ source: String) {
        if let name = DeviceNames.hardware(of: source) { hardware.insert(name.disk) }
    }

    // MARK: Questions

    /// - Parameters:
    ///   - source: as in `/etc/fstab`, its escapes resolved: a tag, or a path below `/dev`.
    ///   - type: the file system that is looked for.
    func presence(of source: String, type: String? = nil) -> Presence {
        if let (tag, value) = DeviceNames.tag(source) {
            return tag == "ID" ? presence(of: "/dev/disk/by-id/" + value, type: type) : holds(tag, value)
        }
        let path = DeviceNames.plain(source)
        for (folder, tag) in DeviceNames.tagFolders where path.hasPrefix(folder) {
            return holds(tag, DeviceNames.decoded(path.dropFirst(folder.count)))
        }
        if let presence = given[path] ?? names[path] { return presence }
        if let name = DeviceNames.mapped(path) { return mapped(name) }
        if let presence = arrays.presence(of: path) { return presence }
        if let disk = DeviceNames.hardware(of: path) { return presence(of: disk, type) }
        let shifting = ["/dev/dm-", "/dev/block/", "/dev/bcache", "/dev/zvol/", "/dev/nbd", "/dev/drbd"]
        if shifting.contains(where: path.hasPrefix), !path.hasPrefix("/dev/dm-") || mayHoldMore {
            return .unknown("is a name from which the disk it lies on cannot be seen")
        }
        if !locked.isEmpty, DeviceNames.mayBeLogical(path) { return hidden }
        return isCut ? .unknown("cannot be looked for: the system disk has too many volumes") : .elsewhere
    }

    private var mayHoldMore: Bool { names.keys.contains { $0.hasPrefix("/dev/mapper/") } || !locked.isEmpty }

    private var hidden: Presence {
        let device = locked.first.map { PlainText.word($0.device) } ?? ""
        return .unknown("may lie inside \(device), which is encrypted and cannot be looked into")
    }

    private func holds(_ tag: String, _ value: String) -> Presence {
        if let presence = tags[tag]?[Self.folded(tag, value)] { return presence }
        if ["UUID", "LABEL"].contains(tag) {
            if !locked.isEmpty { return hidden }
            if let array = arrays.unstarted {
                return .unknown("may lie on the array \(array), which is short of a disk and was not looked into")
            }
        }
        return isCut ? .unknown("cannot be looked for: the system disk has too many volumes") : .elsewhere
    }

    /// `/dev/mapper/name`, by any of its names.
    private func mapped(_ name: String) -> Presence {
        let path = "/dev/mapper/" + name
        if let presence = given[path] ?? names[path] { return presence }
        // So systemd and dracut call what is on the kernel's command line.
        if name.hasPrefix("luks-"), locked.contains(where: { $0.uuid?.lowercased() == name.dropFirst(5).lowercased() })
        {
            return .here
        }
        return locked.isEmpty ? (isCut ? .unknown("cannot be looked for") : .elsewhere) : hidden
    }

    /// A disk by its slot or its serial number, which a guest's disk does not have on it.
    private func presence(of disk: DeviceNames.Hardware, _ type: String?) -> Presence {
        let found: String?
        if let number = disk.partition {
            guard let known = partitions[number] else { return .elsewhere }
            found = known
        } else {
            guard diskType != nil else { return .elsewhere }
            found = diskType
        }
        if let type, let found, !["auto", "none", found].contains(type) { return .elsewhere }
        if hardware.contains(disk.disk), disk.isByPlace { return .here }
        return .unknown(
            "names a disk by its slot or serial number: whether that is the system disk of a new instance cannot be seen"
        )
    }
}
