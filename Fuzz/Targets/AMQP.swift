import CRabbitMQ

@testable import AMQPClient

extension FuzzTarget {
    /// What a broker sends. Records of a frame type, a channel, two bytes of length and a payload become the frames that
    /// librabbitmq reads and `FrameAssembler` puts together.
    static let amqpFrames = FuzzTarget(name: "amqp-frames") { input throws(BrokenPromise) in
        guard let connection = amqp_new_connection() else { return }
        defer { amqp_destroy_connection(connection) }
        var assembler = FrameAssembler()
        var rest = input[...]
        while rest.count >= 4 {
            let (type, channel) = (rest[rest.startIndex], rest[rest.startIndex + 1])
            let length = Int(rest[rest.startIndex + 2]) << 8 | Int(rest[rest.startIndex + 3])
            let payload = rest.dropFirst(4).prefix(length)
            rest = rest[payload.endIndex...]
            var wire: [UInt8] = [type, 0, channel]
            wire += withUnsafeBytes(of: UInt32(payload.count).bigEndian) { Array($0) }
            wire += payload + [0xCE]
            guard try read(wire, connection, &assembler) else { return }
        }
    }

    /// A table of headers as it stands on the wire, its length left out.
    static let amqpTables = FuzzTarget(name: "amqp-tables") { input throws(BrokenPromise) in
        guard input.count < 131_072, let table = decoded(input) else { return }
        try promise(table.values.allSatisfy { $0.depth <= AMQPValue.maximumDepth + 1 }, "it nests too deep")
        // As deep as is received may be one level more than is sent; too long a key cannot come.
        guard let size = table.wireSize() else { return }
        let pool = ScratchPool()
        var native = pool.table(table)
        var wire = [UInt8](repeating: 0, count: size)
        var offset = 0
        let status = wire.withUnsafeMutableBytes {
            amqp_encode_table(amqp_bytes_t(len: $0.count, bytes: $0.baseAddress), &native, &offset)
        }
        try promise(status == 0 && offset == size, "\(offset) bytes on the wire instead of \(size), status \(status)")
        guard let again = decoded(Array(wire.dropFirst(4))) else { throw BrokenPromise("sent, it cannot be read") }
        try promise(AMQPValue.table(again).isSame(as: .table(table)), "sent and read again it is another table")
    }

    /// The URL of a broker.
    static let amqpEndpoints = FuzzTarget(name: "amqp-endpoints") { input throws(BrokenPromise) in
        let url = String(decoding: input, as: UTF8.self)
        let endpoint: AMQPEndpoint
        do throws(AMQPError) { endpoint = try AMQPEndpoint(parsing: url) } catch {
            try promise(error.kind == .invalidEndpoint && !error.isRetriable, "\(error.kind)")
            try promiseShowable(error.text, atMost: 200, "the complaint")
            return
        }
        try promise((1...65535).contains(endpoint.port) && !endpoint.host.isEmpty, "no address")
        var other = endpoint
        other.password = "another"
        try promise(other.redacted == endpoint.redacted, "the password shows")
        try promiseShowable(endpoint.redacted, atMost: 3 * url.utf8.count + 64, "the URL that is shown")
        other = endpoint
        (other.password, other.tls) = ("guest", nil)
        var shown = endpoint.redacted
        if endpoint.tls != nil { shown = "amqp" + shown.dropFirst("amqps".count) }
        var again = try? AMQPEndpoint(parsing: shown)
        again?.password = "guest"
        try promise(again == other, "the URL that is shown is another place")
    }
}

/// - Returns: whether the stream can go on.
private func read(
    _ wire: [UInt8],
    _ connection: amqp_connection_state_t,
    _ assembler: inout FrameAssembler
) throws(BrokenPromise) -> Bool {
    var wire = wire
    var offset = 0
    while offset < wire.count {
        var frame = amqp_frame_t()
        let count = wire.withUnsafeMutableBytes { bytes in
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
            return amqp_handle_input(connection, amqp_bytes_t(len: rest.count, bytes: rest.baseAddress), &frame)
        }
        guard count > 0 else { return false }
        offset += Int(count)
        guard frame.frame_type != 0 else { continue }
        let event: BrokerEvent?
        do throws(AMQPError) { event = try assembler.event(from: frame) } catch {
            try promise(error.kind == .connectionLost, "\(error)")
            try promiseShowable(error.text, atMost: 200, "the reason")
            return false
        }
        if let event { try check(event) }
        amqp_maybe_release_buffers(connection)
    }
    return true
}

private func check(_ event: BrokerEvent) throws(BrokenPromise) {
    switch event {
    case .delivered(_, _, _, let received), .got(_, _, let received), .returned(_, _, let received):
        // Whatever came can be put away for a human: sent again with its properties, though not its headers.
        var copy = received.message
        copy.headers = [:]
        let publication = AMQPPublication(exchange: "parking", routingKey: received.routingKey, message: copy)
        do throws(AMQPError) {
            try publication.validate(frameMax: 131_072, maximumBodyBytes: 16 << 20)
        } catch {
            throw BrokenPromise("it came, and cannot be sent again: \(error)")
        }
    case .confirmed, .consumerCancelled, .blocked, .unblocked, .channelClosed, .connectionClosed, .reply, .ignored:
        break
    }
}

private func decoded(_ content: [UInt8]) -> AMQPTable? {
    var pool = amqp_pool_t()
    init_amqp_pool(&pool, 4096)
    defer { empty_amqp_pool(&pool) }
    var wire = withUnsafeBytes(of: UInt32(content.count).bigEndian) { Array($0) } + content
    var (table, offset) = (amqp_table_t(), 0)
    return wire.withUnsafeMutableBytes { bytes in
        let status = amqp_decode_table(
            amqp_bytes_t(len: bytes.count, bytes: bytes.baseAddress),
            &pool,
            &table,
            &offset
        )
        return status == 0 ? AMQPTable(table) : nil
    }
}

extension AMQPValue {
    fileprivate var depth: Int {
        switch self {
        case .array(let values): 1 + (values.map(\.depth).max() ?? 0)
        case .table(let table): 1 + (table.values.map(\.depth).max() ?? 0)
        case .bool, .int, .double, .string, .bytes, .timestamp, .void: 0
        }
    }

    /// Equal, where no number is unequal to itself.
    fileprivate func isSame(as other: AMQPValue) -> Bool {
        switch (self, other) {
        case (.double(let left), .double(let right)):
            left.bitPattern == right.bitPattern || left.isNaN && right.isNaN
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        case (.table(let left), .table(let right)):
            left.count == right.count && left.allSatisfy { key, value in right[key]?.isSame(as: value) == true }
        default: self == other
        }
    }
}
