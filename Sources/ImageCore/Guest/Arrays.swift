/// Linux's arrays (md) with members on the system disk, and whether they start from these alone.
struct Arrays: Sendable {
    private(set) var names: [(name: String, presence: Presence)] = []
    /// The name of an array that starts without its missing members, and was not started for the check.
    private(set) var unstarted: String?
    private var hasStarted = false

    init(_ volumes: [GuestVolume]) {
        hasStarted = volumes.contains { $0.device.hasPrefix("/dev/md") }
        var arrays: [String: [ArrayMember]] = [:]
        var unknown: [String] = []
        for volume in volumes where volume.type == "linux_raid_member" {
            guard case .array(let member)? = volume.membership else {
                if let uuid = volume.uuid { unknown.append(uuid.filter { $0 != "-" }.lowercased()) }
                continue
            }
            arrays[member.uuid, default: []].append(member)
        }
        for (uuid, members) in arrays.sorted(by: { $0.key < $1.key }) {
            guard let first = members.first else { continue }
            let missing = first.devices - Set(members.compactMap(\.role)).count
            let presence = Self.presence(of: first, missing: missing)
            for name in Self.names(uuid, first.name) { names.append((name, presence)) }
            if case .gone = presence {} else if missing > 0 { unstarted = PlainText.word(first.name) }
        }
        for uuid in unknown {
            let presence = Presence.unknown("lies on an array whose description cannot be read")
            names.append((Self.link(uuid), presence))
            unstarted = unstarted ?? PlainText.word(uuid)
        }
    }

    private static func presence(of array: ArrayMember, missing: Int) -> Presence {
        guard missing > 0 else { return .here }
        return switch array.level {
        case 1: missing < array.devices ? .here : short
        case 4, 5: missing == 1 ? .here : short
        case 6: missing <= 2 ? .here : short
        case 10: missing == 1 ? .here : .unknown("lies on an array that is short of \(missing) disks")
        default: short
        }
    }

    private static let short = Presence.gone("lies on an array that does not start without its disks elsewhere")

    private static func link(_ uuid: String) -> String {
        let words = stride(from: 0, to: uuid.utf8.count, by: 8).map { start in
            String(uuid.dropFirst(start).prefix(8))
        }
        return "/dev/disk/by-id/md-uuid-" + words.joined(separator: ":")
    }

    /// `host:name` is called `/dev/md/name` on that host, and after both on others; a number is a device's, too.
    private static func names(_ uuid: String, _ name: String) -> [String] {
        var names = [link(uuid)]
        guard !name.isEmpty else { return names }
        names.append("/dev/disk/by-id/md-name-" + name)
        let own = name.split(separator: ":", maxSplits: 1).last.map(String.init) ?? name
        names += ["/dev/md/" + own, "/dev/md/" + name]
        if !own.isEmpty, own.allSatisfy(\.isNumber) { names.append("/dev/md" + own) }
        return names
    }

    /// - Parameter uuid: 32 hexadecimal digits.
    func presence(uuid: String) -> Presence {
        let link = Self.link(uuid)
        return names.first { $0.name == link }?.presence ?? .elsewhere
    }

    /// - Returns: `nil` when it is no name of an array's.
    func presence(of path: String) -> Presence? {
        let isNamed = path.hasPrefix("/dev/md/") || path.hasPrefix("/dev/disk/by-id/md-")
        let isNumbered = path.hasPrefix("/dev/md") && path.dropFirst("/dev/md".count).first?.isNumber == true
        guard isNamed || isNumbered else { return nil }
        // A partition of an array is there when the array is.
        for (name, presence) in names where path.hasPrefix(name) {
            let rest = path.dropFirst(name.count)
            let part = ["-part", "p"].first { rest.hasPrefix($0) }.map { rest.dropFirst($0.count) }
            if let part, !part.isEmpty, part.allSatisfy(\.isNumber) { return presence }
        }
        // Which number or name an array comes up under is up to the guest.
        let isUUID = path.hasPrefix("/dev/disk/by-id/md-uuid-")
        guard hasStarted || unstarted != nil, !isUUID else { return .elsewhere }
        return .unknown("names an array of the system disk, or another: which cannot be seen")
    }
}
