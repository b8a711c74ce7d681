import Hummingbird

/// What the console knows of one request.
struct ConsoleContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The address at the other end of the connection; a proxy's when there is one.
    let peer: String
    /// Set by `SessionGuard` where a session is needed.
    var session: Session?
    /// Set by `BearerGuard` for a program with a token.
    var program: Account?
    /// The session's cookie, to end it.
    var cookie: String?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        peer = source.channel.remoteAddress?.ipAddress ?? "unknown"
    }
}

/// What stands behind a middleware. The library's functions run wherever they like.
typealias Next = @concurrent (Request, ConsoleContext) async throws -> Response
