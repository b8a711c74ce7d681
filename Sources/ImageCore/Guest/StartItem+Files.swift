/// What a guest's files make a start do.
extension StartItem {
    /// None for the root: what holds it is found by the boot loader and the kernel, whatever stands here.
    static func items(of line: FstabLine) -> [StartItem] {
        let target = DeviceNames.plain(line.target)
        guard line.isSwap || target != "/" else { return [] }
        var item = StartItem(origin: .fstab(line: line.number), want: want(of: line))
        item.isSwap = line.isSwap
        item.target = line.isSwap ? nil : target
        item.add(source: line.source, type: line.type, options: line.options, isLocal: line.isLocal)
        for value in line.values(of: "x-systemd.requires") { item.add(unit: value) }
        item.paths += line.values(of: "x-systemd.requires-mounts-for")
        guard line.isAutomount, !line.isSwap else { return [item] }
        let automount = StartItem(
            origin: item.origin,
            isAutomount: true,
            want: line.isForgiven || !line.isLocal ? .optional : .required,
            target: target
        )
        return [item, automount]
    }

    private static func want(of line: FstabLine) -> Want {
        if line.isAutomount && !line.isSwap { return .optional }
        // Named units, which pull it in whatever else stands here.
        if !line.values(of: "x-systemd.required-by").isEmpty { return .required }
        guard line.isRequired else { return .optional }
        return line.values(of: "x-systemd.wanted-by").isEmpty ? .required : .awaited
    }

    static func item(of line: Crypttab.Line) -> StartItem {
        var item = StartItem(origin: .crypttab(line: line.number), want: line.isRequired ? .awaited : .optional)
        item.devices = line.devices
        if line.key.hasPrefix("/"), !line.key.hasPrefix("/dev/"), !line.key.contains(":") { item.paths = [line.key] }
        return item
    }

    /// - Parameters:
    ///   - path: of the unit's file, in the guest.
    ///   - links: where it is linked, so that something pulls it in.
    static func item(ofUnit path: String, _ unit: ConfigurationFile, links: [String]) -> StartItem? {
        var item = StartItem(origin: .unit(path: path), want: want(of: unit, links: links))
        switch path.split(separator: ".").last {
        case "mount":
            guard let source = unit.value("Mount", "What"), let target = unit.value("Mount", "Where") else {
                return nil
            }
            let options = (unit.value("Mount", "Options") ?? "").split(separator: ",").map(String.init)
            let type = unit.value("Mount", "Type") ?? "auto"
            item.target = DeviceNames.plain(target)
            item.add(source: source, type: type, options: options, isLocal: !options.contains("_netdev"))
            if item.want == .awaited, options.contains("nofail") || options.contains("_netdev") {
                item.want = .optional
            }
        case "swap":
            guard let source = unit.value("Swap", "What") else { return nil }
            item.isSwap = true
            item.add(source: source, type: "swap", options: [], isLocal: true)
            // swap.target is wanted only.
            if item.want == .required { item.want = .awaited }
        case "automount":
            guard let target = unit.value("Automount", "Where") else { return nil }
            item.isAutomount = true
            item.target = DeviceNames.plain(target)
        default: return nil
        }
        for (key, _) in [("Requires", 0), ("BindsTo", 0), ("Requisite", 0)] {
            for (word, _) in unit.words("Unit", key) { item.add(unit: word) }
        }
        item.paths += unit.words("Unit", "RequiresMountsFor").map(\.word)
        return item
    }

    private static func want(of unit: ConfigurationFile, links: [String]) -> Want {
        let targets = ["local-fs", "sysinit", "basic", "multi-user", "graphical", "default"]
        let folders = links.compactMap { $0.split(separator: "/").dropLast().last.map(String.init) }
        if folders.contains(where: { folder in targets.contains { folder == $0 + ".target.requires" } }) {
            return .required
        }
        return folders.isEmpty ? .optional : .awaited
    }

    private mutating func add(source: String, type: String, options: [String], isLocal: Bool) {
        let isBound = options.contains("bind") || options.contains("rbind")
        if MountSource.isDisk(source), !isBound {
            devices.append(source)
            self.type = type
        } else if isLocal, source.hasPrefix("/"), !source.hasPrefix("/dev/") || isBound {
            // A folder, an image, a file with swap space; several of them for a file system that joins folders.
            paths += type.hasPrefix("fuse") ? source.split(separator: ":").map(String.init) : [source]
        }
        for option in options {
            guard let equals = option.firstIndex(of: "=") else { continue }
            let value = option[option.index(after: equals)...]
            switch option[..<equals] {
            case "lowerdir", "lowerdir+", "upperdir", "workdir", "datadir+", "br", "dirs":
                paths += value.split(separator: ":").map { String($0.prefix { $0 != "=" }) }
            case "logdev", "rtdev", "journal_path", "device":
                if MountSource.isDisk(String(value)) {
                    devices.append(String(value))
                }
            default: continue
            }
        }
    }

    /// A unit's name, or what systemd makes one of: a path.
    private mutating func add(unit: String) {
        guard !unit.hasPrefix("/") else {
            if MountSource.isDisk(unit) { devices.append(unit) } else { paths.append(unit) }
            return
        }
        for kind in [".mount", ".swap", ".device"] where unit.hasSuffix(kind) {
            let path = Self.path(ofUnit: unit.dropLast(kind.count))
            if kind == ".mount" { paths.append(path) } else if MountSource.isDisk(path) { devices.append(path) }
        }
    }

    /// `srv-my\x2ddata` is `/srv/my-data`.
    static func path(ofUnit name: some StringProtocol) -> String {
        name == "-" ? "/" : "/" + DeviceNames.decoded(name.split(separator: "-").joined(separator: "/"))
    }
}
