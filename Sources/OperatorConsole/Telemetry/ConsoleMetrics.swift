import HTTPTypes
import Hummingbird
import PrometheusMetrics

/// What a console measures. `docs/metrics.md` lists the same, and a test compares.
enum ConsoleMetrics {
    /// What kind of thing was asked for. Never an address: that may hold an id.
    enum Kind: String, CaseIterable {
        case page
        /// A form that was sent.
        case change
        case login
        /// An event stream, from its beginning.
        case updates
        case api
        case asset

        init(_ request: Request) {
            let path = request.uri.path
            if path.hasPrefix("/api/") {
                self = .api
            } else if path.hasPrefix("/assets/") {
                self = .asset
            } else if path == "/login" || path == "/logout" {
                self = .login
            } else if path == "/updates" {
                self = .updates
            } else {
                self = request.method == .get || request.method == .head ? .page : .change
            }
        }
    }

    /// How an attempt to log in ended.
    enum Login: String, CaseIterable {
        case accepted
        case refused
        /// Not even looked at: there were too many.
        case throttled
    }

    /// What a console looks at.
    enum Sight: String, CaseIterable {
        case store
        case broker
    }

    static let requests = Metric(
        "goldsmith_console_requests_total",
        .counter,
        by: ["kind", "status"],
        known: Kind.allCases.map { [$0.rawValue, "200"] },
        "Requests answered, by what was asked for and the status."
    )
    static let requestSeconds = Metric(
        "goldsmith_console_request_seconds",
        .histogram([0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30]),
        by: ["kind"],
        known: Kind.allCases.map { [$0.rawValue] },
        "From a request to the beginning of its answer."
    )
    static let logins = Metric(
        "goldsmith_console_logins_total",
        .counter,
        by: ["result"],
        known: Login.allCases.map { [$0.rawValue] },
        "Attempts to log in."
    )
    static let streams = Metric("goldsmith_console_event_streams", .gauge, "Open pages with live updates.")
    static let sessions = Metric("goldsmith_console_sessions", .gauge, "People who are logged in.")
    static let lookAge = Metric(
        "goldsmith_console_look_age_seconds",
        .gauge,
        by: ["at"],
        "How long ago this console last saw the store or the broker; NaN when it never has."
    )
    static let ready = Metric("goldsmith_console_ready", .gauge, "1 when /readyz says ready, else 0.")

    static let all = [requests, requestSeconds, logins, streams, sessions, lookAge, ready] + ProcessMetrics.all
}

/// Counts every answer, whatever it is.
struct MetricsMiddleware: RouterMiddleware {
    let telemetry: ConsoleTelemetry

    func handle(_ request: Request, context: ConsoleContext, next: Next) async throws -> Response {
        let kind = ConsoleMetrics.Kind(request)
        let began = ContinuousClock.now
        let response = try await next(request, context)
        telemetry.answered(kind, response.status.code, after: ContinuousClock.now - began)
        return response
    }
}
