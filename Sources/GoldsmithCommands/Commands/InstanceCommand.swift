import ArgumentParser
import ImageCore
import ImageDrivers
import Operations
import TerminalText

struct InstanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instance",
        abstract: "Show instances, launch one from an image, or create a sample.",
        discussion: """
            Examples:
              goldsmith instance list
              goldsmith instance launch --image img-5f0c2b7e9a41d3c8 --wait
              goldsmith instance sample --data ./try --id i-web1 --data-disks 1
            """,
        subcommands: [
            InstanceList.self, InstanceShow.self, InstanceLaunch.self, InstanceAdopt.self, InstanceSample.self,
        ]
    )
}

/// An instance as `--json` prints it.
struct InstanceView: Encodable {
    var id: InstanceID
    var owner: Owner
    var status: InstanceStatus
    /// Absent for an instance that every worker reaches.
    var host: HostName?
    var disks: [Disk]
    var lockedBy: ImageID?

    init(_ instance: Instance, locks: [Lock]) {
        id = instance.id
        owner = instance.owner
        status = instance.status
        host = instance.host
        disks = instance.disks
        lockedBy = locks.first { $0.key == "instance/\(instance.id)" }?.image
    }
}

struct InstanceList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List instances and their locks.",
        discussion: """
            An image can be made of an instance that is Stopped. While its disks are captured, that image's making locks it.

            Examples:
              goldsmith instance list
              goldsmith instance list --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let settings = try await shared.settings()
        let (views, silent) = try await InstanceLook(settings).all()
        if output.json { try Terminal.say(json: views) } else { Terminal.say(Self.text(of: views)) }
        // What is missing must not be taken for gone.
        guard silent.isEmpty else {
            let isOfDrivers = try await settings.drivers().count > 1
            throw CommandFailure(
                .unavailable,
                "not listed are the instances of \(isOfDrivers ? "drivers" : "hosts") that do not answer: "
                    + silent.joined(separator: ", "),
                advice: "`goldsmith doctor` tries each \(isOfDrivers ? "driver" : "host")"
            )
        }
    }

    private static func text(of views: [InstanceView]) -> String {
        let hasHosts = views.contains { $0.host != nil }
        let disks = Table.Column.wrapped("DISKS")
        var table =
            hasHosts
            ? Table("INSTANCE", "HOST", .dropped("OWNER", 1), "STATUS", disks, "LOCKED BY")
            : Table("INSTANCE", .dropped("OWNER", 1), "STATUS", disks, "LOCKED BY")
        for view in views {
            let (id, owner, status) = (view.id.text, view.owner.text, view.status.description)
            let disks = view.disks.map {
                "\($0.device.shortName) \(Quantity.bytes($0.sizeBytes)) (\($0.kind.rawValue))"
            }.joined(separator: ", ")
            let lockedBy = view.lockedBy?.text ?? "–"
            if hasHosts {
                table.add(id, view.host?.text ?? "–", owner, status, disks, lockedBy)
            } else {
                table.add(id, owner, status, disks, lockedBy)
            }
        }
        return views.isEmpty ? "no instances" : table.text
    }
}

struct InstanceShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one instance and its disks.",
        discussion: """
            /dev/vda is the system disk. AUTO-DELETE says whether a disk goes with its instance.

            Example: goldsmith instance show i-web1
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Argument(help: "The instance's id.", completion: Completions.instances) var id: String

    func run() async throws {
        let id: InstanceID = try identifier(id, "the instance id")
        let settings = try await shared.settings()
        let view = try await InstanceLook(settings).one(try await settings.driver(of: id).instance)
        if output.json { return try Terminal.say(json: view) }
        Terminal.say(
            "\(Terminal.paint(view.id.text, .strong))  \(view.status)  owner \(view.owner)"
                + (view.host.map { "  host \($0)" } ?? "")
        )
        var table = Table("DEVICE", "KIND", "SIZE", "AUTO-DELETE")
        for disk in view.disks {
            table.add(
                disk.device.description,
                disk.kind.rawValue,
                Quantity.bytes(disk.sizeBytes),
                disk.autoDelete ? "yes" : "no"
            )
        }
        Terminal.say(table.text)
        Terminal.say(view.lockedBy.map { "locked by the making of image \($0)" } ?? "not locked")
    }
}

/// Instances as the driver describes them, with the locks the store knows.
private struct InstanceLook {
    let driver: any ImageDriver
    let store: any StoreReader

    init(_ settings: Settings) async throws(CommandFailure) {
        driver = try await settings.viewedDriver(try await settings.logger("goldsmith"))
        store = try await settings.openStore()
    }

    /// With those that did not answer: hosts, or drivers.
    func all() async throws(CommandFailure) -> (views: [InstanceView], silent: [String]) {
        let locks = try await stored { () async throws(StoreError) in try await store.locks() }
        do throws(StepFailure) {
            let instances: [Instance]
            var silent: [String] = []
            switch driver {
            case let several as DriverSet:
                let listing = try await several.list()
                (instances, silent) = (listing.instances, listing.silent)
            case let site as LibvirtSite:
                let listing = try await site.list()
                (instances, silent) = (listing.instances, listing.silentHosts.map(\.text))
            default: instances = try await driver.instances()
            }
            return (instances.map { InstanceView($0, locks: locks) }, silent)
        } catch {
            throw CommandFailure(error)
        }
    }

    func one(_ id: InstanceID) async throws(CommandFailure) -> InstanceView {
        let locks = try await stored { () async throws(StoreError) in try await store.locks() }
        do {
            return InstanceView(try await driver.describe(id), locks: locks)
        } catch {
            throw CommandFailure(error)
        }
    }
}
