import ArgumentParser
import ImageCore
import Operations
import TerminalText

struct ImageCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Request an image of a stopped instance.",
        discussion: """
            The request goes over RabbitMQ, like any upstream's.

            Examples:
              goldsmith image create --instance i-web1 --name web --wait
              goldsmith image create --instance i-web1 --name web --data-disk /dev/vdb
              goldsmith image create --instance i-web1 --name web --all-data-disks
              goldsmith image create --instance i-web1 --name web --seal all --secret-scan report
              goldsmith image create --instance i-web1 --name web --all-data-disks --dry-run
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Option(help: "The stopped instance.", completion: Completions.instances) var instance: String
    @Option(help: "2 to 32 letters, digits, '_', '-' or '.'.") var name: String
    @Option(help: "At most 256 characters.") var description = ""
    @Option(help: ArgumentHelp("A data disk to capture, for example /dev/vdb. Repeatable.", valueName: "device"))
    var dataDisk: [String] = []
    @Flag(help: "Capture every data disk.") var allDataDisks = false
    @Option(help: ArgumentHelp("A location. Repeatable; default: all of the instance's driver.", valueName: "location"))
    var replicateTo: [String] = []
    @Option(
        help: "Look into /etc/fstab and network rules: off, warn, enforce or fix.",
        completion: Completions.guestChecks
    )
    var guestChecks = "warn"
    @Option(
        help: "Start the image once before it counts: off, report or require. Default: as the installation says.",
        completion: Completions.bootProof
    )
    var bootProof: String?
    @Option(
        help: ArgumentHelp(
            "Remove identity and secrets from the copy: all, or items separated by commas.",
            valueName: "items"
        ),
        completion: Completions.seal
    )
    var seal: String?
    @Option(
        help: "Search the copy for keys, tokens and passwords: report or refuse.",
        completion: Completions.secretScan
    )
    var secretScan: String?
    @Option(help: ArgumentHelp("A label, key=value. Repeatable.", valueName: "label")) var label: [String] = []
    @Flag(help: "Check everything and show what would be done; create and lock nothing.") var dryRun = false
    @Flag(help: "Follow the image to its end.") var wait = false

    func run() async throws {
        guard !(allDataDisks && !dataDisk.isEmpty) else {
            throw CommandFailure(.usage, "--all-data-disks and --data-disk exclude each other")
        }
        let fields = CreateRequest.fields(
            instanceID: instance,
            name: name,
            details: description,
            allDataDisks: allDataDisks,
            dataDisks: dataDisk.map { CreateRequest.DataDisk.value(device: $0) },
            replicateTo: replicateTo.isEmpty ? nil : replicateTo,
            guestChecks: guestChecks,
            bootProof: bootProof,
            seal: seal.map(Self.value(ofSeal:)),
            secretScan: secretScan,
            labels: try labels(label),
            dryRun: dryRun
        )
        let (answer, settings) = try await request.ask(.create, fields, shared)
        if let report = answer.dryRun {
            return output.json ? try Terminal.say(json: report) : Terminal.say(report.text)
        }
        try await ImageFollower.report(answer, settings, wait: wait, json: output.json)
    }
}

extension ImageCreate {
    /// Goldsmith's workers say which words they do not know.
    static func value(ofSeal text: String) -> JSONValue {
        text == "all" ? .bool(true) : .array(text.split(separator: ",").map { .string(String($0)) })
    }
}

extension DryRun {
    /// For people.
    fileprivate var text: String {
        var table = Table("DEVICE", "KIND", "SIZE", "AUTO-DELETE", "TO COPY")
        for disk in deviceMapping {
            table.add(
                disk.device.description,
                disk.kind.rawValue,
                Quantity.bytes(disk.sizeBytes),
                disk.autoDelete ? "yes" : "no",
                "up to " + Quantity.bytes(disk.copyBytes)
            )
        }
        let time =
            estimatedSeconds.map { "about \(Format.seconds($0 * 1_000))" } ?? "no image was made lately to tell from"
        var lines = [
            "nothing was made or locked; the request would be accepted",
            "", "Device mapping", table.text, "",
            "  locations  \(locations.map(\.text).joined(separator: ", "))",
            "  to copy    up to \(Quantity.bytes(copyBytes)), captures and replicas together",
            "  time       \(time)",
            "  images     \(quotaBefore.images) of \(quotaLimits.images) taken, then \(quotaAfter.images)",
            "  snapshots  \(quotaBefore.snapshots) of \(quotaLimits.snapshots) taken, then \(quotaAfter.snapshots)",
        ]
        for finding in findings { lines.append("note (\(finding.severity.rawValue)): \(finding.message)") }
        return lines.joined(separator: "\n")
    }
}
