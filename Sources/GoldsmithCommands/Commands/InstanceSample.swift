import ArgumentParser
import ImageCore
import ImageDrivers
import Operations
import TerminalText

struct InstanceSample: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Create a real instance to try things with.",
        discussion: """
            A qcow2 system disk with a partition table and an ext4 root that holds /etc/fstab and real files, and data \
            disks from /dev/vdb on.

            With --with-faults its /etc/fstab has what the guest checks look for, and images of it say so.

            Example: goldsmith instance sample --data ./try --id i-web1 --data-disks 2
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "The new instance's id.") var id: String
    @Option(help: "The kind of its system disk: local or cloud.", completion: .list(["local", "cloud"])) var system =
        "local"
    @Option(help: "How many data disks, 0 to 64. All are cloud disks.") var dataDisks = 0
    @Option(help: "MiB of files on the system disk; each data disk holds an eighth of it.") var mib = 64
    @Flag(help: "Give the guest faults: without its data disks and network card it does not boot.")
    var withFaults = false
    @Flag(help: .hidden) var guilty = false
    @Option(help: "Stopped or Running.", completion: .list(["Stopped", "Running"])) var status = "Stopped"
    @Option(help: "Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?

    func validate() throws {
        if guilty { throw ValidationError("--guilty is called --with-faults") }
    }

    func run() async throws {
        let id: InstanceID = try identifier(id, "--id")
        guard let kind = DiskKind(rawValue: system) else {
            throw CommandFailure(.usage, "--system must be local or cloud")
        }
        let status = InstanceStatus(self.status)
        guard status == .stopped || status == .running else {
            throw CommandFailure(.usage, "--status must be Stopped or Running")
        }
        let settings = try await shared.settings([.owner: owner])
        let (entry, whole) = try await settings.driver(of: id)
        guard entry.name == nil || entry.kind == .local else {
            throw CommandFailure(
                .usage,
                "\(entry.title) is \(entry.kind.rawValue): samples are instances of a local driver"
            )
        }
        let driver = try await settings.folderDriver(entry, try await settings.logger("goldsmith"))
        let owner = try await settings.owner()
        let meter = Meter(isShown: Terminal.isInteractive && !output.json)
        var instance: Instance
        do throws(StepFailure) {
            try driver.makeFolders()
            instance = try await driver.makeSample(
                id: whole.name,
                owner: owner,
                systemKind: kind,
                dataDisks: dataDisks,
                mebibytes: mib,
                isFaulty: withFaults,
                status: status
            ) { meter.show($0) }
        } catch {
            meter.clear()
            throw CommandFailure(error)
        }
        meter.clear()
        instance.id = whole
        if output.json { return try Terminal.say(json: InstanceView(instance, locks: [])) }
        let disks = instance.disks.map { "\($0.device) (\($0.kind.rawValue), \(Quantity.bytes($0.sizeBytes)))" }
        Terminal.say("\(instance.id) is \(instance.status): \(disks.joined(separator: ", "))")
    }
}
