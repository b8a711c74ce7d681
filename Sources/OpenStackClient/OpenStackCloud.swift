import AsyncHTTPClient
import Dispatch
import Glibc
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// One project of an OpenStack cloud, by its HTTP interfaces.
///
/// Rules for every request:
/// - It ends within its time limit, or when its task is cancelled.
/// - 401 is answered by one new token and one more try.
/// - A request that changes nothing is tried three times when the cloud cannot be reached, answers 5xx or not at all.
///   One that changes something is sent once: who asked must look what became of it.
/// - Requests that change nothing and ask the same at the same time share one answer, which is never older than the
///   question.
/// - Quotas (413, 403) are never waited for.
/// - Redirects are not followed: a token goes only where the catalog says.
public final class OpenStackCloud: Sendable {
    public let access: CloudAccess
    let http: HTTPClient
    private let keeper: TokenKeeper
    private let pauses: [Duration]
    /// How many requests services got.
    let sent = Atomic(0)
    private let looks = SharedAnswers<CloudRequest.Look, CloudAnswer>()

    /// - Parameter pauses: before each further try of a request that changes nothing.
    public init(_ access: CloudAccess, pauses: [Duration] = [.milliseconds(500), .seconds(2)]) {
        self.access = access
        self.pauses = pauses
        var tls = TLSConfiguration.makeClientConfiguration()
        if let file = access.caFile { tls.trustRoots = .file(file) }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            timeout: HTTPClient.Configuration.Timeout(connect: .seconds(5), read: .seconds(60), write: .seconds(60))
        )
        configuration.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
        self.http = http
        keeper = TokenKeeper { try await Self.askForToken(access, http) }
    }

    deinit {
        // Only connections that nothing uses are left: a request holds its cloud.
        http.shutdown(queue: .global()) { _ in }
    }

    // MARK: Tokens

    /// The project that the credential is of.
    public func projectID() async throws(OpenStackError) -> String { try await keeper.token().projectID }

    private static func askForToken(_ access: CloudAccess, _ http: HTTPClient) async throws -> Token {
        let body: JSONPart = [
            "auth": [
                "identity": [
                    "methods": ["application_credential"],
                    "application_credential": [
                        "id": .text(access.credentialID), "secret": .text(access.secret.text),
                    ],
                ]
            ]
        ]
        var request = HTTPClientRequest(url: access.authURL + "/auth/tokens")
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(try JSONText.encode(body))
        let answer = try await perform(request, http, within: .seconds(30))
        guard answer.status == 201, let value = answer.headers.first(name: "X-Subject-Token") else {
            throw OpenStackError(status: answer.status, body: answer.body)
        }
        return try Token(value: value, body: answer.body)
    }

    // MARK: Requests

    /// Asks, and gives the answer if its status is 2xx.
    public func send(_ request: CloudRequest) async throws(OpenStackError) -> CloudAnswer {
        guard let look = request.look else { return try await sendAgain(request) }
        return try await looks.answer(to: look) { () async throws(OpenStackError) in
            try await sendAgain(request)
        }
    }

    private func sendAgain(_ request: CloudRequest) async throws(OpenStackError) -> CloudAnswer {
        guard request.changesNothing else { return try await sendOnce(request) }
        return try await repeating { () async throws(OpenStackError) in try await sendOnce(request) }
    }

    /// Tries again what may pass, if it may be done more than once.
    func repeating<Value>(
        _ body: () async throws(OpenStackError) -> Value
    ) async throws(OpenStackError) -> Value {
        var pauses = self.pauses[...]
        while true {
            do throws(OpenStackError) {
                return try await body()
            } catch {
                let mayPass = error.kind == .unreachable || error.leavesDoubt || error.kind == .throttled
                guard mayPass, let pause = pauses.popFirst() else { throw error }
                do { try await Task.sleep(for: pause) } catch { throw .stopped }
            }
        }
    }

    private func sendOnce(_ request: CloudRequest) async throws(OpenStackError) -> CloudAnswer {
        sent.add(1, ordering: .relaxed)
        var token = try await keeper.token()
        var answer = try await Self.perform(try prepared(request, token), http, within: request.timeLimit)
        if answer.status == 401 {
            token = try await keeper.token(insteadOf: token.value)
            answer = try await Self.perform(try prepared(request, token), http, within: request.timeLimit)
        }
        guard (200..<300).contains(answer.status) else {
            throw OpenStackError(status: answer.status, body: answer.body)
        }
        return answer
    }

    private func prepared(_ request: CloudRequest, _ token: Token) throws(OpenStackError) -> HTTPClientRequest {
        var prepared = try prepared(request.method, request.service, request.path, request.query, token)
        if let body = request.body {
            prepared.headers.add(name: "Content-Type", value: request.contentType)
            prepared.body = .bytes(body)
        }
        return prepared
    }

    func prepared(
        _ method: CloudRequest.Method,
        _ service: CloudService,
        _ path: String,
        _ query: [(String, String)],
        _ token: Token
    ) throws(OpenStackError) -> HTTPClientRequest {
        var url = try token.url(of: service, for: access) + path
        for (index, (name, value)) in query.enumerated() {
            url += (index == 0 ? "?" : "&") + name + "=" + QueryText.escaped(value)
        }
        var prepared = HTTPClientRequest(url: url)
        prepared.method = HTTPMethod(rawValue: method.rawValue)
        prepared.headers.add(name: "X-Auth-Token", value: token.value)
        prepared.headers.add(name: "Accept", value: "application/json")
        if let version = service.microversion { prepared.headers.add(name: "OpenStack-API-Version", value: version) }
        return prepared
    }

    func freshToken() async throws(OpenStackError) -> Token { try await keeper.token() }

    static func perform(
        _ request: HTTPClientRequest,
        _ http: HTTPClient,
        within limit: Duration
    ) async throws(OpenStackError) -> CloudAnswer {
        do {
            let response = try await http.execute(request, deadline: .now() + TimeAmount(limit))
            let body = try await response.body.collect(upTo: CloudAnswer.largest)
            return CloudAnswer(
                status: Int(response.status.code),
                headers: response.headers,
                body: Array(body.readableBytesView)
            )
        } catch {
            throw OpenStackError(transport: error)
        }
    }
}

/// One request to a service.
public struct CloudRequest: Sendable {
    public enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    public var method: Method
    public var service: CloudService
    /// Below the service's address in the catalog, with its first slash.
    public var path: String
    public var query: [(String, String)]
    public var body: [UInt8]?
    public var contentType: String
    public var timeLimit: Duration

    public init(
        _ method: Method,
        _ service: CloudService,
        _ path: String,
        query: [(String, String)] = [],
        body: [UInt8]? = nil,
        contentType: String = "application/json",
        timeLimit: Duration = .seconds(60)
    ) {
        (self.method, self.service, self.path, self.query) = (method, service, path, query)
        (self.body, self.contentType, self.timeLimit) = (body, contentType, timeLimit)
    }

    var changesNothing: Bool { method == .get }

    /// What a request asks that changes nothing.
    struct Look: Hashable, Sendable {
        var service: CloudService
        var path: String
        var query: [String]
    }

    /// - Returns: `nil` for one that changes something.
    var look: Look? {
        changesNothing ? Look(service: service, path: path, query: query.map { $0 + "=" + $1 }) : nil
    }
}

/// What a service answered.
public struct CloudAnswer: Sendable {
    public let status: Int
    let headers: HTTPHeaders
    public let body: [UInt8]

    /// A list of a thousand servers has 4 MiB.
    static let largest = 32 << 20

    public func json<Value: Decodable>(_ type: Value.Type) throws(OpenStackError) -> Value {
        do {
            return try JSONText.decode(type, from: body)
        } catch {
            throw OpenStackError(.malformed, status: status, "an answer is not as its interface says")
        }
    }
}

extension OpenStackError {
    static let stopped = OpenStackError(.cancelled, "the request was cancelled")

    /// System errors of a connection that never came about.
    private static let connecting: Set<CInt> = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN]

    /// What a failure of the connection, also in the middle of a content, leaves known of the request.
    init(transport error: any Error) {
        if Task.isCancelled || error is CancellationError {
            self = .stopped
            return
        }
        switch error {
        case let error as OpenStackError: self = error
        case is NIOConnectionError: self.init(.unreachable, "no connection to the service")
        case let error as IOError where Self.connecting.contains(error.errnoCode):
            self.init(.unreachable, "no connection to the service")
        case is NIOSSLError, is NIOSSLExtraError:
            self.init(.unreachable, "no encrypted connection to the service: is its certificate's authority trusted?")
        case let error as HTTPClientError:
            switch error {
            case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
                self.init(.unreachable, "no connection to the service in time")
            case .cancelled: self = .stopped
            case .deadlineExceeded, .readTimeout, .writeTimeout:
                self.init(.lostAnswer, "no answer in time")
            case .invalidURL, .emptyHost, .emptyScheme: self.init(.refused, "the service's address is no URL")
            default: self.init(.lostAnswer, "the connection was cut before the answer was whole")
            }
        default: self.init(.lostAnswer, "the connection was cut before the answer was whole")
        }
    }
}

/// Values in a URL.
enum QueryText {
    static func escaped(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(UnicodeScalar(byte))
            default:
                let digits = Array("0123456789ABCDEF")
                result += "%" + String(digits[Int(byte >> 4)]) + String(digits[Int(byte & 15)])
            }
        }
    }
}
