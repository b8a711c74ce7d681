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
        try await follow(instance, try await settings.openStore())
        if output.json { try Terminal.say(json: answer) } else { Terminal.say("\(instance) is there, Stopped") }
    }

    /// Waits until the launch is done.
    /// - Throws: what it failed of.
    private func follow(_ instance: InstanceID, _ store: any StoreReader) async throws {
        let id: ImageID = try identifier(image, "the image id")
        let job = Job.launch(instance)
        var (told, percentTold) = ("", -1)
        func say(once text: String) {
            guard !output.json, text != told else { return }
            told = text
            Terminal.say("  " + text)
        }
        while true {
            let image = try await stored { () async throws(StoreError) in try await store.image(id) }
            let state = image?.jobs[job]
            switch state?.phase {
            // Done launches are forgotten with the next one.
            case .done?, nil: return
            case .failed?, .abandoned?:
                if let failure = state?.lastFailure { throw CommandFailure(failure) }
                throw CommandFailure(
                    .failed,
                    "the launch of \(instance) failed",
                    advice: "`goldsmith image show \(id) --history` says what happened"
                )
            case .waiting?: break
            }
            if let lease = try await liveLeases(of: id, in: store).first(where: { $0.job == job }) {
                if let doing = image?.activity(of: job, lease.progress) {
                    say(once: doing)
                } else if let progress = lease.progress, progress.totalBytes > 0 {
                    let percent = Int(Double(progress.doneBytes) / Double(progress.totalBytes) * 100)
                    if percent / 10 != percentTold / 10 || percentTold < 0 { say(once: "\(percent) %") }
                    percentTold = percent
                }
            } else if let state, let reason = state.reason, let due = state.dueAt {
                say(once: "attempt \(state.tries) \(Format.due(due.rfc3339)), after \(reason)")
            }
            try await Task.sleep(for: .milliseconds(250))
        }
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
