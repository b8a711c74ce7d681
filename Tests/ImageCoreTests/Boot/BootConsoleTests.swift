import Testing

@testable import ImageCore

/// What consoles say. The texts are of real machines, shortened.
struct BootConsoleTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var text: String
        var sign: BootSign?
        var testDescription: String { name }

        init(_ name: String, _ sign: BootSign?, _ text: String) {
            (self.name, self.text, self.sign) = (name, text, sign)
        }
    }

    static let cases: [Case] = [
        Case("a login", .loginPrompt, "\r\nDebian GNU/Linux 12 web1 ttyS0\r\n\r\nweb1 login: "),
        Case(
            "a login with a message of the kernel behind it",
            .loginPrompt,
            "localhost login: [    9.513522] random: crng init done\r\n"
        ),
        Case(
            "a systemd that shows its units",
            .multiUserTarget,
            "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached target \u{1b}[0;1;39mmulti-user.target\u{1b}[0m - Multi-User System.\r\n"
        ),
        Case(
            "an older systemd",
            .graphicalTarget,
            "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached target \u{1b}[0;1;39mGraphical Interface\u{1b}[0m.\r\n"
        ),
        Case(
            "a panic",
            .kernelPanic,
            "[    1.902] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---\r\n"
        ),
        Case(
            "a root file system that is not there",
            .initramfsShell,
            "ALERT!  UUID=1234 does not exist.  Dropping to a shell!\r\n\r\n\r\nBusyBox v1.35.0\r\n(initramfs) "
        ),
        Case("the shell alone", .initramfsShell, "\u{1b}[6n(initramfs) "),
        Case(
            "a disk of fstab that is not there",
            .emergencyShell,
            "[\u{1b}[0;1;38:5:185mDEPEND\u{1b}[0m] Dependency failed for \u{1b}[0;1;39msrv.mount\u{1b}[0m - /srv.\r\n"
                + "You are in emergency mode. After logging in, type \"journalctl -xb\" to view\r\n"
        ),
        Case(
            "an emergency without a root password",
            .emergencyShell,
            "\r\nCannot open access to console, the root account is locked.\r\nSee sulogin(8) man page for more details.\r\n"
        ),
        Case(
            "dracut",
            .dracutShell,
            "Generating \"/run/initramfs/rdsosreport.txt\"\r\n\r\nEntering emergency mode. Exit the shell to continue.\r\n"
                + "Type \"journalctl\" to view system logs.\r\n\r\ndracut:/# "
        ),
        Case(
            "GRUB without its modules",
            .grubRescue,
            "error: no such device: 5c1e.\r\nEntering rescue mode...\r\ngrub rescue> "
        ),
        Case(
            "GRUB without its configuration",
            .grubShell,
            "\u{1b}[H\u{1b}[J   Minimal BASH-like line editing is supported. For the first word,\r\n"
        ),
        Case("SeaBIOS", .noBootableDevice, "Boot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n"),
        Case(
            "OVMF",
            .noBootableDevice,
            "BdsDxe: No bootable option or device was found.\r\nBdsDxe: Press any key to enter the Boot Manager Menu.\r\n"
        ),
        Case("rescue mode", .rescueShell, "You are in rescue mode. After logging in, type \"journalctl -xb\"\r\n"),
        Case(
            "a start that goes on",
            nil,
            "[    0.000000] Linux version 6.1.0-18-amd64\r\nLoading initial ramdisk ...\r\n"
        ),
        Case(
            "one disk of two that cannot be started from",
            nil,
            "Booting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n"
        ),
        Case(
            "dracut that still waits",
            nil,
            "dracut-initqueue[277]: Warning: dracut-initqueue timeout - starting timeout scripts\r\n"
        ),
        Case(
            "a service that talks of a login",
            nil,
            "[   5.1] web[31]: user login: ok for alice\r\nweb1 login failed\r\n"
        ),
        Case("nothing", nil, ""),
    ]

    @Test(
        "A prompt on a screen is known whatever its cursor is read as, and other text is no sign",
        arguments: [
            ("web1 login: _", BootSign.loginPrompt), ("web1 login:", .loginPrompt),
            ("web1 login: \u{2014}", .loginPrompt),
            ("(initramfs) _", .initramfsShell), ("grub rescue> ", .grubRescue), ("Welcome, me", nil), ("_ _", nil),
            ("", nil),
        ]
    )
    func screen(_ line: String, _ sign: BootSign?) { #expect(BootSign(onScreen: Array(line.utf8)[...]) == sign) }

    @Test("The first line that decides is found", arguments: cases)
    func signs(_ example: Case) {
        var console = BootConsole()
        console.feed(example.text.utf8)
        #expect(console.sign == example.sign)
    }

    @Test("It is the same whatever pieces the text comes in", arguments: cases)
    func pieces(_ example: Case) {
        for size in [1, 2, 3, 7, 64] {
            var console = BootConsole()
            let bytes = Array(example.text.utf8)
            for begin in stride(from: 0, to: bytes.count, by: size) {
                console.feed(bytes[begin..<min(begin + size, bytes.count)])
            }
            #expect(console.sign == example.sign, "pieces of \(size)")
        }
    }

    @Test("The first sign counts, whatever comes after it")
    func first() {
        var console = BootConsole()
        console.feed("You are in emergency mode.\nweb1 login: \n".utf8)
        #expect(console.sign == .emergencyShell)
    }

    @Test("What a guest prints is bounded, and nothing in it can move a terminal's cursor")
    func bounded() {
        var console = BootConsole()
        var random = SeededRandom(seed: 7)
        for _ in 0..<200 { console.feed((0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }) }
        console.feed([UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20))
        console.feed("\u{1b}]0;title\u{07}\u{9b}31m\u{202e}end\n".utf8)
        #expect(console.text.count <= BootConsole.limit + 2 * BootConsole.lineLimit)
        #expect(console.text.allSatisfy { $0 == 0x0A || $0 >= 0x20 && $0 != 0x7F })
        let excerpt = console.excerpt
        #expect(excerpt.count <= BootConsole.excerptLines && excerpt.allSatisfy { $0.count <= 301 })
        #expect(excerpt.allSatisfy { $0.unicodeScalars.allSatisfy { $0.value != 0x202E && $0.value != 0x9B } })
        #expect(excerpt.last?.hasSuffix("end") == true)
    }

    @Test("A sequence that never ends swallows no more than its line")
    func endless() {
        var console = BootConsole()
        console.feed("\u{1b}]0;title without end\nweb1 login: ".utf8)
        #expect(console.sign == .loginPrompt)
    }

    @Test("Every bad sign has advice, and a good one needs none", arguments: BootSign.allCases)
    func advice(_ sign: BootSign) {
        #expect((sign.advice == nil) == sign.isGood)
        #expect(!sign.sentence.isEmpty && !sign.sentence.hasSuffix("."))
    }
}
