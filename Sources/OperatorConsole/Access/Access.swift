import Crypto
import FoundationEssentials
import HTTPTypes
import Hummingbird
import ImageCore

/// Access to the console: logins, sessions, and the proofs that forms carry.
struct Access: Sendable {
    let accounts: Accounts
    let sessions: Sessions
    let throttle: LoginThrottle
    /// Whether people reach the console by TLS.
    let isSecure: Bool
    private let proxies: TrustedProxies
    private let passwords = PasswordQueue()
    /// Of this process only.
    private let key = SymmetricKey(size: .bits256)

    init(accounts: Accounts, time: any Timekeeper, options: ConsoleOptions) {
        self.accounts = accounts
        sessions = Sessions(time: time)
        throttle = LoginThrottle(time: time)
        isSecure = options.origin?.isSecure ?? false
        proxies = options.proxies
    }

    /// Where a request came from: behind trusted proxies, from whom the last of them has heard it.
    func address(of request: Request, from peer: String) -> String {
        proxies.client(of: peer, forwarded: request.headers[.forwardedFor])
    }

    // MARK: Sessions

    func session(of request: Request) -> (cookie: String, Session)? {
        guard let cookie = request.cookies[cookieName(request)]?.value,
            let session = sessions.session(cookie, isActivity: request.headers[.live] == nil)
        else { return nil }
        return (cookie, session)
    }

    /// - Throws: `Problem` when the secret is wrong or too many were.
    func logIn(_ fields: FormFields, from address: String) async throws -> (cookie: String, Account) {
        if let wait = throttle.attempt(from: address) {
            throw Problem(
                .tooManyRequests,
                "there were too many attempts to log in",
                advice: "try again in \(Words.duration(wait))",
                retryAfter: wait
            )
        }
        guard let account = await account(fields) else { throw Problem(.unauthorized, Self.wrong(fields)) }
        throttle.succeeded(from: address)
        return (sessions.begin(account), account)
    }

    private func account(_ fields: FormFields) async -> Account? {
        if let token = fields["token"]?.filter({ !$0.isWhitespace }), !token.isEmpty {
            return accounts.account(token: token)
        }
        guard let name = fields["name"], let password = fields["password"], password.utf8.count <= 1024 else {
            return nil
        }
        let accounts = accounts
        return await passwords.run { accounts.account(named: name, password: password) }
    }

    /// Does not reveal which of the two is wrong.
    private static func wrong(_ fields: FormFields) -> String {
        fields["token"] != nil ? "that token is not known here" : "name or password is wrong"
    }

    /// The role of a program that brings a token.
    func bearer(of request: Request) -> Account? {
        guard let text = request.headers[.authorization], text.lowercased().hasPrefix("bearer ") else { return nil }
        return accounts.account(token: String(text.dropFirst("bearer ".count)))
    }

    /// With TLS, a prefix that makes browsers refuse such a cookie from a neighbour. Without, the port: browsers share
    /// cookies among all ports of a machine, and two consoles must not log each other out.
    private func cookieName(_ request: Request) -> String {
        let port = request.head.authority?.split(separator: ":").last.flatMap { UInt16($0) } ?? 80
        return isSecure ? "__Host-goldsmith" : "goldsmith-\(port)"
    }

    /// Sets the session's cookie, or takes it away.
    func setCookie(_ value: String?, on response: inout Response, to request: Request) {
        response.setCookie(
            Cookie(
                name: cookieName(request),
                value: value ?? "",
                maxAge: value == nil ? 0 : nil,
                path: "/",
                secure: isSecure,
                httpOnly: true,
                sameSite: .strict
            )
        )
    }

    // MARK: The login's own form

    /// Before there is a session, a cookie and the form hold two halves that only this process can match, so that no
    /// other site can log a user in as someone else.
    func loginProof(for request: Request) -> (cookie: Cookie, field: String) {
        let nonce = RandomBytes.token()
        let cookie = Cookie(
            name: cookieName(request) + "-login",
            value: nonce,
            maxAge: 3600,
            path: "/",
            secure: isSecure,
            httpOnly: true,
            sameSite: .strict
        )
        return (cookie, proof(of: nonce))
    }

    func isProven(_ fields: FormFields, of request: Request) -> Bool {
        guard let nonce = request.cookies[cookieName(request) + "-login"]?.value, let field = fields[Form.tokenField]
        else {
            return false
        }
        return ConstantTime.areEqual(proof(of: nonce), field)
    }

    private func proof(of nonce: String) -> String {
        Hex.text(HMAC<SHA256>.authenticationCode(for: Data(nonce.utf8), using: key))
    }
}
