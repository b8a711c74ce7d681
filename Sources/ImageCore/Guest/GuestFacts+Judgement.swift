/// What a guest's files mean for instances made from its image.
extension GuestFacts {
    public static let fstabPath = "/etc/fstab"
    public static let networkRulesPath = "/etc/udev/rules.d/70-persistent-net.rules"
    static let crypttabPath = "/etc/crypttab"
    static let lvmDevicesPath = "/etc/lvm/devices/system.devices"
    static let rulesFolder = "/etc/udev/rules.d/"
    public static let unitFolder = "/etc/systemd/system/"
    /// One by one; the rest is counted.
    static let findingLimit = 20
    /// What is read of a system, as a pattern with braces.
    public static let filePattern =
        "/etc/{fstab,crypttab,mdadm.conf,mdadm/mdadm.conf,lvm/devices/system.devices,udev/rules.d/*.rules,"
        + "systemd/network/*.{link,network},netplan/*.{yaml,yml},NetworkManager/system-connections/*,"
        + "sysconfig/network-scripts/ifcfg-*,systemd/system/*.{mount,automount,swap}}"
    /// Where units are linked, so that a start pulls them in.
    public static let unitLinkPattern = "\(unitFolder)*.{wants,requires}/*.{mount,automount,swap}"
    /// Boot loaders' settings, on the file systems where boot loaders look.
    public static let bootPattern =
        "/{,boot/}{grub/grub.cfg,grub2/grub.cfg,loader/entries/*.conf,extlinux/extlinux.conf,syslinux/syslinux.cfg}"
    /// More files than this are not read.
    public static let fileCountLimit = 256
    /// What is read of a whole disk, in bytes.
    public static let fileBytesLimit = 512 << 10

    /// What would keep a new instance from starting as its source does, in the order of files and lines; and what could
    /// not be looked at.
    public var findings: [Finding] { Self.limited(Judgement(self).all.map(\.finding)) }

    static func limited(_ found: [Finding]) -> [Finding] {
        guard found.count > findingLimit else { return found }
        // What was not looked at, and what stays as it is, must not be lost among what is fixed.
        let order: [Finding.Severity] = [.notChecked, .warning, .fixed]
        let ordered = order.flatMap { severity in found.filter { $0.severity == severity } }
        let isFixed = ordered.dropFirst(findingLimit).allSatisfy { $0.severity == .fixed }
        return ordered.prefix(findingLimit) + [.more(found.count - findingLimit, isFixed ? .fixed : .warning)]
    }
}

extension GuestFacts.System {
    /// - Returns: `nil` for a file that is missing, not read, or too large to judge.
    func bytes(_ path: String) -> [UInt8]? {
        guard case .bytes(let bytes)? = files[path], bytes.count <= GuestFile.sizeLimit else { return nil }
        return bytes
    }

    /// In the order of their names; those in folders below are not among them.
    func files(below folder: String, _ suffix: String = "") -> [(path: String, bytes: [UInt8])] {
        files.keys.filter {
            $0.hasPrefix(folder) && $0.hasSuffix(suffix) && !$0.dropFirst(folder.count).contains("/")
        }.sorted().compactMap { path in
            bytes(path).map { (path, $0) }
        }
    }
}
