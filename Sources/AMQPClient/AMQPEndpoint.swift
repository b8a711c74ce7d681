/// Where a broker is and as whom to log in.
///
/// Parsed from `amqp[s]://user:password@host:port/vhost`, percent-decoded part by part. Left out: user and password
/// `guest`, port 5672 (5671 with TLS), virtual host `/`. With `amqps` the query may name files, as RabbitMQ's URI
/// query parameters do: `cacertfile`, `certfile`, `keyfile`, and `verify=verify_none` (default `verify_peer`).
public struct AMQPEndpoint: Sendable, Hashable {
    /// How the connection is encrypted. TLS 1.2 is the oldest version accepted.
    public struct TLS: Sendable, Hashable {
        /// PEM file of the authorities trusted. Default: Debian's list of public ones.
        public var authorityFile: String = "/etc/ssl/certs/ca-certificates.crt"
        /// PEM file of the client's certificate chain, with ``keyFile``. Default none.
        public var certificateFile: String?
        /// PEM file of the key to ``certificateFile``, not encrypted. Default none.
        public var keyFile: String?
        /// Whether the broker's certificate and its host name are checked. Default true.
        public var verifiesPeer = true

        /// The system's authorities, no client certificate, and the broker's certificate checked.
        public init() {}
    }

    /// A name, or an IPv4 or IPv6 address (without brackets).
    public var host: String
    /// 1–65535.
    public var port: Int
    /// As whom to log in, by SASL PLAIN.
    public var user: String
    /// Never shown by ``description``, ``debugDescription`` or a mirror.
    public var password: String
    /// RabbitMQ's first one is called `/`.
    public var virtualHost: String
    /// Nil for a connection in the clear.
    public var tls: TLS?

    /// The parts as they are, not percent-encoded. With TLS give the port too, which brokers have at 5671.
    public init(
        host: String,
        port: Int = 5672,
        user: String = "guest",
        password: String = "guest",
        virtualHost: String = "/",
        tls: TLS? = nil
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.virtualHost = virtualHost
        self.tls = tls
    }

    /// Parses a URL, as described for ``AMQPEndpoint``.
    ///
    /// - Parameter url: begins with `amqp://` or `amqps://`.
    /// - Throws: ``AMQPError/Kind/invalidEndpoint``; the text names the wrong part and never quotes it.
    public init(parsing url: String) throws(AMQPError) {
        func invalid(_ text: String) -> AMQPError { AMQPError(.invalidEndpoint, text) }
        func decoded(_ part: some StringProtocol, _ name: String) throws(AMQPError) -> String {
            guard let text = percentDecoded(part), !text.utf8.contains(0) else {
                throw invalid("the \(name) is not percent-encoded UTF-8")
            }
            return text
        }
        let lowercased = url.prefix(8).lowercased()
        let usesTLS = lowercased.hasPrefix("amqps://")
        guard usesTLS || lowercased.hasPrefix("amqp://") else {
            throw invalid("the URL must begin with amqp:// or amqps://")
        }
        var rest = url.dropFirst(usesTLS ? 8 : 7)
        guard !rest.contains("#") else { throw invalid("a URL fragment has no meaning here; write # as %23") }

        var query = Substring()
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        var virtualHost = "/"
        if let slash = rest.firstIndex(of: "/") {
            let path = rest[rest.index(after: slash)...]
            guard !path.contains("/") else { throw invalid("write / inside the virtual host as %2F") }
            if !path.isEmpty { virtualHost = try decoded(path, "virtual host") }
            rest = rest[..<slash]
        }
        var (user, password) = ("guest", "guest")
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = try decoded(parts[0], "user")
            password = parts.count > 1 ? try decoded(parts[1], "password") : ""
            rest = rest[rest.index(after: at)...]
        }
        var port = usesTLS ? 5671 : 5672
        let afterBracket = rest.lastIndex(of: "]") ?? rest.startIndex
        if let colon = rest[afterBracket...].lastIndex(of: ":") {
            let digits = rest[rest.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits),
                (1...65535).contains(number)
            else { throw invalid("the port must be a number from 1 to 65535") }
            port = number
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
        let host = try decoded(rest, "host")
        guard !host.isEmpty, !host.contains(where: { $0 == "[" || $0 == "]" || $0.isWhitespace }) else {
            throw invalid("the host is missing or malformed")
        }
        guard usesTLS || query.isEmpty else { throw invalid("query parameters are for amqps:// only") }
        self.init(host: host, port: port, user: user, password: password, virtualHost: virtualHost)
        if usesTLS { tls = try Self.parseTLS(query, decoded) }
    }

    private static func parseTLS(
        _ query: Substring,
        _ decoded: (Substring, String) throws(AMQPError) -> String
    ) throws(AMQPError) -> TLS {
        var tls = TLS()
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? try decoded(parts[1], "query") : ""
            switch parts[0] {
            case "cacertfile": tls.authorityFile = value
            case "certfile": tls.certificateFile = value
            case "keyfile": tls.keyFile = value
            case "verify" where value == "verify_none": tls.verifiesPeer = false
            case "verify" where value == "verify_peer": tls.verifiesPeer = true
            default:
                throw AMQPError(.invalidEndpoint, "the query may have cacertfile, certfile, keyfile and verify only")
            }
        }
        guard (tls.certificateFile == nil) == (tls.keyFile == nil) else {
            throw AMQPError(.invalidEndpoint, "certfile and keyfile go together")
        }
        return tls
    }
}

extension AMQPEndpoint: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The endpoint as a URL without its password, for logs and errors.
    public var redacted: String {
        let scheme = tls == nil ? "amqp" : "amqps"
        // Colons stand unencoded in an IPv6 address; whatever else a host was given may be anything.
        let shownHost =
            host.contains(":")
            ? "[\(host.split(separator: ":", omittingEmptySubsequences: false).map(percentEncoded).joined(separator: ":"))]"
            : percentEncoded(host)
        return
            "\(scheme)://\(percentEncoded(user))@\(shownHost):\(port)/\(virtualHost == "/" ? "" : percentEncoded(virtualHost))"
    }

    /// What an attacker on the way to the broker could do, for a warning; `nil` when nothing.
    public var exposure: String? {
        guard let tls else {
            let isOwnMachine = host == "localhost" || host == "::1" || host.hasPrefix("127.")
            return isOwnMachine ? nil : "is not encrypted: others on its way can read passwords and change messages"
        }
        return tls.verifiesPeer ? nil : "may go to an impostor: the broker's certificate is not checked"
    }

    /// The same as ``redacted``.
    public var description: String { redacted }
    /// The same as ``redacted``.
    public var debugDescription: String { redacted }
    /// Shows only ``redacted``, so that `dump` and string reflection do not show the password either.
    public var customMirror: Mirror { Mirror(self, children: ["url": redacted]) }
}

private func percentEncoded(_ text: some StringProtocol) -> String {
    let hex = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case 48...57, 65...90, 97...122, 45, 46, 95, 126: bytes.append(byte)
        default: bytes += [37, hex[Int(byte >> 4)], hex[Int(byte & 15)]]
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

private func percentDecoded(_ text: some StringProtocol) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        guard byte == 37 else {
            bytes.append(byte)
            continue
        }
        guard let high = rest.popFirst(), let low = rest.popFirst(), let value = hexValue(high, low) else { return nil }
        bytes.append(value)
    }
    return String(validating: bytes, as: UTF8.self)
}

private func hexValue(_ high: UInt8, _ low: UInt8) -> UInt8? {
    func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
    guard let high = digit(high), let low = digit(low) else { return nil }
    return high << 4 | low
}
