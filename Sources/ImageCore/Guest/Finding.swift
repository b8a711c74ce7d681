/// What a check of an instance's guest found, or that it could not look.
///
/// Stored with the image and printed by `image show`: fields are only ever added, and what an older version has stored
/// has none but the first two.
public struct Finding: Codable, Equatable, Sendable {
    public enum Severity: String, Codable, Sendable {
        /// Not inspected, so nothing is known: never to be taken for "nothing found".
        case notChecked = "not-checked"
        case warning
        /// It is on the source, and was repaired on the captured copy.
        case fixed
    }

    /// What scripts tell findings apart by. Never renamed, only added to.
    public enum Code: String, Codable, Sendable, CaseIterable {
        case notChecked = "not-checked"
        /// The data disks' device names are not consecutive.
        case deviceGap = "device-gap"
        /// A line of `/etc/fstab` mounts something that is not on the system disk, and insists on it.
        case fstabMount = "fstab-mount"
        /// The same for swap space.
        case fstabSwap = "fstab-swap"
        /// Names of network interfaces are bound to the source's MAC addresses.
        case persistentNet = "persistent-net"
        /// `/etc/crypttab` decrypts something that is not on the system disk.
        case crypttab
        /// A unit of systemd's mounts something that is not on the system disk.
        case mountUnit = "mount-unit"
        /// The network's configuration is for the source's card only.
        case networkMAC = "network-mac"
        /// LVM knows the system's disk by its serial number.
        case lvmDevices = "lvm-devices"
        /// Keys, tokens or passwords lie there, or were not looked for.
        case secret
        /// A part of the disk could not be sealed.
        case seal
        /// Counts the findings that are not listed.
        case more
    }

    public var severity: Severity
    /// One sentence for the image's owner, with file and line.
    public var message: String
    public var code: Code?
    /// In the guest, for example `/etc/fstab`.
    public var file: String?
    /// From 1.
    public var line: Int?
    /// That line, made safe to be shown.
    public var text: String?
    public var advice: String?

    public init(
        _ severity: Severity,
        _ message: String,
        code: Code,
        file: String? = nil,
        line: Int? = nil,
        text: String? = nil,
        advice: String? = nil
    ) {
        self.severity = severity
        self.message = message
        self.code = code
        self.file = file
        self.line = line
        self.text = text
        self.advice = advice
    }
}
