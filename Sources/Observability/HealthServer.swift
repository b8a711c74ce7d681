import HTTPTypes
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import PrometheusMetrics
public import ServiceLifecycle

/// What a process serves to monitoring: `/metrics`, `/healthz` and `/readyz`. Read-only, without logins, and without
/// names that people chose.
public struct HealthServer: Service {
    /// An answer to "can it work?": the reasons why not, one a line.
    public struct Verdict: Sendable {
        public var isGood: Bool
        public var reasons: [String]

        public init(isGood: Bool, reasons: [String]) {
            self.isGood = isGood
            self.reasons = reasons
        }
    }

    private let address: ListenAddress
    private let responder: RouterResponder<BasicRequestContext>
    private let logger: Logger
    /// Ends once it listens; never, when it cannot.
    private let listening = AsyncStream.makeStream(of: Never.self)

    /// - Parameters:
    ///   - metrics: the text format of Prometheus.
    ///   - alive: bad when only another start of the process helps.
    ///   - ready: bad when it cannot do its work now.
    public init(
        on address: ListenAddress,
        metrics: @escaping @Sendable () -> String,
        alive: @escaping @Sendable () -> Verdict,
        ready: @escaping @Sendable () -> Verdict,
        logger: Logger
    ) {
        self.address = address
        self.logger = logger
        let router = Router()
        router.get("metrics") { _, _ in
            Self.response(metrics(), type: MetricsRegistry.contentType)
        }
        router.get("healthz") { _, _ in Self.response(alive()) }
        router.get("readyz") { _, _ in Self.response(ready()) }
        responder = router.buildResponder()
    }

    private static func response(_ verdict: Verdict) -> Response {
        let lines = verdict.isGood ? ["ok"] : verdict.reasons
        var response = Self.response(lines.joined(separator: "\n") + "\n", type: "text/plain")
        if !verdict.isGood { response.status = .serviceUnavailable }
        return response
    }

    private static func response(_ text: String, type: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    func application() -> some ApplicationProtocol {
        Application(
            responder: responder,
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                availableConnectionsDelegate: MaximumAvailableConnections(64, logger: logger)
            ),
            onServerRunning: { [address, logger, listening] channel in
                listening.continuation.finish()
                let place = ListenAddress(host: address.host, port: channel.localAddress?.port ?? 0)
                logger.info("serving metrics and health", metadata: ["url": "http://\(place.authority)/metrics"])
            },
            logger: logger
        )
    }

    /// - Throws: `CannotListen`.
    public func run() async throws {
        do {
            try await application().run()
            // Stopped before it listened: its waiters get the same error.
            listening.continuation.finish()
        } catch {
            throw CannotListen(error, at: address) ?? error
        }
    }

    /// `service`, which begins once this listens: a process that cannot be monitored as configured does no work.
    public func before(_ service: any Service) -> any Service { Following(service: service, signal: listening.stream) }

    private struct Following: Service {
        let service: any Service
        let signal: AsyncStream<Never>

        func run() async throws {
            for await _ in signal {}
            try Task.checkCancellation()
            try await service.run()
        }
    }
}
