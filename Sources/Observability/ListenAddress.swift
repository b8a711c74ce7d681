/// Where to listen: `127.0.0.1:8484`, `[::1]:8484`, `0.0.0.0:8484`. A port of 0 is any free one.
public struct ListenAddress: Sendable, Equatable {
    public var host: String
    public var port: Int

    public static let sentence = "an IP address or localhost, and a port, such as 127.0.0.1:8484 or [::1]:8484"

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `nil` unless `text` is an IP address or `localhost`, which is 127.0.0.1, and a port: a name might lead anywhere.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = host.dropFirst().dropLast()
            guard inner.contains(":"), inner.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
            self.host = String(inner)
        } else if host == "localhost" {
            self.host = "127.0.0.1"
        } else {
            let parts = host.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 4, parts.allSatisfy({ UInt8($0) != nil }) else { return nil }
            self.host = String(host)
        }
        self.port = Int(port)
    }

    /// The same address some ports further, for another process beside the one that listens here. Any free port stays
    /// one.
    public func after(_ count: Int) -> ListenAddress {
        ListenAddress(host: host, port: port > 0 ? port + count : 0)
    }

    /// Whether only this machine can reach it.
    public var isLoopback: Bool { host.hasPrefix("127.") || host == "::1" }

    /// As it stands in a URL.
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
