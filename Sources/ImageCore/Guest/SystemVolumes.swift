/// The names under which a guest finds what is on its own system disk.
struct SystemVolumes: Sendable {
    private var names: Set<String> = []
    private var tags: [String: Set<String>] = [:]
    private var isPartlyLocked = false
    private var hasArray = false

    init(_ volumes: [GuestFacts.Volume]) {
        for volume in volumes {
            names.formUnion(Self.names(of: volume.device))
            add("UUID", volume.uuid)
            add("LABEL", volume.label)
            add("PARTUUID", volume.partUUID)
            add("PARTLABEL", volume.partLabel)
            if volume.type == "crypto_LUKS" { isPartlyLocked = true }
            if volume.device.hasPrefix("/dev/md") { hasArray = true }
        }
    }

    private mutating func add(_ tag: String, _ value: String?) {
        guard let value, !value.isEmpty else { return }
        tags[tag, default: []].insert(Self.folded(tag, value))
    }

    /// UUIDs are the same in either case, labels are not.
    private static func folded(_ tag: String, _ value: String) -> String {
        tag.hasSuffix("UUID") ? value.lowercased() : value
    }

    func hold(_ line: FstabLine) -> Bool {
        if let (tag, value) = line.tag { return holds(tag, value) }
        for (folder, tag) in [
            ("by-uuid", "UUID"), ("by-label", "LABEL"), ("by-partuuid", "PARTUUID"), ("by-partlabel", "PARTLABEL"),
        ] {
            let path = "/dev/disk/\(folder)/"
            if line.source.hasPrefix(path) { return holds(tag, Self.decoded(line.source.dropFirst(path.count))) }
        }
        // What lies inside an encrypted volume, or under which number an array comes up, cannot be seen from outside.
        if isPartlyLocked, line.source.hasPrefix("/dev/mapper/") { return true }
        if hasArray, line.source.hasPrefix("/dev/md") { return true }
        return names.contains(line.source)
    }

    private func holds(_ tag: String, _ value: String) -> Bool {
        tags[tag]?.contains(Self.folded(tag, value)) == true
    }

    /// The inspector's `/dev/sda1` is the guest's `/dev/vda1`, or whatever its bus calls its first disk.
    private static func names(of device: String) -> [String] {
        guard device.hasPrefix("/dev/") else { return [] }
        if device.hasPrefix("/dev/sda") {
            let part = device.dropFirst("/dev/sda".count)
            guard part.allSatisfy(\.isNumber) else { return [device] }
            let letters = ["vda", "sda", "xvda", "hda"].map { "/dev/\($0)\(part)" }
            return letters + ["nvme0n1", "mmcblk0"].map { "/dev/\($0)\(part.isEmpty ? "" : "p")\(part)" }
        }
        let parts = device.dropFirst("/dev/".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] != "mapper" else { return [device] }
        // The device mapper joins volume group and volume with a hyphen, and doubles those within.
        let mapped = parts.map { $0.split(separator: "-", omittingEmptySubsequences: false).joined(separator: "--") }
        return [device, "/dev/mapper/\(mapped[0])-\(mapped[1])"]
    }

    /// udev writes what cannot be in a file's name as `\x20`.
    private static func decoded(_ name: Substring) -> String {
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
