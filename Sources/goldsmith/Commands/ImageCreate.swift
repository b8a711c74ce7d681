import ArgumentParser
import ImageCore

struct ImageCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Ask for an image of a stopped instance.",
        discussion: """
            The request goes over RabbitMQ, like any upstream's.

            Examples:
              goldsmith image create --instance i-web1 --name web-golden --wait
              goldsmith image create --instance i-web1 --name web-golden --data-disk /dev/vdb --replicate-to east
              goldsmith image create --instance i-web1 --name whole-machine --all-data-disks
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "The stopped instance.") var instance: String
    @Option(help: "2 to 32 letters, digits, '_', '-' or '.'.") var name: String
    @Option(help: "At most 256 characters.") var description = ""
    @Option(help: ArgumentHelp("A data disk to capture, for example /dev/vdb. Repeatable.", valueName: "device"))
    var dataDisk: [String] = []
    @Flag(help: "Capture every data disk.") var allDataDisks = false
    @Option(help: ArgumentHelp("A location. Repeatable; default: all of them.", valueName: "location"))
    var replicateTo: [String] = []
    @Option(help: "off or warn.") var guestChecks = "warn"
    @Option(help: ArgumentHelp("A label, key=value. Repeatable.", valueName: "label")) var label: [String] = []
    @Option(help: "The owner asked for. Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?
    @Option(help: "The idempotency key: the same id and the same request make one image. Default: a new one.")
    var requestId: String?
    @Flag(help: "Follow the image to its end.") var wait = false

    /// As it goes over the wire. What it holds is judged where every request is judged, not here.
    private struct Body: Encodable {
        struct DataDisk: Encodable { var device: String }

        enum DataDisks: Encodable {
            case all
            case chosen([DataDisk])

            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                switch self {
                case .all: try container.encode("all")
                case .chosen(let disks): try container.encode(disks)
                }
            }
        }

        var requestId: String
        var owner: String
        var instanceId: String
        var name: String
        var description: String
        var dataDisks: DataDisks
        var replicateTo: [String]?
        var guestChecks: String
        var labels: [String: String]
    }

    func run() async throws {
        guard !(allDataDisks && !dataDisk.isEmpty) else {
            throw CommandFailure(.usage, "--all-data-disks and --data-disk exclude each other")
        }
        var labels: [String: String] = [:]
        for text in label {
            let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard pair.count == 2 else { throw CommandFailure(.usage, "--label must be key=value, not '\(text)'") }
            labels[pair[0]] = pair[1]
        }
        let settings = try await shared.settings([.owner: owner])
        let body = Body(
            requestId: requestId ?? RequestSender.newRequestID(),
            owner: try await settings.owner().text,
            instanceId: instance,
            name: name,
            description: description,
            dataDisks: allDataDisks ? .all : .chosen(dataDisk.map { Body.DataDisk(device: $0) }),
            replicateTo: replicateTo.isEmpty ? nil : replicateTo,
            guestChecks: guestChecks,
            labels: labels
        )
        let sender = try await RequestSender(settings)
        let answer = try await sender.send(.create, body, id: body.requestId, owner: body.owner)
        guard let image = answer.imageId else { throw CommandFailure(.failed, "the answer names no image") }
        guard wait else {
            if output.json { return try Terminal.say(json: answer) }
            Terminal.say("\(image) is \(answer.imageStatus?.rawValue ?? "accepted")")
            return Terminal.say("follow it with: goldsmith image watch \(image) --data \(settings.data)")
        }
        let store = try await settings.openStore()
        if !output.json { Terminal.say("\(image) is accepted") }
        try await ImageFollower(store: store, id: image, isQuiet: output.json).follow()
    }
}
