import AMQPClient
import ArgumentParser
import CMalloc
import Glibc
import ImageCore
import ImageWorker
import Logging
import OTLPTracing
import Observability
import RabbitMQTransport
import ServiceLifecycle
import Tracing
import UnixSignals

struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Run a worker, or list the workers.",
        discussion: """
            Without a subcommand it serves.

            Examples:
              goldsmith worker
              goldsmith worker --steps system-disk,data-disk --concurrency 2
              goldsmith worker list
            """,
        subcommands: [WorkerRun.self, WorkerList.self],
        defaultSubcommand: WorkerRun.self
    )
}

struct WorkerRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a worker until it is stopped.",
        discussion: """
            Start as many as you like, on steps of their choice. SIGTERM or Ctrl-C drains: nothing new is taken, and what runs \
            has --drain seconds to end. A second one ends at once. What is cut off is handed over, and no attempt is used.

            Examples:
              goldsmith worker run
              goldsmith worker --steps system-disk,data-disk --concurrency 2
              goldsmith worker --host h1
            """
    )

    @OptionGroup var shared: SharedOptions
    @Option(
        help: ArgumentHelp(
            "What to serve, out of \(LaneList().all.map(\.description).joined(separator: ", ")), and the steps of the "
                + "worker's host, such as replicate@h1. Default: all; with --host its steps instead of those of no host.",
            valueName: "list"
        ),
        completion: Completions.lanes
    )
    var steps: String?
    @Option(help: "The host it is on, out of the setting hosts, to read and write its files. Default: none.")
    var host: String?
    @Option(help: "Jobs at once of each kind, 1 to 1000. Default 4.") var concurrency: String?
    @Option(help: "Seconds a delivery is held before a recheck takes its place. Default 60.") var hold: String?
    @Option(help: "Seconds a dead worker keeps its job. Default 15.") var lease: String?
    @Option(help: "Seconds running work may go on after a stop. Default 900.") var drain: String?
    @Option(help: "IP address or localhost, and port, for /metrics, /healthz and /readyz. Default: none.")
    var metricsListen: String?
    @Option(help: "MiB a second each copy may take. Default 0: no limit.") var copyRate: String?

    func run() async throws {
        // glibc gives each thread that allocates a pool of its own and never gives it back; a worker has dozens of
        // threads and little to do on each at once.
        mallopt(M_ARENA_MAX, 2)
        // A child that ends before it has read all of its input, or a log without a reader, must not end a worker.
        signal(SIGPIPE, SIG_IGN)
        let settings = try await shared.settings([
            .steps: steps, .host: host, .concurrency: concurrency, .hold: hold, .lease: lease, .drain: drain,
            .copyRate: copyRate, .metricsListen: metricsListen,
        ])
        var logger = try await settings.logger("goldsmith.worker")
        // All settings before anything is made: a typo must leave nothing behind.
        let options = try await settings.workerOptions()
        let monitored = try await settings.metricsListen()
        let receiver = try await settings.spanReceiver()
        let ratio = try await settings.spanRatio()
        if try await settings.logFormat() == .json { logger[metadataKey: "worker"] = "\(options.id)" }
        let endpoint = try await settings.endpoint()
        if options.authority == .users([:]) {
            logger.warning(
                "no upstream is allowed: every request is denied",
                metadata: ["set": "\(SettingKey.upstreams.environmentName)"]
            )
        }
        if let exposure = endpoint.exposure { logger.warning("the connection to \(endpoint) \(exposure)") }
        let telemetry = WorkerTelemetry()
        let store = try await settings.openStore(makesIt: true) { telemetry.called($0) }
        let driver = try await settings.workerDriver(logger)
        let tracing = receiver.map { SpanPipeline(to: $0, keeping: ratio, by: options, telemetry, logger) }
        let worker = Worker(
            transport: WorkerConnections(
                endpoint: endpoint,
                topology: try await settings.topology(),
                of: options.id,
                time: SystemTime(),
                logger: logger
            ),
            store: store,
            driver: driver,
            tools: driver,
            options: options,
            time: SystemTime(),
            logger: logger,
            telemetry: telemetry,
            tracer: tracing?.tracer ?? NoOpTracer()
        )
        let monitor = monitored.map { HealthServer(of: telemetry, on: $0, logger) }
        let watched: any Service = monitor?.before(worker) ?? worker
        // They stop from the last to the first: a worker that drains still shows it, and its last spans are sent.
        let companions: [(any Service)?] = [monitor, tracing?.exporter]
        var group = ServiceGroupConfiguration(
            services: companions.compactMap { $0 }.map { .init(service: $0) }
                + [.init(service: watched, successTerminationBehavior: .gracefullyShutdownGroup)],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = nil
        do {
            try await StopSignals.run(ServiceGroup(configuration: group))
        } catch let error as AMQPError where error.code == 404 {
            throw CommandFailure(
                .unavailable,
                "\(error)",
                advice: "run `goldsmith topology apply` first, with the same hosts"
            )
        } catch let error as AMQPError {
            throw CommandFailure(error)
        } catch let error as CannotListen {
            throw CommandFailure(error)
        }
    }
}

/// What makes a worker's spans, and what sends them.
private struct SpanPipeline {
    let tracer: OTLPTracer
    let exporter: SpanExporter

    init(
        to receiver: OTLPReceiver,
        keeping ratio: Double,
        by options: WorkerOptions,
        _ telemetry: WorkerTelemetry,
        _ logger: Logger
    ) {
        let told: @Sendable (SpanExporter.Outcome, Int) -> Void = { telemetry.exported($1, $0.rawValue) }
        let buffer = SpanBuffer { told(.dropped, 1) }
        tracer = OTLPTracer(into: buffer, keeping: ratio)
        exporter = SpanExporter(
            from: buffer,
            of: [
                "service.name": "goldsmith-worker",
                "service.version": options.identity.version,
                "service.instance.id": options.id.text,
                "host.name": options.identity.host,
                "process.pid": "\(options.identity.processID)",
            ],
            to: receiver,
            told: told,
            logger: logger
        )
    }
}

extension HealthServer {
    fileprivate init(of telemetry: WorkerTelemetry, on address: ListenAddress, _ logger: Logger) {
        let time = SystemTime()
        self.init(
            on: address,
            metrics: { telemetry.metrics(at: time.uptime()) },
            alive: {
                let health = telemetry.health(at: time.uptime())
                let reasons = health.problems.filter(\.isCuredByRestart).map(\.text)
                return Verdict(isGood: health.isAlive, reasons: reasons)
            },
            ready: {
                let health = telemetry.health(at: time.uptime())
                return Verdict(isGood: health.isReady, reasons: health.problems.map(\.text))
            },
            logger: logger
        )
    }
}
