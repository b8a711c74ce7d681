import HTTPTypes
import Hummingbird
import Logging

/// The headers of every answer, whatever it is.
struct HeaderGuard: RouterMiddleware {
    /// Nothing but our own files, no script or style in a page, no frame around it, no form that leads elsewhere.
    static let contentPolicy = [
        "default-src 'none'", "style-src 'self'", "script-src 'self'", "connect-src 'self'", "img-src 'self'",
        "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'",
    ].joined(separator: "; ")

    let isSecure: Bool

    func handle(_ request: Request, context: ConsoleContext, next: Next) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.contentSecurityPolicy] = Self.contentPolicy
        response.headers[.xContentTypeOptions] = "nosniff"
        // Without any referrer a browser would hide the origin of our own forms too.
        response.headers[.referrerPolicy] = "same-origin"
        response.headers[.crossOriginOpenerPolicy] = "same-origin"
        response.headers[.crossOriginResourcePolicy] = "same-origin"
        response.headers[.xFrameOptions] = "DENY"
        if isSecure { response.headers[.strictTransportSecurity] = "max-age=31536000" }
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        return response
    }
}

extension HTTPField.Name {
    static let referrerPolicy = Self("Referrer-Policy") ?? .referer
    static let crossOriginOpenerPolicy = Self("Cross-Origin-Opener-Policy") ?? .origin
    static let xFrameOptions = Self("X-Frame-Options") ?? .origin
    static let forwardedFor = Self("X-Forwarded-For") ?? .origin
    static let fetchSite = Self("Sec-Fetch-Site") ?? .origin
    /// A header that a page's script sets on requests that no user made.
    static let live = Self("Goldsmith-Live") ?? .origin
}

/// Refuses what names another host than ours, and changes that another site's page asks for.
struct OriginGuard: RouterMiddleware {
    let options: ConsoleOptions

    func handle(_ request: Request, context: ConsoleContext, next: Next) async throws -> Response {
        guard let host = request.head.authority, options.allows(host: host) else {
            throw Problem(
                .misdirectedRequest,
                "this console does not answer to that name",
                advice: "use the address it was started with, or set consoleOrigin to the one people use"
            )
        }
        if request.method != .get && request.method != .head {
            let isOwn = request.headers[.fetchSite].map { $0 == "same-origin" || $0 == "none" } ?? true
            let origin = request.headers[.origin].map { $0.lowercased() }
            let isFromHere = origin.map { $0 == "http://\(host.lowercased())" || $0 == options.origin?.text } ?? true
            guard isOwn, isFromHere else { throw Problem(.forbidden, "another site's page asked for this") }
        }
        return try await next(request, context)
    }
}

/// Turns every error into an answer for people, or for programs below `/api/`.
struct ProblemGuard: RouterMiddleware {
    func handle(_ request: Request, context: ConsoleContext, next: Next) async throws -> Response {
        let problem: Problem
        do {
            return try await next(request, context)
        } catch let known as Problem {
            problem = known
        } catch let error as any HTTPResponseError {
            problem = Problem(error.status, error.status == .notFound ? "there is nothing at this address" : nil)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            context.logger.error("a request failed", metadata: ["error": "\(error)"])
            problem = Problem(.internalServerError, "internal error; see the console's log")
        }
        return request.uri.path.hasPrefix("/api/") ? problem.document : problem.page(for: context.session)
    }
}

/// Lets only logged-in users pass; others are led to the login.
struct SessionGuard: RouterMiddleware {
    let access: Access

    func handle(_ request: Request, context: ConsoleContext, next: Next) async throws -> Response {
        guard let (cookie, session) = access.session(of: request) else {
            if request.headers[.live] != nil || request.uri.path == "/updates" {
                throw Problem(.unauthorized, "not logged in")
            }
            return .redirect(to: .login)
        }
        var context = context
        context.session = session
        context.cookie = cookie
        return try await next(request, context)
    }
}
