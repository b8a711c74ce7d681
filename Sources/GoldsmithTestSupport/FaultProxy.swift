import Glibc
import Synchronization

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
        /// Whatever its server says is not passed on.
        var isMuted = false
    }
    private struct State {
        var pairs: [Int: Pair] = [:]
        var nextID = 0
        /// Bytes still let through before the connection they run on is cut.
        var remaining: [Direction: Int] = [:]
        /// Connections are cut before these bytes reach the server.
        var markers: [[UInt8]] = []
        /// A connection over which these bytes went to the server is cut when the server answers. Once for each.
        var unanswered: [[UInt8]] = []
        /// Bytes that reach the server as others of the same number. Once for each.
        var changes: [(from: [UInt8], to: [UInt8])] = []
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

    /// How many connections were cut or changed so far, other than by `cut()`.
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

    /// Cuts the connection over which `bytes` went to the server, as soon as the server answers: the request is done, and
    /// its answer lost. Once.
    public func loseAnswer(to bytes: [UInt8]) { state.withLock { $0.unanswered.append(bytes) } }

    /// Lets `to`, as long as `from`, reach the server in its place. Once.
    public func change(_ from: [UInt8], to: [UInt8]) {
        precondition(from.count == to.count, "a change must not move what follows")
        state.withLock { $0.changes.append((from, to)) }
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
                tamper(&buffer, count, id)
            } else if isMuted(id) {
                break
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

    /// Changes and mutes by what goes to the server in one piece, as the head of a request does.
    private func tamper(_ buffer: inout [UInt8], _ count: Int, _ id: Int) {
        state.withLock { state in
            if let index = state.unanswered.firstIndex(where: { buffer[..<count].firstRange(of: $0) != nil }) {
                state.unanswered.remove(at: index)
                state.pairs[id]?.isMuted = true
            }
            for (index, change) in state.changes.enumerated() {
                guard let range = buffer[..<count].firstRange(of: change.from) else { continue }
                buffer.replaceSubrange(range, with: change.to)
                state.changes.remove(at: index)
                state.cuts += 1
                return
            }
        }
    }

    private func isMuted(_ id: Int) -> Bool {
        state.withLock { state in
            guard state.pairs[id]?.isMuted == true else { return false }
            state.cuts += 1
            return true
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
