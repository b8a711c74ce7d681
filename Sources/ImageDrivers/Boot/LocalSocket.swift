import Glibc

/// A connection to a socket in a folder of our own, for lines of JSON. What comes is from QEMU, or from the guest: it is
/// bounded, and looked at for one word.
final class LocalSocket: Sendable {
    private static let longestLine = 64 << 10
    private let descriptor: CInt

    /// - Returns: `nil` when nothing listens there.
    init?(_ path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isShort = withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard path.utf8.count < room.count else { return false }
            room.copyBytes(from: path.utf8)
            return true
        }
        guard isShort else { return nil }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
        guard descriptor >= 0 else { return nil }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// - Returns: whether it was taken whole.
    func send(_ line: String) -> Bool {
        let bytes = Array((line + "\n").utf8)
        // A peer that has gone must not end this process.
        return bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            == bytes.count
    }

    /// Waits for a line that holds one of some words.
    /// - Returns: `nil` when none came in time, or the other end has gone.
    func receive(_ words: [String], within limit: Duration) -> String? {
        let deadline = ContinuousClock.now + limit
        var line: [UInt8] = []
        while true {
            var byte: UInt8 = 0
            let count = recv(descriptor, &byte, 1, 0)
            if count == 1 {
                guard byte == 0x0A else {
                    line.append(byte)
                    guard line.count <= Self.longestLine else { return nil }
                    continue
                }
                let text = String(decoding: line, as: UTF8.self)
                if words.contains(where: { text.contains($0) }) { return text }
                line = []
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN {
                let rest = deadline - .now
                guard rest > .zero else { return nil }
                var poll = pollfd(descriptor: descriptor)
                _ = Glibc.poll(&poll, 1, CInt(min(200, max(1, rest / .milliseconds(1)))))
            } else {
                return nil
            }
        }
    }
}

extension pollfd {
    fileprivate init(descriptor: CInt) { self.init(fd: descriptor, events: Int16(POLLIN), revents: 0) }
}

/// What is asked of a running QEMU.
struct MachineControl {
    private let socket: LocalSocket
    private var count = 0

    /// - Returns: `nil` when it does not answer yet.
    init?(_ path: String) {
        guard let socket = LocalSocket(path), socket.receive(["\"QMP\""], within: .seconds(5)) != nil,
            socket.send(#"{"execute":"qmp_capabilities","id":0}"#), Self.isDone(0, socket)
        else { return nil }
        self.socket = socket
    }

    /// - Returns: whether it was written.
    mutating func takePicture(_ path: String) -> Bool {
        let file = BlockNode.quoted(path)
        count += 1
        let arguments = #"{"filename":\#(file),"format":"png"}"#
        return socket.send(#"{"execute":"screendump","arguments":\#(arguments),"id":\#(count)}"#)
            && Self.isDone(count, socket)
    }

    /// Events are passed over, and so is a late answer to an earlier command.
    private static func isDone(_ command: Int, _ socket: LocalSocket) -> Bool {
        socket.receive(["\"id\": \(command)}", "\"id\": \(command),"], within: .seconds(5))?.contains("\"return\"")
            == true
    }
}
