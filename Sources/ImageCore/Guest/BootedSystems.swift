/// What a boot loader hands to the kernel, as far as it says where the root is.
public struct BootEntry: Codable, Hashable, Sendable {
    /// `UUID=…`, `/dev/mapper/vg-root`; `nil` when nothing is said.
    public var root: String?
    /// The subvolume of `rootflags=subvol=…`, without slashes around it.
    public var subvolume: String?

    public init(root: String? = nil, subvolume: String? = nil) {
        self.root = root
        self.subvolume = subvolume
    }

    /// More than this no boot loader offers.
    public static let countLimit = 64

    /// What a configuration of GRUB, systemd-boot or extlinux starts: every line with a `root=` among its words.
    public static func entries(in bytes: [UInt8]) -> Set<BootEntry> {
        var entries: Set<BootEntry> = []
        for line in Fstab.lines(of: bytes) where line.count <= 8192 {
            let words = String(decoding: bytes[line], as: UTF8.self).split { $0 == " " || $0 == "\t" || $0 == "\"" }
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard let root = words.last(where: { $0.hasPrefix("root=") }), !root.contains("$") else { continue }
            let flags = words.last { $0.hasPrefix("rootflags=") }?.dropFirst("rootflags=".count) ?? ""
            let subvolume = flags.split(separator: ",").last { $0.hasPrefix("subvol=") }
            entries.insert(
                BootEntry(
                    root: PlainText.word(String(root.dropFirst("root=".count))),
                    subvolume: subvolume.map { Subvolume.plain(String($0.dropFirst("subvol=".count))) }
                )
            )
            if entries.count == countLimit { break }
        }
        return entries
    }
}

package enum Subvolume {
    /// Without the slashes around it: `/@/` is `@`.
    static func plain(_ path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: true).joined(separator: "/")
    }

    /// `btrfsvol:/dev/sda2/@/.snapshots/1` is `@/.snapshots/1` of `/dev/sda2`.
    package static func parts(of root: String) -> (device: String, path: String?) {
        let prefix = "btrfsvol:/dev/"
        guard root.hasPrefix(prefix) else { return (root, nil) }
        let rest = root.dropFirst(prefix.count)
        // The device may be a logical volume, which has a slash in its name; disks and arrays have none.
        let pieces = rest.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        let isPlain = ["sd", "md", "vd"].contains { pieces.first?.hasPrefix($0) == true }
        let count = isPlain || pieces.count < 3 ? 1 : 2
        return ("/dev/" + pieces.prefix(count).joined(separator: "/"), pieces.dropFirst(count).joined(separator: "/"))
    }
}

extension GuestFacts {
    /// The systems that are started: without snapshots, which lie beside them and have an `/etc/fstab` of their own.
    var bootedSystems: [System] {
        let fileSystems = Dictionary(volumes.map { ($0.device, $0) }) { first, _ in first }
        var order: [String] = []
        var groups: [String: [System]] = [:]
        for system in systems {
            let volume = fileSystems[Subvolume.parts(of: system.root).device]
            let isShared = volume?.type == "btrfs" || volume?.logical?.isSnapshot == true
            // A file system of btrfs over two devices is listed twice; a snapshot by LVM has its origin's UUID.
            let name = volume?.uuid ?? Subvolume.parts(of: system.root).device
            let isCopied =
                isShared
                || systems.contains { other in
                    let volume = fileSystems[other.root]
                    return volume?.logical?.isSnapshot == true && volume?.uuid == name
                }
            let key = isCopied || system.root.hasPrefix("btrfsvol:") ? name : system.root
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(system)
        }
        return order.flatMap { booted(among: groups[$0] ?? [], fileSystems) }
    }

    private func booted(among candidates: [System], _ volumes: [String: GuestVolume]) -> [System] {
        var seen: Set<String> = []
        // One subvolume that is listed once for each device of its file system.
        let distinct = candidates.filter { system in
            let (device, path) = Subvolume.parts(of: system.root)
            return volumes[device]?.type != "btrfs" || seen.insert(path ?? "").inserted
        }
        guard distinct.count > 1 else { return distinct }
        let originals = distinct.filter { volumes[$0.root]?.logical?.isSnapshot != true }
        let living = originals.isEmpty ? distinct : originals
        let told = living.filter { system in
            let path = Subvolume.parts(of: system.root).path
            return bootEntries.contains { $0.subvolume == path && path != nil && isFound($0, on: system, volumes) }
        }
        if let booted = narrowed(told) { return booted }
        let paths = Set(living.compactMap { Subvolume.parts(of: $0.root).path })
        let own = living.filter { system in
            let path = Subvolume.parts(of: system.root).path
            switch Self.rootSubvolume(of: system) {
            case .none: return path == nil
            case .some(let wanted): return wanted == path || (path == nil && !paths.contains(wanted))
            }
        }
        return narrowed(own) ?? narrowed(living) ?? living
    }

    /// Without those that are read-only, unless all are.
    private func narrowed(_ systems: [System]) -> [System]? {
        let writable = systems.filter { !$0.isReadOnly }
        return writable.isEmpty ? (systems.count == 1 ? systems : nil) : writable
    }

    private func isFound(_ entry: BootEntry, on system: System, _ volumes: [String: GuestVolume]) -> Bool {
        guard let root = entry.root, root.hasPrefix("UUID="),
            let uuid = volumes[Subvolume.parts(of: system.root).device]?.uuid
        else { return true }
        return root.dropFirst("UUID=".count).lowercased() == uuid.lowercased()
    }

    /// The subvolume that a system's own `/etc/fstab` mounts at `/`; every snapshot has its origin's.
    private static func rootSubvolume(of system: System) -> String? {
        guard case .bytes(let bytes) = system.fstab, bytes.count <= GuestFile.sizeLimit else { return nil }
        let root = Fstab(bytes).mounts.last { $0.target == "/" }
        let option = root?.options.last { $0.hasPrefix("subvol=") }
        return option.map { Subvolume.plain(String($0.dropFirst("subvol=".count))) }
    }
}
