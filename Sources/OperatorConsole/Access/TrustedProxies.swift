import Glibc

/// The proxies that are trusted to name a request's origin.
///
/// Each proxy appends the address it was called from to `X-Forwarded-For`. Entries of our own proxies can be trusted,
/// those to their left cannot: the client is the rightmost address that is not one of our proxies.
public struct TrustedProxies: Sendable, Equatable {
    /// An address as 16 bytes, one of IPv4 inside of IPv6.
    private struct Address: Sendable, Equatable, CustomStringConvertible {
        static let mapped: [UInt8] = Array(repeating: 0, count: 10) + [0xFF, 0xFF]

        var bytes: [UInt8]

        /// `nil` unless it is an IP address and nothing else.
        init?(_ text: some StringProtocol) {
            let text = String(text)
            var four = in_addr()
            var six = in6_addr()
            if inet_pton(AF_INET, text, &four) == 1 {
                bytes = Self.mapped + withUnsafeBytes(of: &four) { Array($0) }
            } else if inet_pton(AF_INET6, text, &six) == 1 {
                bytes = withUnsafeBytes(of: &six) { Array($0) }
            } else {
                return nil
            }
        }

        var isIPv4: Bool { bytes.prefix(12).elementsEqual(Self.mapped) }

        /// However it was spelt, the same.
        var description: String {
            isIPv4
                ? bytes.suffix(4).map { String($0) }.joined(separator: ".")
                : stride(from: 0, to: 16, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
                    .joined(separator: ":")
        }
    }

    private struct Network: Sendable, Equatable {
        var address: Address
        /// Of all 128.
        var bits: Int

        init?(_ text: Substring) {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let address = Address(parts[0]) else { return nil }
            self.address = address
            let width = address.isIPv4 ? 32 : 128
            guard parts.count == 2 else {
                bits = 128
                return
            }
            guard let length = Int(parts[1]), (1...width).contains(length) else { return nil }
            bits = length + 128 - width
        }

        func contains(_ other: Address) -> Bool {
            (0..<bits).allSatisfy { bit in
                let mask = UInt8(0x80) >> UInt8(bit % 8)
                return address.bytes[bit / 8] & mask == other.bytes[bit / 8] & mask
            }
        }
    }

    public static let sentence = "a list of IP addresses or networks, such as 127.0.0.1,10.1.0.0/16,::1"
    /// No proxy is believed.
    public static let none = TrustedProxies(networks: [])
    /// More proxies than any installation has in a row.
    private static let longestChain = 32

    private let networks: [Network]

    private init(networks: [Network]) { self.networks = networks }

    /// `nil` unless it is such a list. A network of all addresses is refused: any client could then claim any address.
    public init?(_ text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Network($0.trimmingSpaces()) }
        let networks = parts.compactMap { $0 }
        guard networks.count == parts.count else { return nil }
        self.networks = networks
    }

    /// The client's address, as far as it can be believed.
    /// - Parameters:
    ///   - peer: the address at the other end of the connection.
    ///   - forwarded: `X-Forwarded-For`, all fields of that name in order, separated by commas.
    func client(of peer: String, forwarded: String?) -> String {
        guard var client = Address(peer) else { return peer }
        let hops = (forwarded ?? "").split(separator: ",", omittingEmptySubsequences: false).suffix(Self.longestChain)
        for hop in hops.reversed() {
            guard networks.contains(where: { $0.contains(client) }) else { break }
            // A trusted proxy adds only addresses, so the hop before this entry is the client.
            guard let next = Address(hop.trimmingSpaces()) else { break }
            client = next
        }
        return client.description
    }
}

extension Substring {
    fileprivate func trimmingSpaces() -> Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
