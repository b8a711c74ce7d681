/// What sealing removes from a captured system disk, so that the instances launched from it share neither an identity nor
/// a secret with its source. An item that finds nothing to remove changes nothing.
///
/// Words of the contract: never renamed, only added to.
public enum SealItem: String, Codable, Sendable, CaseIterable {
    /// What cloud-init remembers of its first boot. It runs as on a first boot again.
    case cloudInit = "cloud-init"
    /// Leases and client identifiers of DHCP clients, and NetworkManager's key for stable addresses.
    case dhcp
    /// What shells, editors and database clients remember of what was typed.
    case histories
    /// Logs and crash dumps. Log files stay, empty, so that their owners and rights do.
    case logs
    /// LVM's list of the disks that it may use, and its backups of volume groups.
    case lvmDevices = "lvm-devices"
    /// `/etc/machine-id` is emptied and never set: each instance makes its own (machine-id(5)). Where there is no systemd
    /// it is deleted: D-Bus makes a new one, and takes an empty one for damaged.
    case machineID = "machine-id"
    /// Seeds of the random number generator, and the key of systemd's credentials, which its image guide counts among them
    /// (<https://systemd.io/BUILDING_IMAGES/>).
    case randomSeed = "random-seed"
    /// OpenSSH's host keys. Where nothing in the guest would make new ones, a unit that does is added.
    case sshHostKeys = "ssh-host-keys"
    /// What is in `/tmp` and `/var/tmp`.
    case temporaryFiles = "temporary-files"
    /// Names for network cards and drives that udev once wrote down.
    case udevRules = "udev-rules"
}

/// Files of a guest that a seal item changes.
public struct SealTarget: Equatable, Sendable {
    public enum Change: Equatable, Sendable {
        /// Files are deleted, and folders with all that is in them.
        case delete
        /// A file is deleted where it is one; a link stays.
        case deleteFile
        /// A file is emptied; without systemd in the guest it is deleted.
        case emptyForSystemd
        /// Each file below a folder is emptied; those that a rotation of logs left are deleted.
        case emptyTree
    }

    /// A path with stars and braces, as glob(7) has them.
    public var pattern: String
    public var change: Change

    init(_ change: Change, _ pattern: String) {
        self.pattern = pattern
        self.change = change
    }
}

extension SealItem {
    /// - Parameter homes: users' home folders, without a slash at their end.
    public func targets(homes: [String]) -> [SealTarget] {
        switch self {
        case .cloudInit:
            [
                // Not `seed`, where its data may come from, nor `scripts`, which people write.
                SealTarget(.delete, "/var/lib/cloud/{instance,instances,data,sem,handlers}"),
                SealTarget(.delete, "/var/log/cloud-init{,-output}.log*"),
            ]
        case .dhcp:
            [
                // Only clients' files: SUSE's server has its root in /var/lib/dhcp.
                SealTarget(.delete, "/var/lib/{dhcp,dhcp6,dhclient}/{dhclient*,*.lease,*.leases,duid}"),
                SealTarget(.delete, "/var/{lib/dhcpcd,lib/dhcpcd5,db/dhcpcd}/*"),
                SealTarget(.delete, "/etc/dhcpcd.{duid,secret}"),
                SealTarget(.delete, "/var/lib/NetworkManager/{*.lease,*.leases,secret_key,timestamps}"),
                SealTarget(.delete, "/var/lib/wicked/{duid.xml,iaid.xml,lease-*}"),
            ]
        case .histories: homes.map { SealTarget(.delete, $0 + "/" + Self.historyFiles) }
        case .logs:
            [
                SealTarget(.delete, "/var/log/journal/*"),
                SealTarget(.emptyTree, "/var/log"),
                SealTarget(.delete, "/var/{crash,lib/systemd/coredump,lib/systemd/pstore}/*"),
            ]
        case .lvmDevices:
            [
                SealTarget(.delete, "/etc/lvm/devices/{system.devices,backup/*}"),
                SealTarget(.delete, "/etc/lvm/{cache/.cache,archive/*,backup/*}"),
            ]
        case .machineID:
            [SealTarget(.emptyForSystemd, "/etc/machine-id"), SealTarget(.deleteFile, "/var/lib/dbus/machine-id")]
        case .randomSeed:
            [
                SealTarget(.delete, "/var/lib/{systemd/random-seed,random-seed,urandom/random-seed,misc/random-seed}"),
                SealTarget(.delete, "/var/lib/{systemd/credential.secret,seedrng/*}"),
                SealTarget(.delete, "/{boot,efi,boot/efi}/loader/random-seed"),
            ]
        case .sshHostKeys:
            [SealTarget(.delete, "/etc/ssh/ssh_host_*_key{,.pub,-cert.pub}")]
        case .temporaryFiles: [SealTarget(.delete, "/{tmp,var/tmp}/{*,.[!.]*,..?*}")]
        case .udevRules:
            [SealTarget(.delete, "/etc/udev/rules.d/{*-persistent-net,*-persistent-cd}.rules")]
        }
    }

    private static let historyFiles =
        "{.bash_history,.ash_history,.sh_history,.history,.histfile,.zsh_history,.zhistory,.python_history,"
        + ".mysql_history,.psql_history,.sqlite_history,.rediscli_history,.node_repl_history,.irb_history,.lesshst,"
        + ".viminfo,.wget-hsts,.local/share/fish/fish_history,.local/share/nano/search_history}"

    /// Whether a rotation of logs has left this file: `syslog.1`, `dpkg.log.2.gz`, `messages-20260131`, `boot.log.old`.
    public static func isRotatedLog(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let ending = parts.last, parts.count > 1 || ending.contains("-") else { return false }
        if parts.count > 1, ["gz", "xz", "bz2", "zst", "old"].contains(ending) { return true }
        if parts.count > 1, !ending.isEmpty, ending.utf8.count < 5, ending.allSatisfy(\.isASCIIDigit) { return true }
        let date = ending.split(separator: "-").last ?? ""
        return ending.contains("-") && date.utf8.count == 8 && date.allSatisfy(\.isASCIIDigit)
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}
