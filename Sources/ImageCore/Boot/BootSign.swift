/// What a guest's console, or its agent, says of a start that is decided.
///
/// Each is something that comes after the last point at which the start could still go the other way: "a job timed out"
/// is none, the shell to which that leads is one.
public enum BootSign: String, Codable, Sendable, CaseIterable {
    case guestAgent = "guest-agent"
    case loginPrompt = "login-prompt"
    case multiUserTarget = "multi-user-target"
    case graphicalTarget = "graphical-target"
    case kernelPanic = "kernel-panic"
    /// The first process of the system has stopped for good.
    case initFrozen = "init-frozen"
    case emergencyShell = "emergency-shell"
    case rescueShell = "rescue-shell"
    case dracutShell = "dracut-shell"
    case initramfsShell = "initramfs-shell"
    case grubRescue = "grub-rescue"
    case grubShell = "grub-shell"
    case noBootableDevice = "no-bootable-device"

    /// Whether the guest has started; else it has failed.
    public var isGood: Bool {
        switch self {
        case .guestAgent, .loginPrompt, .multiUserTarget, .graphicalTarget: true
        case .kernelPanic, .initFrozen, .emergencyShell, .rescueShell, .dracutShell, .initramfsShell, .grubRescue,
            .grubShell, .noBootableDevice:
            false
        }
    }

    /// The beginning of a sentence; a time follows.
    var sentence: String {
        switch self {
        case .guestAgent: "the guest agent answered"
        case .loginPrompt: "a login prompt came"
        case .multiUserTarget: "systemd reached the target multi-user"
        case .graphicalTarget: "systemd reached the target graphical"
        case .kernelPanic: "the kernel panicked"
        case .initFrozen: "the first process of the system froze"
        case .emergencyShell: "the guest went into emergency mode"
        case .rescueShell: "the guest went into rescue mode"
        case .dracutShell: "the guest stopped in dracut's shell"
        case .initramfsShell: "the guest stopped in the shell of its initial RAM disk"
        case .grubRescue: "the guest stopped in GRUB's rescue shell"
        case .grubShell: "the guest stopped in GRUB's shell"
        case .noBootableDevice: "the firmware found nothing to boot"
        }
    }

    /// What usually repairs it; `nil` for a good one.
    var advice: String? {
        switch self {
        case .guestAgent, .loginPrompt, .multiUserTarget, .graphicalTarget: nil
        case .kernelPanic, .initFrozen:
            "read the kept console text, repair the guest (often its initial RAM disk), and make the image again"
        case .emergencyShell, .rescueShell:
            "read the kept console text; an entry of /etc/fstab that is not there is the usual cause, and guestChecks fix "
                + "repairs it; then make the image again"
        case .dracutShell, .initramfsShell:
            "read the kept console text; the root file system was not found: see root= on its kernel's command line and "
                + "the drivers in its initial RAM disk, and make the image again"
        case .grubRescue, .grubShell:
            "install GRUB and its configuration in the guest again (grub-install, update-grub), and make the image again"
        case .noBootableDevice:
            "see whether /dev/vda holds a boot loader, and whether the firmware, BIOS or UEFI, is that of the instance; "
                + "then make the image again"
        }
    }
}

extension BootSign {
    /// What a line of the console says, whole or as far as it has come.
    /// - Parameter line: without escape sequences. As bytes: a guest may print many.
    init?(in line: ArraySlice<UInt8>) {
        for (text, sign) in Self.phrases where line.holds(text) {
            self = sign
            return
        }
        let rest = line.drop { $0 == UInt8(ascii: " ") }
        for (text, sign) in Self.prompts where rest.starts(with: text) {
            self = sign
            return
        }
        guard Self.isLoginPrompt(rest) else { return nil }
        self = .loginPrompt
    }

    /// What a line says that was read from a picture of the screen. The cursor behind a prompt is read as this or that.
    package init?(onScreen line: ArraySlice<UInt8>) {
        let end = line.lastIndex { byte in byte < 0x80 && !Self.cursors.contains(byte) }
        guard let end else { return nil }
        self.init(in: line[...end])
    }

    private static let cursors = Array(" _-|=~.,'`".utf8)

    private static let phrases: [(text: [UInt8], sign: BootSign)] = texts([
        ("Kernel panic - not syncing", .kernelPanic),
        ("systemd[1]: Freezing execution", .initFrozen),
        ("You are in emergency mode", .emergencyShell),
        ("Welcome to emergency mode", .emergencyShell),
        ("Reached target emergency.target", .emergencyShell),
        ("Reached target Emergency Mode", .emergencyShell),
        ("Cannot open access to console, the root account is locked", .emergencyShell),
        ("Give root password for maintenance", .emergencyShell),
        ("You are in rescue mode", .rescueShell),
        ("Welcome to rescue mode", .rescueShell),
        ("Reached target rescue.target", .rescueShell),
        ("Reached target Rescue Mode", .rescueShell),
        ("Entering emergency mode. Exit the shell to continue", .dracutShell),
        ("Dropping to a shell!", .initramfsShell),
        ("You are now being dropped into an emergency shell", .initramfsShell),
        ("initramfs emergency recovery shell launched", .initramfsShell),
        ("Minimal BASH-like line editing is supported", .grubShell),
        ("No bootable device", .noBootableDevice),
        ("No bootable option or device was found", .noBootableDevice),
        ("UEFI Interactive Shell v", .noBootableDevice),
        ("Reached target multi-user.target", .multiUserTarget),
        ("Reached target Multi-User System", .multiUserTarget),
        ("Reached target graphical.target", .graphicalTarget),
        ("Reached target Graphical Interface", .graphicalTarget),
    ])

    private static let prompts: [(text: [UInt8], sign: BootSign)] = texts([
        ("(initramfs)", .initramfsShell),
        ("dracut:/#", .dracutShell),
        ("grub rescue>", .grubRescue),
        ("grub>", .grubShell),
    ])

    private static func texts(_ table: [(String, BootSign)]) -> [(text: [UInt8], sign: BootSign)] {
        table.map { (Array($0.0.utf8), $0.1) }
    }

    /// `<host name> login:` and nothing behind it, or a message of the kernel, which may come at any place.
    private static func isLoginPrompt(_ line: ArraySlice<UInt8>) -> Bool {
        let name = line.prefix { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard !name.isEmpty, line[name.endIndex...].starts(with: login) else { return false }
        let rest = line[(name.endIndex + login.count)...].drop { $0 == UInt8(ascii: " ") }
        return rest.isEmpty || rest.first == UInt8(ascii: "[")
    }

    private static let login = Array(" login:".utf8)
}

extension ArraySlice<UInt8> {
    fileprivate func holds(_ text: [UInt8]) -> Bool {
        guard let first = text.first, count >= text.count else { return false }
        for begin in startIndex...(endIndex - text.count) where self[begin] == first {
            if self[begin...].starts(with: text) { return true }
        }
        return false
    }
}
