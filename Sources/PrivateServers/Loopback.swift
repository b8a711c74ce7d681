import Glibc

/// TCP ports on 127.0.0.1.
package enum Loopback {
    struct NoFreePort: Error {}

    /// Different ports on which no process listens, reserved for this process until it ends. They are below the range of
    /// outgoing connections' ports, so none can be taken by a client, not even by one which tries to reach a server that
    /// is just being restarted.
    ///
    /// A server needs seconds until it listens, and another process that looks for a port would take its port meanwhile.
    /// So each port is bound for UDP too, which no server here uses: that is the reservation, and the kernel ends it with
    /// the process.
    package static func freePorts(_ count: Int) throws -> [Int] {
        var ports: Set<Int> = []
        for _ in 0..<1000 where ports.count < count {
            let port = Int.random(in: 20_000..<32_000)
            guard let reservation = reserve(port) else { continue }
            if withSocket(port, { bind($0, $1, $2) }) == 0 { ports.insert(port) } else { close(reservation) }
        }
        guard ports.count == count else { throw NoFreePort() }
        return Array(ports)
    }

    /// Ports one after the other, free and reserved as with ``freePorts(_:)``.
    package static func freePortsInARow(_ count: Int) throws -> [Int] {
        for _ in 0..<1000 {
            let first = Int.random(in: 20_000..<(32_000 - count))
            let ports = Array(first..<first + count)
            let reservations = ports.compactMap { reserve($0) }
            if reservations.count == count, ports.allSatisfy({ withSocket($0, { bind($0, $1, $2) }) == 0 }) {
                return ports
            }
            for reservation in reservations { close(reservation) }
        }
        throw NoFreePort()
    }

    package static func isListening(on port: Int) -> Bool { withSocket(port) { connect($0, $1, $2) } == 0 }

    /// Whether a server at `port` answers an AMQP protocol header.
    static func answersAMQP(_ port: Int) -> Bool {
        withSocket(port) { descriptor, address, length in
            var timeout = timeval(tv_sec: 2, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            guard connect(descriptor, address, length) == 0 else { return -1 }
            let greeting: [UInt8] = Array("AMQP".utf8) + [0, 0, 9, 1]
            var answer: UInt8 = 0
            // A method frame begins with 1; a server which is not ready closes instead.
            let isReady = send(descriptor, greeting, 8, CInt(MSG_NOSIGNAL)) == 8 && recv(descriptor, &answer, 1, 0) == 1
            return isReady && answer == 1 ? 0 : -1
        } == 0
    }

    /// - Returns: the open socket that reserves the port; `nil` when another process has reserved it.
    private static func reserve(_ port: Int) -> CInt? {
        let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        guard withAddress(port, { bind(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func withSocket(
        _ port: Int,
        _ body: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return -1 }
        defer { close(descriptor) }
        return withAddress(port) { body(descriptor, $0, $1) }
    }

    private static func withAddress(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
