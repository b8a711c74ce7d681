import AMQPClient
import ArgumentParser
import Foundation
import ImageCore
import ImageDrivers
import ImageWorker
import LibvirtClient
import Logging
import Observability
import OperatorConsole
import PrivateServers
import RabbitMQTransport
import ServiceLifecycle
import SystemPackage
import TerminalText
import UnixSignals

struct DevCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dev",
        abstract: "Run everything in one place: a private broker, a store, workers, the web console.",
        discussion: """
            Starts a RabbitMQ node of its own on loopback under the data folder, unless GOLDSMITH_AMQP_URL names one. Other \
            commands with the same --data find it through <dir>/dev.json. Ctrl-C ends everything it started, once the \
            workers have finished what runs or handed it over (20 seconds); a second Ctrl-C ends it at once.

            Examples:
              goldsmith dev --data ./try --workers 2
              goldsmith dev --data ./try --driver libvirt
            """
    )

    @OptionGroup var shared: SharedOptions
    @Option(help: "Worker processes, 1 to 64. Default: 2; with libvirtHosts one for each host.") var workers: Int?
    @Option(
        help: ArgumentHelp(
            "Simulated hosts. The first worker is on the first one, and so on; the workers left over are on none.",
            valueName: "list"
        )
    )
    var hosts: String?
    @Option(
        help: ArgumentHelp(
            "Where images are replicated to: names, or name=/path. Default: east,west below the data folder.",
            valueName: "list"
        )
    )
    var locations: String?
    @Option(
        help: "Where instances are: local (folders below the data folder), libvirt (this host's domains) or openstack."
    )
    var driver: String?
    @Option(
        help: ArgumentHelp(
            "Several drivers instead of one, such as kvm=libvirt,lab=local.",
            valueName: "list"
        )
    )
    var drivers: String?
    @Option(help: "MiB a second each copy may take. Default 0: no limit.") var copyRate: String?

    func run() async throws {
        guard (1...64).contains(workers ?? 1) else { throw CommandFailure(.usage, "--workers must be 1 to 64") }
        let settings = try await shared.settings(
            [.locations: locations, .driver: driver, .drivers: drivers, .copyRate: copyRate, .hosts: hosts],
            asksRunningDev: false
        )
        let runningWorkers = RunningWorkers()
        let libvirtHosts = try await settings.libvirtHosts()
        let workers = workers ?? libvirtHosts.map { min($0.names.count, 64) } ?? 2
        // They read the disks of their hosts as files.
        if let list = libvirtHosts,
            let far = list.names.prefix(workers).first(where: { list.uris[$0]?.isOfThisMachine != true })
        {
            throw settings.wrongHosts(
                "\(far) is another machine, and dev has all its workers on this one",
                advice: "run `goldsmith worker --host \(far)` there; see docs/libvirt.md"
            )
        }
        let services = DevServices(
            settings: settings,
            workers: workers,
            copyRate: copyRate,
            config: shared.config,
            runningWorkers: runningWorkers
        )
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: services, successTerminationBehavior: .gracefullyShutdownGroup)],
                logger: try await settings.logger("goldsmith.dev")
            )
        )
        try await StopSignals.run(group) {
            Terminal.say("stopping now: what runs is handed over to the next start")
            runningWorkers.stopAll()
        }
    }
}

/// Everything `goldsmith dev` starts, in order, and ends in the opposite order.
private struct DevServices: Service {
    let settings: Settings
    let workers: Int
    let copyRate: String?
    let config: String?
    let runningWorkers: RunningWorkers

    func run() async throws {
        let data = settings.data
        try makeFolder(data)
        let hold = try FolderHold(data)
        defer { hold.release() }
        DevFile.remove(in: data)
        defer { DevFile.remove(in: data) }

        Terminal.say("starting in \(data)")
        let given = try await settings.amqpURL
        let node = given == nil ? try await startBroker(in: data) : nil
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await serve(data, url: given ?? node?.url ?? "", broker: node) }
                if let node { group.addTask { try await keep(node) } }
                // Serving ends first, by a shutdown or an error; keeping a broker only by an error.
                try await group.next()
                group.cancelAll()
            }
        } catch {
            await node?.stop()
            throw error
        }
        await node?.stop()
        Terminal.say("stopped")
    }

    private func startBroker(in data: String) async throws -> RabbitMQNode {
        do {
            var options = RabbitMQNode.Options()
            // For what `queue list` and `doctor` cannot learn over AMQP. It makes the start no slower.
            options.plugins = ["rabbitmq_management"]
            return try await RabbitMQNode.start(in: .init(data + "/rabbitmq"), options: options)
        } catch {
            throw CommandFailure(
                .unavailable,
                "the private RabbitMQ did not start: \(error)",
                advice: "scripts/setup installs it; \(data)/rabbitmq holds its log"
            )
        }
    }

    /// Starts the broker again when it has died. Its messages are on disk, and its port and user stay the same.
    private func keep(_ node: RabbitMQNode) async throws {
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            guard !node.isRunning, !Task.isShuttingDownGracefully else { continue }
            Terminal.say("the broker ended, starting it again; \(node.folder) holds its log")
            do {
                try await node.restart()
            } catch {
                if Task.isCancelled { return }
                throw CommandFailure(
                    .unavailable,
                    "the broker does not start again: \(error)",
                    advice: "look into \(node.folder); started again, dev goes on where it was"
                )
            }
            Terminal.say("the broker is back")
        }
    }

    private func serve(_ data: String, url: String, broker: RabbitMQNode?) async throws {
        let storeURL = try await settings.storeURL ?? "sqlite://\(data)/goldsmith.sqlite"
        var environment = [
            SettingKey.amqpUrl.environmentName: url,
            SettingKey.storeUrl.environmentName: storeURL,
            SettingKey.data.environmentName: data,
        ]
        // No one else uses a broker of our own.
        environment[SettingKey.upstreams.environmentName] =
            try await settings.upstreams() ?? (broker == nil ? nil : "*")
        let running = try await Settings(
            flags: [.data: data, .amqpUrl: url, .storeUrl: storeURL],
            file: config,
            asksRunningDev: false
        )
        let drivers = try await settings.drivers()
        let hosts = try await settings.hosts()
        guard hosts.isEmpty || drivers.contains(where: { $0.kind != .local }) else {
            throw CommandFailure(
                .usage,
                "the local driver has no hosts in dev: all its workers are on this machine",
                advice: "leave out --hosts, or set \(SettingKey.driver.environmentName) to simulated"
            )
        }
        let hostList = hosts.isEmpty ? nil : hosts.map(\.text).joined(separator: ",")
        environment[SettingKey.hosts.environmentName] = hostList
        // As they were set; of the two settings, workers take one.
        let several = try await settings.text(.drivers)
        let only = several == nil ? drivers[0].kind.rawValue : nil
        environment[SettingKey.drivers.environmentName] = several
        environment[SettingKey.driver.environmentName] = only
        try await prepare(running)
        let locations = try await settings.locationsText()
        var arguments = ["worker", "--data", data, "--log-level", try await settings.logLevel(default: .info).rawValue]
        if let copyRate { arguments += ["--copy-rate", copyRate] }
        if let config { arguments += ["--config", config] }
        // A user waits at the terminal; interrupted work continues at the next start.
        let drain = try await settings.drain(default: .seconds(20))
        arguments += ["--drain", String(drain / .seconds(1))]
        let pool = WorkerPool(
            count: workers,
            arguments: arguments,
            environment: environment.merging([SettingKey.locations.environmentName: locations]) { first, _ in first },
            hosts: hosts.map(\.text),
            metrics: try await settings.metricsListen(),
            logs: data + "/logs",
            runningWorkers: runningWorkers,
            // What drains, then a little to end in order.
            timeout: drain + .seconds(20)
        )
        let kinds = Set(drivers.map(\.kind))
        let file = DevFile(
            data: data,
            amqpUrl: url,
            storeUrl: storeURL,
            managementUrl: broker?.managementURL,
            prefix: try await settings.topology().prefix,
            hosts: hostList,
            locations: locations,
            driver: only,
            drivers: several,
            libvirtUri: kinds.contains(.libvirt) ? try await settings.libvirtHost().uri : nil,
            libvirtHosts: try await settings.text(.libvirtHosts),
            libvirtDisks: kinds.contains(.libvirt) ? try await settings.libvirtDisks() : nil,
            openstackCloudsFile: kinds.contains(.openstack) ? try await settings.text(.openstackCloudsFile) : nil,
            openstackCloud: kinds.contains(.openstack) ? try await settings.text(.openstackCloud) : nil,
            openstackRegion: kinds.contains(.openstack) ? try await settings.text(.openstackRegion) : nil,
            openstackNetwork: kinds.contains(.openstack) ? try await settings.text(.openstackNetwork) : nil,
            openstackFlavor: kinds.contains(.openstack) ? try await settings.text(.openstackFlavor) : nil,
            pids: .init(dev: getpid(), broker: broker?.pid, workers: []),
            logs: data + "/logs",
            consoleUrl: ""
        )
        let watched = try await settings.metricsListen()?.after(workers)
        try await withConsole(running, watchedAt: watched) { url, login in
            var file = file
            file.consoleUrl = url
            try await work(pool, file, broker: broker, login: login)
        }
    }

    private func work(_ pool: WorkerPool, _ file: DevFile, broker: RabbitMQNode?, login: String) async throws {
        let data = file.data
        try await pool.run { pids in
            var file = file
            file.pids.workers = pids
            file.pids.broker = broker?.pid
            let isFirst = DevFile.isMissing(in: data)
            do {
                try file.write()
            } catch {
                Terminal.complain("\(error)")
            }
            guard isFirst else { return }
            Terminal.say("ready: \(pids.count) workers, logs in \(file.logs)")
            Terminal.say("console: \(login)")
            let next =
                file.driver == DriverKind.local.rawValue
                ? "sample --data \(data) --id i-web1 --data-disks 1" : "list --data \(data)"
            Terminal.say("next:  goldsmith instance \(next)")
        }
    }

    /// Serves the console while `body` runs, which is given its address and what to open to log in.
    /// - Parameter watched: where the console shows its metrics; `nil` is nowhere.
    private func withConsole(
        _ settings: Settings,
        watchedAt watched: ListenAddress?,
        _ body: @escaping @Sendable (_ url: String, _ login: String) async throws -> Void
    ) async throws {
        // Any free port, so that several can run on one machine.
        let address = try await settings.consoleListen(default: ListenAddress(host: "127.0.0.1", port: 0))
        let access = try await settings.consoleAccounts(for: address)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        var logger = try await settings.logger("goldsmith.console")
        // What a terminal is for here is said by `dev` itself.
        logger.logLevel = max(logger.logLevel, .notice)
        let telemetry = ConsoleTelemetry.ofThisProcess()
        let console = try await settings.console(on: address, access.accounts, telemetry, logger) { port.yield($0) }
        let monitor = watched.map { HealthServer(of: telemetry, on: $0, logger) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let monitor {
                group.addTask {
                    do { try await monitor.run() } catch let error as CannotListen { throw CommandFailure(error) }
                }
            }
            group.addTask {
                do {
                    try await console.run()
                } catch let error as CannotListen {
                    throw CommandFailure(
                        .unavailable,
                        error.message,
                        advice: "unset \(SettingKey.consoleListen.environmentName) for any free port on loopback"
                    )
                }
            }
            group.addTask {
                guard let port = await ports.first(where: { _ in true }) else { return }
                let url = "http://\(ListenAddress(host: address.host, port: port).authority)/"
                try await body(url, access.url(address, port: port))
            }
            // Both end by a shutdown; either ends the other by an error.
            while try await group.next() != nil {}
        }
    }

    /// The broker's queues, the store's schema and the folders, before the first worker wants them.
    private func prepare(_ settings: Settings) async throws {
        let topology = try await self.settings.topology()
        let connection = try await settings.connect("dev")
        let differences = try await topology.apply(on: connection)
        await connection.close()
        guard differences.isEmpty else {
            throw CommandFailure(
                .conflict,
                "the broker differs from what is needed: \(differences.map(\.description).joined(separator: "; "))"
            )
        }
        _ = try await settings.openStore(makesIt: true)
        try makeFolder(settings.data + "/logs")
        let logger = try await self.settings.logger("goldsmith.dev", level: .error)
        // A driver that cannot be looked through now would fail every job.
        let driver = try await self.settings.workerDriver(logger)
        do {
            _ = try await driver.instances()
        } catch {
            throw CommandFailure(error)
        }
    }

    private func makeFolder(_ path: String) throws(CommandFailure) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw CommandFailure(
                .failed,
                "cannot make \(path): \(error.localizedDescription)",
                advice: "may this user write there? --data names another folder"
            )
        }
    }
}
