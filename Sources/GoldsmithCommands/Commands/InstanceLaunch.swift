import ArgumentParser
import ImageCore
import ImageWorker
import Operations
import TerminalText

struct InstanceLaunch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Create a new, stopped instance from an Available image.",
        discussion: """
            It gets the image's system disk and its preset data disks. Device names are assigned so that the guest's order of \
            disks is kept: presets keep theirs, an added disk first fills a gap, and gaps close.

            Examples:
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --location east --wait
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --name web2
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --add-disk 50
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --leave-out /dev/vdc
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --size /dev/vdb=200
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --dry-run
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Option(help: "The image's id.", completion: Completions.images) var image: String
    @Option(help: "The new instance's id; with libvirt also the domain's name. Default: one is made up.")
    var name: String?
    @Option(help: "Location of the replica to launch from. Default: the first that has the image.")
    var location: String?
    @Option(help: ArgumentHelp("A larger capacity in GiB for a preset disk. Repeatable.", valueName: "device=GiB"))
    var size: [String] = []
    @Option(help: ArgumentHelp("A preset disk to leave out. Repeatable.", valueName: "device"))
    var leaveOut: [String] = []
    @Option(help: ArgumentHelp("An empty disk to add, in GiB. Repeatable.", valueName: "GiB")) var addDisk: [Int] = []
    @Flag(help: "Show the disks' final names; create nothing.") var dryRun = false
    @Flag(help: "Wait until the instance is there.") var wait = false

    func run() async throws {
        var presets: [JSONValue] = []
        for text in size {
            let pair = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2, let gibibytes = Int(pair[1]) else {
                throw CommandFailure(.usage, "--size must be device=GiB, for example /dev/vdb=200, not '\(text)'")
            }
            presets.append(LaunchRequest.Preset.value(device: pair[0], sizeGiB: .number(Double(gibibytes))))
        }
        presets += leaveOut.map { LaunchRequest.Preset.value(device: $0, leaveOut: true) }
        let fields = LaunchRequest.fields(
            imageID: image,
            instanceID: name,
            location: location,
            dataDisks: presets,
            newDisks: addDisk.map { LaunchRequest.NewDisk.value(sizeGiB: .number(Double($0))) },
            dryRun: dryRun
        )
        let (answer, settings) = try await request.ask(.launch, fields, shared)
        guard let instance = answer.instanceId, wait else {
            return output.json ? try Terminal.say(json: answer) : Terminal.say(answer.launchText)
        }
        if !output.json { Terminal.say(answer.launchText) }
        let id: ImageID = try identifier(image, "the image id")
        let store = try await settings.openStore()
        try await JobFollower(store: store, id: id, job: .launch(instance), isQuiet: output.json).follow()
        if output.json { try Terminal.say(json: answer) } else { Terminal.say("\(instance) is there, Stopped") }
    }
}

extension Answer {
    fileprivate var launchText: String {
        var table = Table("DEVICE", "KIND", "SIZE", "AUTO-DELETE", "FROM")
        for disk in disks ?? [] {
            table.add(
                disk.device.description,
                disk.kind.rawValue,
                Quantity.bytes(disk.sizeBytes),
                disk.autoDelete ? "yes" : "no",
                disk.from?.description ?? "new"
            )
        }
        let title = instanceId.map { "\($0) is being made" } ?? "nothing was made; a launch would give"
        return title + "\n" + table.text
    }
}
