import Glibc
import Synchronization
import SystemPackage

/// A TCP forwarder on 127.0.0.1 which can break connections at a chosen byte.
///
/// With several targets it is a small load balancer: each connection goes to the next of those that take one.
public final class FaultProxy: Sendable {
    public enum Direction: Sendable {
        case toServer, toClient
    }

    private struct Pair {
        let client: CInt
        let server: CInt
        var openEnds = 2
    }
    private struct State {
        var pairs: [Int: Pair] = [:]
        var nextID = 0
        /// Bytes still let through before the connection they run on is cut.
        var remaining: [Direction: Int] = [:]
        /// Connections are cut before these bytes reach the server.
        var markers: [[UInt8]] = []
        var cuts = 0
        var turn = 0
    }

    public let port: Int
    private let targets: [Int]
    private let listener: CInt
    private let state = Mutex(State())

    public convenience init(to target: Int) throws { try self.init(to: [target]) }

    public init(to targets: [Int]) throws {
        self.targets = targets
        (listener, port) = try Sockets.listen()
        try detach { [weak self, listener] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self else { return }
                self.forward(client)
            }
        }
    }

    deinit { stop() }

    /// How many connections a byte limit or a marker has cut so far.
    public var cuts: Int { state.withLock { $0.cuts } }

    /// Cuts the connection over which `bytes` more have gone in `direction`. Once.
    public func cut(after bytes: Int, _ direction: Direction) {
        state.withLock { $0.remaining[direction] = bytes }
    }

    /// From now on cuts every connection before `bytes` reach the server over it: a broker that ends the connection at a
    /// chosen message, and says no word.
    public func cutAlways(before bytes: [UInt8]) {
        state.withLock { $0.markers.append(bytes) }
    }

    /// Cuts all connections now.
    public func cut() {
        state.withLock { state in
            for pair in state.pairs.values { Self.reset(pair) }
        }
    }

    /// Takes no more connections and cuts those there are.
    public func stop() {
        shutdown(listener, CInt(SHUT_RDWR))
        cut()
    }

    private static func reset(_ pair: Pair) {
        for end in [pair.client, pair.server] { shutdown(end, CInt(SHUT_RDWR)) }
    }

    private func forward(_ client: CInt) {
        guard let server = connectToNext() else {
            close(client)
            return
        }
        let id = state.withLock { state in
            state.nextID += 1
            state.pairs[state.nextID] = Pair(client: client, server: server)
            return state.nextID
        }
        start(client, server, .toServer, id)
        start(server, client, .toClient, id)
    }

    private func connectToNext() -> CInt? {
        let first = state.withLock { state in
            state.turn += 1
            return state.turn
        }
        for offset in targets.indices {
            if let server = Sockets.connect(targets[(first + offset) % targets.count]) { return server }
        }
        return nil
    }

    private func start(_ source: CInt, _ sink: CInt, _ direction: Direction, _ id: Int) {
        do {
            try detach { self.pump(from: source, to: sink, direction, id) }
        } catch {
            // No thread left: to the client that is one more broken connection.
            end(id)
        }
    }

    private func pump(from source: CInt, to sink: CInt, _ direction: Direction, _ id: Int) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        // What came last, for a marker that comes in two parts.
        var tail: [UInt8] = []
        while true {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            if direction == .toServer {
                let seen = tail + buffer[..<count]
                guard !isMarked(seen) else { break }
                tail = Array(seen.suffix(255))
            }
            let (allowed, isCut) = allowance(count, direction)
            guard Sockets.sendAll(sink, buffer[..<allowed]), !isCut else { break }
        }
        end(id)
    }

    /// One of the two directions of a connection has ended: end the other.
    private func end(_ id: Int) {
        state.withLock { state in
            guard var pair = state.pairs[id] else { return }
            Self.reset(pair)
            pair.openEnds -= 1
            state.pairs[id] = pair
            guard pair.openEnds == 0 else { return }
            close(pair.client)
            close(pair.server)
            state.pairs[id] = nil
        }
    }

    private func isMarked(_ bytes: [UInt8]) -> Bool {
        state.withLock { state in
            let isMarked = state.markers.contains { bytes.firstRange(of: $0) != nil }
            if isMarked { state.cuts += 1 }
            return isMarked
        }
    }

    private func allowance(_ count: Int, _ direction: Direction) -> (Int, isCut: Bool) {
        state.withLock { state in
            guard let left = state.remaining[direction] else { return (count, false) }
            guard count > left else {
                state.remaining[direction] = left - count
                return (count, false)
            }
            state.remaining[direction] = nil
            state.cuts += 1
            return (left, true)
        }
    }
}

/// A server which greets every client with the same bytes and then says no more.
public final class MuteServer: Sendable {
    public let port: Int
    private let listener: CInt

    /// - Parameter hangsUp: whether it closes the connection after the greeting.
    public init(greeting: [UInt8] = [], hangsUp: Bool = false) throws {
        (listener, port) = try Sockets.listen()
        try detach { [listener] in
            var held: [CInt] = []
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { break }
                _ = Sockets.sendAll(client, greeting[...])
                if hangsUp { close(client) } else { held.append(client) }
            }
            for client in held { close(client) }
        }
    }

    deinit { shutdown(listener, CInt(SHUT_RDWR)) }
}

private enum Sockets {
    struct Failure: Error {
        let code = errno
    }

    static func listen() throws -> (descriptor: CInt, port: Int) {
        let descriptor = try open()
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard bind(descriptor, address, length) == 0, Glibc.listen(descriptor, 64) == 0 else { return CInt(-1) }
                return getsockname(descriptor, address, &length)
            }
        }
        guard status == 0 else { throw Failure() }
        return (descriptor, Int(address.sin_port.bigEndian))
    }

    static func connect(_ port: Int) -> CInt? {
        // Nil is what the caller needs to know; why does not matter to a proxy.
        guard let descriptor = try? open() else { return nil }
        var address = loopback(port)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status == 0 { return descriptor }
        close(descriptor)
        return nil
    }

    static func sendAll(_ descriptor: CInt, _ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func open() throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure() }
        var one: CInt = 1
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        return descriptor
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return address
    }
}

/// Runs `body` on a thread of its own: it blocks, so it must not take one of the cooperative pool.
private func detach(_ body: @escaping @Sendable () -> Void) throws {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    let status = pthread_create(
        &thread,
        nil,
        { context in
            guard let context else { return nil }
            Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
            return nil
        },
        box.toOpaque()
    )
    guard status == 0 else {
        box.release()
        throw Errno(rawValue: status)
    }
    pthread_detach(thread)
}
