import HTTPTypes
import Hummingbird
import ImageCore

/// A request that cannot be answered as asked: what happened, and what to do.
struct Problem: Error {
    var status: HTTPResponse.Status
    var message: String
    var advice: String?
    var retryAfter: Duration?
    /// Of a refused request: its own code, and the field that is to blame.
    private var rejection: Rejection?

    init(_ status: HTTPResponse.Status, _ message: String? = nil, advice: String? = nil, retryAfter: Duration? = nil) {
        self.status = status
        self.message = message ?? status.reasonPhrase.lowercased()
        self.advice = advice
        self.retryAfter = retryAfter
    }

    init(_ error: StoreError) {
        switch error.kind {
        case .unavailable, .unknown:
            self.init(
                .serviceUnavailable,
                "the store is out of reach: \(error.message)",
                advice: error.advice ?? "try again in a moment"
            )
        case .refused, .unreadable, .damaged:
            self.init(.internalServerError, "the store: \(error.message)", advice: error.advice)
        }
    }

    init(_ failure: StepFailure) {
        self.init(Self.status(of: failure.code), failure.message, advice: failure.advice)
    }

    init(_ rejection: Rejection) {
        self.init(Self.status(of: rejection.code), rejection.message)
        self.rejection = rejection
    }

    private static func status(of code: ErrorCode) -> HTTPResponse.Status {
        switch code {
        case .notFound: .notFound
        case .unavailable: .serviceUnavailable
        case .invalidArgument, .outOfRange: .badRequest
        case .permissionDenied: .forbidden
        case .duplicate, .failedPrecondition, .quotaExceeded, .conflict: .conflict
        case .cancelled, .bootFailed, .bootNotProven, .secretsFound, .internal: .internalServerError
        }
    }

    static func noImage(_ id: String) -> Problem {
        Problem(
            .notFound,
            "there is no image \(PlainText.word(id))",
            advice: "it may have been deleted; look in the list"
        )
    }

    static let viewersOnlyLook = Problem(
        .forbidden,
        "viewers look and do not change",
        advice: "ask an operator, or log in as one"
    )

    /// The stable code programs go by.
    var code: ErrorCode {
        if let rejection { return rejection.code }
        return switch status {
        case .notFound: .notFound
        case .badRequest, .contentTooLarge, .unprocessableContent, .methodNotAllowed: .invalidArgument
        case .forbidden, .unauthorized, .misdirectedRequest: .permissionDenied
        case .conflict: .conflict
        case .tooManyRequests, .serviceUnavailable: .unavailable
        default: .internal
        }
    }

    var document: Response {
        struct Body: Encodable {
            struct Error: Encodable {
                var code: ErrorCode
                var message: String
                var advice: String?
                var field: String?
            }
            var error: Error
        }
        var response = Response.json(
            Body(error: .init(code: code, message: message, advice: advice, field: rejection?.field))
        )
        dress(&response)
        return response
    }

    func page(for session: Session?) -> Response {
        var response = Response.page(Layout.problem(self, for: session))
        dress(&response)
        return response
    }

    private func dress(_ response: inout Response) {
        response.status = status
        if let retryAfter { response.headers[.retryAfter] = String(max(1, retryAfter.components.seconds)) }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
    }
}
