import CRabbitMQ
import Glibc

/// One connection with one channel, from the handshake to its end: the owner of librabbitmq's state.
///
/// Used by one thread at a time; not Sendable, so the compiler keeps it inside its actor. Any failure of the
/// transport or the channel ends the link (``isUsable``): librabbitmq neither answers channel.close nor recovers a
/// half-written frame, so a new link is the only cure. One channel, because librabbitmq's frame queue mixes channels.
final class BrokerLink {
    static let channel: amqp_channel_t = 1

    let options: AMQPOptions
    let scratch = ScratchPool()
    let state: amqp_connection_state_t
    private(set) var isUsable = true
    private(set) var serverProperties: AMQPTable = [:]
    private(set) var frameMax = 0
    /// Negotiated seconds; 0 when the broker switched heartbeats off.
    private(set) var heartbeat = 0
    private var assembler: FrameAssembler
    /// Events which came while a reply was awaited.
    private var backlog: [BrokerEvent] = []
    private var framesSinceRelease = 0
    /// The last read ended before the socket was empty, or OpenSSL may hold bytes it has read already.
    private var mayHoldMore = false
    private let isEncrypted: Bool

    /// Connects, logs in and opens the channel. Blocks the calling thread, by ``AMQPOptions/connectTimeout`` per phase.
    init(_ endpoint: AMQPEndpoint, name: String, options: AMQPOptions) throws(AMQPError) {
        guard let state = amqp_new_connection() else { throw AMQPError(.connectionFailed, "out of memory") }
        self.state = state
        self.options = options
        assembler = FrameAssembler(keepingBodiesTo: options.maximumBodyBytes)
        isEncrypted = endpoint.tls != nil
        // From here on a throw runs deinit, which frees the state.
        do throws(AMQPError) {
            try openSocket(to: endpoint)
            try logIn(endpoint, name: name)
            _ = try request(
                AMQP_CHANNEL_OPEN_METHOD,
                amqp_channel_open_t(),
                reply: AMQP_CHANNEL_OPEN_OK_METHOD
            )
        } catch {
            let kind: AMQPError.Kind =
                switch error.kind {
                case .authenticationFailed, .invalidEndpoint: error.kind
                default: .connectionFailed
                }
            throw AMQPError(kind, code: error.code, "\(endpoint.redacted): \(error.text)")
        }
    }

    // Closes the socket too, without waiting.
    deinit { amqp_destroy_connection(state) }

    var descriptor: CInt { amqp_get_sockfd(state) }

    /// Whether frames wait in user space, where `poll` does not see them.
    var hasBufferedInput: Bool {
        mayHoldMore || !backlog.isEmpty || amqp_frames_enqueued(state) != 0 || amqp_data_in_buffer(state) != 0
    }

    /// Whether the kernel takes bytes now. Asked before every batch, so that a broker which does not read blocks
    /// the thread only in the middle of a message, where the watchdog ends it.
    var isWritable: Bool { waitReady(descriptor, POLLOUT, until: nil) }

    /// librabbitmq sends and checks heartbeats only inside its own calls, so it must be called this often.
    var heartbeatInterest: ContinuousClock.Instant? {
        heartbeat == 0 ? nil : .now + .milliseconds(heartbeat * 250)
    }

    // MARK: Opening

    private func openSocket(to endpoint: AMQPEndpoint) throws(AMQPError) {
        let socket =
            try endpoint.tls.map { tls throws(AMQPError) in try newTLSSocket(tls) } ?? amqp_tcp_socket_new(state)
        guard let socket else { throw AMQPError(.connectionFailed, "no socket could be made") }
        var timeout = timeval(options.connectTimeout)
        let status = amqp_socket_open_noblock(socket, endpoint.host, CInt(endpoint.port), &timeout)
        let verdict = endpoint.tls == nil ? nil : CertificateVerdict.take(for: endpoint.host)
        guard status == 0 else {
            let error = failure(status, .connectionFailed)
            if let verdict { throw AMQPError(error.kind, code: error.code, verdict) }
            guard status == CInt(AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED.rawValue) else { throw error }
            throw AMQPError(error.kind, code: error.code, CertificateVerdict.anotherHost(endpoint.host))
        }
        // Ends writes into a connection whose peer has vanished silently. The watchdog handles a peer that is there but
        // does not read.
        var milliseconds = CUnsignedInt(clamping: options.publishTimeout.wholeMilliseconds)
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, 4)
    }

    private func newTLSSocket(_ tls: AMQPEndpoint.TLS) throws(AMQPError) -> OpaquePointer? {
        guard let socket = amqp_ssl_socket_new(state) else { return nil }
        func check(_ status: CInt, _ what: String) throws(AMQPError) {
            guard status == 0 else { throw AMQPError(.invalidEndpoint, code: Int(status), what) }
        }
        amqp_ssl_socket_set_verify_peer(socket, tls.verifiesPeer ? 1 : 0)
        amqp_ssl_socket_set_verify_hostname(socket, tls.verifiesPeer ? 1 : 0)
        try check(
            amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST),
            "OpenSSL does not offer TLS 1.2"
        )
        if tls.verifiesPeer {
            try check(
                amqp_ssl_socket_set_cacert(socket, tls.authorityFile),
                "cannot read the authorities \(tls.authorityFile)"
            )
            CertificateVerdict.watch(amqp_ssl_socket_get_context(socket))
        }
        if let certificate = tls.certificateFile, let key = tls.keyFile {
            try check(
                amqp_ssl_socket_set_key(socket, certificate, key),
                "cannot read the client certificate \(certificate), or \(key) is not its key"
            )
        }
        return socket
    }

    private func logIn(_ endpoint: AMQPEndpoint, name: String) throws(AMQPError) {
        // NULL would mean no timeout, in both.
        var connectTimeout = timeval(options.connectTimeout)
        amqp_set_handshake_timeout(state, &connectTimeout)
        var callTimeout = timeval(options.callTimeout)
        amqp_set_rpc_timeout(state, &callTimeout)
        // Without these capabilities the broker ends subscriptions and blocks publishers without telling.
        var properties = scratch.table([
            "product": "Goldsmith",
            "connection_name": .string(name),
            "capabilities": .table([
                "consumer_cancel_notify": true, "connection.blocked": true, "publisher_confirms": true,
                "basic.nack": true, "authentication_failure_close": true,
            ]),
        ])
        // Twice the negotiated interval without a frame ends the link; 0 would switch that off.
        let seconds = CInt(clamping: max(1, min(600, options.heartbeat.components.seconds)))
        let deadline = ContinuousClock.now + options.connectTimeout + .seconds(1)
        let reply = Watchdog.shared.guarding(descriptor, until: deadline) {
            goldsmith_amqp_login_plain(
                state,
                endpoint.virtualHost,
                0,
                131_072,
                seconds,
                &properties,
                endpoint.user,
                endpoint.password
            )
        }
        scratch.recycle()
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL: break
        case AMQP_RESPONSE_SERVER_EXCEPTION where reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD:
            guard let fields = reply.reply.decoded?.load(as: amqp_connection_close_t.self) else { fallthrough }
            // 403: user or password; 530: the virtual host.
            let isRefusal = fields.reply_code == 403 || fields.reply_code == 530
            throw AMQPError(
                isRefusal ? .authenticationFailed : .connectionFailed,
                code: Int(fields.reply_code),
                String(fields.reply_text)
            )
        default:
            throw failure(reply.library_error, .connectionFailed)
        }
        frameMax = Int(amqp_get_frame_max(state))
        heartbeat = Int(amqp_get_heartbeat(state))
        if let table = amqp_get_server_properties(state) { serverProperties = AMQPTable(table.pointee) }
        amqp_maybe_release_buffers(state)
    }

    // MARK: Receiving

    /// Appends what has arrived to `events`, without waiting, `limit` frames at most.
    ///
    /// Also the moment heartbeats are sent and a silent peer is noticed. Called before every write: librabbitmq 0.11
    /// waits forever inside amqp_basic_publish when the peer's heartbeat is overdue (rabbitmq-c #780); a read with
    /// a zero timeout finds that first and fails.
    /// - Throws: the end of the link. `events` then holds what came before it.
    func receive(into events: inout [BrokerEvent], limit: Int = 1024) throws(AMQPError) {
        events.append(contentsOf: backlog)
        backlog.removeAll(keepingCapacity: true)
        mayHoldMore = false
        for _ in 0..<limit {
            guard try receiveFrame(into: &events) else { return }
        }
        mayHoldMore = true
    }

    /// False when nothing has arrived.
    private func receiveFrame(into events: inout [BrokerEvent]) throws(AMQPError) -> Bool {
        guard isUsable else { throw AMQPError(.connectionLost, "the connection is gone") }
        var frame = amqp_frame_t()
        var zero = timeval()  // NULL would mean forever.
        let status = amqp_simple_wait_frame_noblock(state, &frame, &zero)
        if status == CInt(AMQP_STATUS_TIMEOUT.rawValue) { return false }
        guard status == 0 else { throw failure(status, .connectionLost) }
        let event: BrokerEvent?
        do throws(AMQPError) {
            event = try assembler.event(from: frame)
        } catch {
            isUsable = false
            throw error
        }
        // Everything is copied out by now. Released after whole frames only, when librabbitmq is between frames:
        // at other times the call does nothing and the pools would only grow.
        framesSinceRelease += 1
        if framesSinceRelease >= 16 {
            framesSinceRelease = 0
            amqp_maybe_release_buffers(state)
        }
        switch event {
        case .channelClosed(let error), .connectionClosed(let error):
            isUsable = false
            if case .connectionClosed = event {
                var answer = amqp_connection_close_ok_t()
                amqp_send_method(state, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &answer)
            }
            throw error
        case .some(let event): events.append(event)
        case nil: break
        }
        return true
    }

    // MARK: Sending

    /// Sends a method and waits for its reply, ``AMQPOptions/callTimeout`` at most. Other events are kept for
    /// ``receive(into:limit:)``.
    @discardableResult
    func request<Fields: BitwiseCopyable>(
        _ method: UInt32,
        _ fields: Fields,
        channel: amqp_channel_t = BrokerLink.channel,
        reply: UInt32...
    ) throws(AMQPError) -> BrokerEvent {
        let deadline = ContinuousClock.now + options.callTimeout
        try send(method, fields, channel: channel, until: deadline)
        var events: [BrokerEvent] = []
        defer { backlog.append(contentsOf: events) }
        while true {
            if try receiveFrame(into: &events) {
                switch events.last {
                case .reply(let method, _) where reply.contains(method): return events.removeLast()
                case .got where reply.contains(AMQP_BASIC_GET_OK_METHOD): return events.removeLast()
                default: continue
                }
            }
            guard ContinuousClock.now < deadline else {
                // The reply may still come and would be taken for the next one's.
                isUsable = false
                throw AMQPError(.timedOut, "the broker did not answer within \(options.callTimeout)")
            }
            // Nothing is left in user space here, so poll will see what comes.
            _ = waitReady(descriptor, POLLIN, until: heartbeatInterest.map { min($0, deadline) } ?? deadline)
        }
    }

    private func send<Fields: BitwiseCopyable>(
        _ method: UInt32,
        _ fields: Fields,
        channel: amqp_channel_t,
        until deadline: ContinuousClock.Instant
    ) throws(AMQPError) {
        defer { scratch.recycle() }
        guard isUsable else { throw AMQPError(.connectionLost, "the connection is gone") }
        var fields = fields
        let status = Watchdog.shared.guarding(descriptor, until: deadline) {
            withUnsafeMutableBytes(of: &fields) { amqp_send_method(state, channel, method, $0.baseAddress) }
        }
        mayHoldMore = isEncrypted
        // Methods are encoded before a byte is sent, so this leaves the link as it was.
        if status == CInt(AMQP_STATUS_TABLE_TOO_BIG.rawValue) {
            throw AMQPError(.tableTooBig, code: Int(status), "the arguments do not fit in a frame")
        }
        guard status == 0 else { throw failure(status, .connectionLost) }
    }

    /// Writes `items` one after another with `write`, which returns librabbitmq's status, as one burst.
    ///
    /// Corked meanwhile, so that small frames share packets. Uncorking also pushes the last frame of a body of
    /// exactly k·(frame_max − 8) bytes, which librabbitmq marks MSG_MORE and the kernel would hold for 200 ms.
    func burst<Item>(
        _ items: some Sequence<Item>,
        until deadline: ContinuousClock.Instant,
        _ write: (Item) -> CInt
    ) throws(AMQPError) {
        guard isUsable else { throw AMQPError(.connectionLost, "the connection is gone") }
        let status = Watchdog.shared.guarding(descriptor, until: deadline) { () -> CInt in
            setCork(1)
            defer { setCork(0) }
            for item in items {
                let status = write(item)
                scratch.recycle()
                guard status == 0 else { return status }
            }
            return 0
        }
        mayHoldMore = isEncrypted
        guard status == 0 else { throw failure(status, .connectionLost) }
    }

    private func setCork(_ value: CInt) {
        var value = value
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_CORK, &value, 4)
    }

    /// Says goodbye and waits for the answer, a second at most.
    func close() {
        isUsable = true  // A closed channel does not keep the connection from being closed in order.
        var closing = options
        closing.callTimeout = min(options.callTimeout, .seconds(1))
        var text = amqp_connection_close_t()
        text.reply_code = 200
        let deadline = ContinuousClock.now + closing.callTimeout
        var events: [BrokerEvent] = []
        guard (try? send(AMQP_CONNECTION_CLOSE_METHOD, text, channel: 0, until: deadline)) != nil else { return }
        while ContinuousClock.now < deadline {
            // Any error means the same: it is closed.
            guard let received = try? receiveFrame(into: &events) else { return }
            if case .reply(AMQP_CONNECTION_CLOSE_OK_METHOD, _) = events.last { return }
            events.removeAll()
            if !received { _ = waitReady(descriptor, POLLIN, until: deadline) }
        }
        isUsable = false
    }

    private func failure(_ status: CInt, _ kind: AMQPError.Kind) -> AMQPError {
        isUsable = false
        return AMQPError(kind, code: Int(status), String(cString: amqp_error_string2(status)))
    }
}

extension timeval {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(tv_sec: Int(max(0, seconds)), tv_usec: Int(max(0, attoseconds) / 1_000_000_000_000))
    }
}

extension Duration {
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
