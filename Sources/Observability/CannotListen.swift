import Glibc
import NIOCore

/// Why nothing can listen at an address.
public struct CannotListen: Error, Equatable {
    public enum Reason: Equatable, Sendable {
        /// Another process has the port.
        case taken
        /// No network interface here has the address.
        case elsewhere
        /// Ports below 1024 are not for every user.
        case forbidden
        /// What the system said.
        case other(String)
    }

    public var address: ListenAddress
    public var reason: Reason

    public init(address: ListenAddress, reason: Reason) {
        (self.address, self.reason) = (address, reason)
    }

    /// `nil` unless the system refused to open the port.
    package init?(_ error: any Error, at address: ListenAddress) {
        guard let error = error as? IOError else { return nil }
        let reason: Reason =
            switch error.errnoCode {
            case EADDRINUSE: .taken
            case EADDRNOTAVAIL: .elsewhere
            case EACCES: .forbidden
            default: .other(String(cString: strerror(error.errnoCode)))
            }
        self.init(address: address, reason: reason)
    }

    /// One sentence, without a capital and a full stop.
    public var message: String {
        switch reason {
        case .taken: "the port \(address.port) of \(address.host) is taken"
        case .elsewhere: "\(address.host) is not an address of this machine"
        case .forbidden: "this user may not listen at the port \(address.port) of \(address.host)"
        case .other(let text): "cannot listen at \(address.authority): \(text)"
        }
    }

    /// What to do about it.
    public var advice: String {
        switch reason {
        case .taken: "give each process on one machine a port of its own; `ss -ltnp` says who has this one"
        case .elsewhere: "choose an address that `ip address` shows, or 0.0.0.0 for all of them"
        case .forbidden: "choose a port above 1023"
        case .other: "choose another address or port"
        }
    }
}
