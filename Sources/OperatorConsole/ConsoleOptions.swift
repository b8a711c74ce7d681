public import Observability

/// How a console listens, and how people reach it.
public struct ConsoleOptions: Sendable {
    public var address: ListenAddress
    /// The address in people's browsers when a proxy, for example with TLS, is in front of the console.
    public var origin: WebOrigin?
    /// The proxies whose `X-Forwarded-For` is believed. Default: none.
    public var proxies: TrustedProxies
    /// How often queues are looked at.
    public var sampleEvery: Duration
    /// How often an open page is checked for changes.
    public var pollEvery: Duration
    /// Open pages with live updates, at most.
    public var viewers: Int
    /// How long to wait for a request's answer before saying that there is none yet.
    public var answerWithin: Duration

    public init(
        address: ListenAddress,
        origin: WebOrigin? = nil,
        proxies: TrustedProxies = .none,
        sampleEvery: Duration = .seconds(5),
        pollEvery: Duration = .seconds(1),
        viewers: Int = 64,
        answerWithin: Duration = .seconds(10)
    ) {
        self.address = address
        self.origin = origin
        self.proxies = proxies
        self.sampleEvery = sampleEvery
        self.pollEvery = pollEvery
        self.viewers = viewers
        self.answerWithin = answerWithin
    }

    /// The hosts a request may name. A hostile page whose name resolves to this console (DNS rebinding) names its own.
    func allows(host: String) -> Bool {
        if let origin, host.lowercased() == origin.authority { return true }
        guard address.isLoopback else { return false }
        return ["127.0.0.1", "localhost", "[::1]"].contains { name in
            let rest = host.dropFirst(name.count)
            return host.lowercased().hasPrefix(name)
                && (rest.isEmpty || rest.first == ":" && UInt16(rest.dropFirst()) != nil)
        }
    }
}

extension ListenAddress {
    /// Where a console listens, unless it is set.
    public static let standard = ListenAddress(host: "127.0.0.1", port: 8484)
}

/// `https://goldsmith.example.org` or `http://10.0.0.5:8484`: a scheme, a host and perhaps a port, and nothing else.
public struct WebOrigin: Sendable, Equatable {
    public let isSecure: Bool
    /// Host and port, lower case.
    public let authority: String

    public static let sentence = "an address such as https://goldsmith.example.org, without a path"

    public init?(_ text: String) {
        let lower = text.lowercased()
        if lower.hasPrefix("https://") {
            isSecure = true
        } else if lower.hasPrefix("http://") {
            isSecure = false
        } else {
            return nil
        }
        authority = String(lower.dropFirst(isSecure ? 8 : 7))
        let allowed = authority.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-:[]".contains($0)) }
        guard !authority.isEmpty, allowed else { return nil }
    }

    public var text: String { (isSecure ? "https://" : "http://") + authority }
}
