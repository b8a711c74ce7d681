import Glibc

/// A disk that `qemu-nbd` serves to this process over a socket, to be read. It says nothing of the disk's format, nor of
/// its files: those are QEMU's to know.
///
/// Only what a reader needs of NBD: the fixed newstyle handshake, the export without a name, simple replies, one request
/// at a time (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>).
final class NBDExport: Sendable {
    /// A server may refuse longer requests.
    private static let requestLimit = 1 << 20
    /// For QEMU to open a chain of files on a busy machine.
    private static let startLimit = Duration.seconds(15)

    private let descriptor: CInt
    /// In bytes.
    let size: Int64

    /// Waits until the server is there.
    init(socket path: String) throws(GuestTrouble) {
        descriptor = try Self.connected(path)
        do throws(GuestTrouble) { size = try Self.shakeHands(descriptor) } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Reads exactly as much as there is room for.
    func read(at offset: Int64, into room: UnsafeMutableRawBufferPointer) throws(GuestTrouble) {
        let (end, isTooFar) = offset.addingReportingOverflow(Int64(room.count))
        guard offset >= 0, !isTooFar, end <= size else { throw GuestTrouble(text: "what is read lies behind the disk") }
        var done = 0
        while done < room.count {
            let count = min(Self.requestLimit, room.count - done)
            try Self.send(
                Self.bytes(0x2560_9513 as UInt32) + [0, 0, 0, 0] + Self.bytes(UInt64(done))
                    + Self.bytes(UInt64(offset) + UInt64(done)) + Self.bytes(UInt32(count)),
                descriptor
            )
            let reply = try Self.receive(16, descriptor)
            guard Self.number(reply[0..<4]) == 0x6744_6698, Self.number(reply[8..<16]) == UInt64(done) else {
                throw Self.nonsense
            }
            guard Self.number(reply[4..<8]) == 0 else { throw GuestTrouble(text: "the disk cannot be read") }
            try Self.receive(UnsafeMutableRawBufferPointer(rebasing: room[done..<(done + count)]), descriptor)
            done += count
        }
    }

    func read(at offset: Int64, count: Int) throws(GuestTrouble) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var trouble: GuestTrouble?
        bytes.withUnsafeMutableBytes { room in
            do throws(GuestTrouble) { try read(at: offset, into: room) } catch { trouble = error }
        }
        if let trouble { throw trouble }
        return bytes
    }

    // MARK: The protocol

    private static let nonsense = GuestTrouble(text: "qemu-nbd says what is not understood")

    private static func connected(_ path: String) throws(GuestTrouble) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isShort = withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard path.utf8.count < room.count else { return false }
            room.copyBytes(from: path.utf8)
            return true
        }
        guard isShort else { throw GuestTrouble(text: "the socket's path is too long") }
        let deadline = ContinuousClock.now + startLimit
        while true {
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
            guard descriptor >= 0 else { throw GuestTrouble(text: "no socket: \(String(cString: strerror(errno)))") }
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return descriptor }
            let reason = String(cString: strerror(errno))
            close(descriptor)
            guard ContinuousClock.now < deadline else { throw GuestTrouble(text: "no qemu-nbd answers: \(reason)") }
            usleep(2000)
        }
    }

    /// - Returns: the export's size.
    private static func shakeHands(_ descriptor: CInt) throws(GuestTrouble) -> Int64 {
        let greeting = try receive(18, descriptor)
        // Fixed newstyle, and no padding behind the answer.
        guard greeting[0..<8].elementsEqual("NBDMAGIC".utf8), greeting[8..<16].elementsEqual("IHAVEOPT".utf8),
            number(greeting[16..<18]) & 3 == 3
        else { throw nonsense }
        try send(bytes(3 as UInt32) + Array("IHAVEOPT".utf8) + bytes(1 as UInt32) + bytes(0 as UInt32), descriptor)
        let answer = try receive(10, descriptor)
        guard let size = Int64(exactly: number(answer[0..<8])) else { throw nonsense }
        return size
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private static func send(_ bytes: [UInt8], _ descriptor: CInt) throws(GuestTrouble) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw GuestTrouble(text: "qemu-nbd has gone") }
            rest = rest.dropFirst(count)
        }
    }

    private static func receive(_ count: Int, _ descriptor: CInt) throws(GuestTrouble) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var trouble: GuestTrouble?
        bytes.withUnsafeMutableBytes { room in
            do throws(GuestTrouble) { try receive(room, descriptor) } catch { trouble = error }
        }
        if let trouble { throw trouble }
        return bytes
    }

    private static func receive(_ room: UnsafeMutableRawBufferPointer, _ descriptor: CInt) throws(GuestTrouble) {
        var done = 0
        while done < room.count {
            let count = Glibc.read(descriptor, room.baseAddress?.advanced(by: done), room.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw GuestTrouble(text: "qemu-nbd has gone") }
            done += count
        }
    }
}
