import Hummingbird
import HummingbirdCore
public import ImageCore
public import Logging
import Observability
public import Operations
public import ServiceLifecycle
import Synchronization

/// The web console: pages for operators and `/api/v1` for programs, over one store.
///
/// Runs until a graceful shutdown, which ends live updates at once and lets other answers finish.
public struct Console: Service {
    /// Connections at once; more wait in the system's queue.
    private static let connections = 512

    private let options: ConsoleOptions
    private let responder: RouterResponder<ConsoleContext>
    private let queues: QueueHistory
    private let lookout: StoreLookout
    private let logger: Logger
    private let listening: @Sendable (Int) async -> Void

    /// - Parameters:
    ///   - telemetry: measures it.
    ///   - listening: called with the port once requests are served.
    /// - Throws: `RefusedToListen` when others could reach it, and no origin is set.
    public init(
        options: ConsoleOptions,
        accounts: Accounts,
        store: any ImageStore,
        driver: any ImageDriver,
        broker: any BrokerStatusProvider,
        time: any Timekeeper,
        telemetry: ConsoleTelemetry,
        logger: Logger,
        listening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) throws(RefusedToListen) {
        if !options.address.isLoopback, options.origin == nil { throw RefusedToListen.withoutOrigin }
        self.options = options
        self.logger = logger
        self.listening = listening
        let queues = QueueHistory(broker: broker, time: time, every: options.sampleEvery, telemetry: telemetry)
        self.queues = queues
        lookout = StoreLookout(store: store, time: time, every: options.sampleEvery, telemetry: telemetry)
        let access = Access(accounts: accounts, time: time, options: options)
        let pages = Pages(store: store, driver: driver, queues: queues, time: time)
        let notifier = PageChangeNotifier(every: options.pollEvery, limit: options.viewers, time: time) {
            await pages.fingerprint(of: $0)
        }
        let sessions = access.sessions
        telemetry.lend(.init(streams: { notifier.viewerCount }, sessions: { sessions.count }))

        let router = Router(context: ConsoleContext.self)
        router.add(middleware: MetricsMiddleware(telemetry: telemetry))
        router.add(middleware: HeaderGuard(isSecure: access.isSecure))
        router.add(middleware: ProblemGuard())
        router.add(middleware: OriginGuard(options: options))
        AssetRoutes().add(to: router)
        let decisions = DeadLetterDecisions(actions: DeadLetterActions(store: store))
        let requests = RequestClient(store: store, time: time, timeout: options.answerWithin)
        PageRoutes(
            pages: pages,
            access: access,
            notifier: notifier,
            time: time,
            decisions: decisions,
            requests: requests,
            telemetry: telemetry
        ).add(to: router)
        InterfaceRoutes(pages: pages, access: access, time: time, decisions: decisions, requests: requests).add(
            to: router
        )
        responder = router.buildResponder()
    }

    /// For tests, which serve it themselves.
    func application() -> some ApplicationProtocol {
        Application(
            responder: responder,
            server: .http1(configuration: .init(idleTimeout: .seconds(120))),
            configuration: ApplicationConfiguration(
                address: .hostname(options.address.host, port: options.address.port),
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connections, logger: logger)
            ),
            services: [queues, lookout],
            onServerRunning: { [listening] channel in await listening(channel.localAddress?.port ?? 0) },
            logger: logger
        )
    }

    /// - Throws: `CannotListen`.
    public func run() async throws {
        do { try await application().run() } catch { throw CannotListen(error, at: options.address) ?? error }
    }
}

/// Why a console does not listen on its configured address.
public enum RefusedToListen: Error, Equatable {
    /// Others can reach the address, and nothing says by which name.
    case withoutOrigin
}
