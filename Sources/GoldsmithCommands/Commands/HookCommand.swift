import ArgumentParser
import ImageCore
import ImageDrivers
import LibvirtClient
import TerminalText

struct HookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hook",
        abstract: "Let this host's libvirt refuse to start a domain whose block device is being captured.",
        discussion: """
            Files are protected by QEMU's own locks. Block devices are captured only where this script is in force; see \
            docs/libvirt.md.

            Examples:
              goldsmith hook install
              goldsmith hook show
            """,
        subcommands: [HookInstall.self, HookRemove.self, HookShow.self]
    )
}

struct HookOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where libvirt looks for its scripts.", valueName: "dir"),
        completion: .directory
    )
    var folder = StartHook.standardFolder

    var hook: StartHook { StartHook(folder: folder) }

    var failure: CommandFailure {
        CommandFailure(
            .failed,
            "\(folder)/\(StartHook.fileName) cannot be changed",
            advice: "run this as root, on the libvirt host itself"
        )
    }
}

struct HookInstall: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Install the script, in place of an earlier version.",
        discussion: """
            libvirt learns of a new script when it is reloaded: systemctl reload libvirtd (or virtqemud). Needs root.

            Example: goldsmith hook install
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: HookOptions

    func run() async throws {
        do throws(StepFailure) { try options.hook.install() } catch { throw options.failure }
        Terminal.say("installed in \(options.folder)")
        try await HookReport(options.hook, try await shared.settings()).say(json: false)
    }
}

struct HookRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Delete the script. Block devices are no longer captured.",
        discussion: "Example: goldsmith hook remove"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: HookOptions

    func run() async throws {
        do throws(StepFailure) { try options.hook.remove() } catch { throw options.failure }
        Terminal.say("there is none in \(options.folder)")
    }
}

struct HookShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Say whether the script is installed, and whether libvirt heeds it.",
        discussion: """
            Asks this host's libvirt to start a machine that carries a mark and could not start without it either. Exit \
            code 0: it refused for the mark.

            Examples:
              goldsmith hook show
              goldsmith hook show --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: HookOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let report = try await HookReport(options.hook, try await shared.settings())
        try report.say(json: output.json)
        guard report.isInForce else { throw ExitCode(CommandFailure.Kind.conflict.rawValue) }
    }
}

private struct HookReport: Encodable {
    var folder: String
    /// absent, installed or different.
    var script: String
    /// Whether libvirt refuses to start what carries a mark.
    var isInForce: Bool

    init(_ hook: StartHook, _ settings: Settings) async throws(CommandFailure) {
        folder = hook.folder
        let host = try await settings.libvirtHost()
        do throws(StepFailure) {
            let state = try hook.state()
            script = "\(state)"
            isInForce = try await StartHook.isInForce(on: host)
        } catch {
            throw CommandFailure(error)
        }
    }

    func say(json: Bool) throws {
        if json { return try Terminal.say(json: self) }
        let there =
            switch script {
            case "absent": "There is no script in \(folder)"
            case "installed": "The script is in \(folder)"
            default: "Another version of the script is in \(folder)"
            }
        Terminal.say(
            there + (isInForce ? ", and libvirt refuses to start what is being captured." : ", and libvirt heeds none.")
        )
        guard !isInForce else { return }
        Terminal.say(
            script == "absent"
                ? "→ goldsmith hook install"
                : "→ systemctl reload libvirtd (or virtqemud), then goldsmith hook show"
        )
    }
}
