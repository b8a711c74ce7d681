import CRabbitMQ

/// What waits to be published, in the order in which it is offered: pure rules, without a clock or a connection.
///
/// A broker that ends a connection does not say at which message. So whatever was on its way then is a suspect, and
/// suspects are offered before anything else, one at a time. One that was alone on its way when the connection ended is
/// accused: it pauses, so that the others go first, and is then offered alone again. The error says how many
/// connections in a row it must end until it is held for the cause and handed out, never to be offered again.
struct PublishQueue {
    /// A message that was alone on its way when a connection ended.
    private struct Accused {
        let pending: PendingPublish
        /// Connections in a row that ended while it was alone on its way. At least 1.
        var ends: Int
        var pausesUntil: ContinuousClock.Instant
    }

    private var fresh = FIFO<PendingPublish>()
    private var suspects = FIFO<PendingPublish>()
    private var accused: [Accused] = []
    /// Set while a suspect or an accused message is offered, until its confirm: nothing else is sent meanwhile.
    private var alone: Accused?
    /// Addresses of direct reply-to at which the connection has ended. They have no listener, so not trying again loses
    /// nothing, and a sender that asks often costs the others a connection only once.
    private var deadAddresses: Set<String> = []

    /// The most such addresses to keep; then the set is emptied.
    static let deadAddressLimit = 1000

    /// How long an accused message pauses for each connection it ended.
    static let pause = Duration.milliseconds(100)

    var isEmpty: Bool { fresh.isEmpty && suspects.isEmpty && accused.isEmpty }

    /// Everything that waits. What is on its way does not.
    var contents: [PendingPublish] {
        Array(suspects.contents) + accused.map(\.pending) + Array(fresh.contents)
    }

    /// The earliest moment at which one of them is given up.
    var firstDeadline: ContinuousClock.Instant? {
        ([suspects.first, fresh.first].compactMap { $0 } + accused.map(\.pending)).map(\.deadline).min()
    }

    /// When an accused message has paused long enough; `nil` without one.
    var firstPauseEnd: ContinuousClock.Instant? { accused.map(\.pausesUntil).min() }

    /// - Returns: those that are for a dead address, and are not offered.
    mutating func append(contentsOf new: [PendingPublish]) -> [PendingPublish] {
        guard !deadAddresses.isEmpty else {
            fresh.append(contentsOf: new)
            return []
        }
        let isDead = { [deadAddresses] (pending: PendingPublish) in
            deadAddresses.contains(pending.publication.routingKey) && pending.publication.exchange.isEmpty
        }
        fresh.append(contentsOf: new.filter { !isDead($0) })
        return new.filter(isDead)
    }

    /// Takes out the next message to be sent; `nil` when nothing may be sent now.
    /// - Parameters:
    ///   - onTheirWay: how many are sent and not confirmed.
    ///   - window: how many may be.
    mutating func next(onTheirWay: Int, window: Int, now: ContinuousClock.Instant) -> PendingPublish? {
        guard onTheirWay > 0 else {
            alone = nil
            if let suspect = suspects.popFirst() {
                alone = Accused(pending: suspect, ends: 0, pausesUntil: now)
            } else if let index = accused.firstIndex(where: { $0.pausesUntil <= now }) {
                alone = accused.remove(at: index)
            }
            return alone?.pending ?? fresh.popFirst()
        }
        let waitsForCalm = alone != nil || !suspects.isEmpty || accused.contains { $0.pausesUntil <= now }
        return waitsForCalm || onTheirWay >= window ? nil : fresh.popFirst()
    }

    /// The connection has ended, or only its channel.
    /// - Parameter unconfirmed: what was on its way, in the order it was sent.
    /// - Returns: what is held for the cause.
    mutating func ended(
        with unconfirmed: [PendingPublish],
        _ error: AMQPError,
        now: ContinuousClock.Instant
    ) -> [PendingPublish] {
        let ends = (unconfirmed.count == 1 ? alone?.ends ?? 0 : 0) + 1
        alone = nil
        switch error.blame(among: unconfirmed) {
        case .nobody:
            fresh.prepend(contentsOf: unconfirmed)
        case .everybody:
            return unconfirmed
        case .oneOfThem(let limit):
            guard unconfirmed.count == 1, let only = unconfirmed.first else {
                suspects.prepend(contentsOf: unconfirmed)
                return []
            }
            if ends >= limit {
                handleDeadLetter(only.publication)
                return unconfirmed
            }
            accused.append(Accused(pending: only, ends: ends, pausesUntil: now + Self.pause * ends))
        }
        return []
    }

    private mutating func handleDeadLetter(_ publication: AMQPPublication) {
        guard publication.exchange.isEmpty, publication.routingKey.hasPrefix("amq.rabbitmq.reply-to.") else { return }
        if deadAddresses.count >= Self.deadAddressLimit { deadAddresses = [] }
        deadAddresses.insert(publication.routingKey)
    }

    /// Takes out what is finished or past its deadline.
    mutating func expired(at now: ContinuousClock.Instant) -> [PendingPublish] {
        func isOver(_ pending: PendingPublish) -> Bool { pending.isFinished || pending.deadline <= now }
        var over = accused.map(\.pending).filter(isOver)
        accused.removeAll { isOver($0.pending) }
        // All deadlines are the same time after their call, so the oldest message has the earliest.
        while let pending = suspects.first, isOver(pending) {
            if let first = suspects.popFirst() { over.append(first) }
        }
        while let pending = fresh.first, isOver(pending) { if let first = fresh.popFirst() { over.append(first) } }
        return over
    }

    mutating func removeAll() -> [PendingPublish] {
        defer { self = PublishQueue() }
        return contents
    }
}

/// Whom the end of a connection, or of a channel, may be held against.
enum PublishBlame: Equatable {
    /// No message: the broker's operator ended it, or the network went silent.
    case nobody
    /// One of those on their way, once it has ended this many in a row while it was alone.
    case oneOfThem(after: Int)
    /// Each of those on their way.
    case everybody
}

extension AMQPError {
    /// An operator closed the connection, or its node stops.
    static let connectionForced = 320

    private static let heartbeatTimeout = Int(AMQP_STATUS_HEARTBEAT_TIMEOUT.rawValue)

    /// Case by case.
    fileprivate func blame(among unconfirmed: [PendingPublish]) -> PublishBlame {
        switch (kind, code) {
        case (.connectionLost, Self.connectionForced), (.connectionLost, Self.heartbeatTimeout): .nobody
        // The broker said why, and INTERNAL_ERROR also when a node is going down: so not at the first time.
        case (.connectionLost, 1...): .oneOfThem(after: 2)
        // Cut without a word, as networks do as well.
        case (.connectionLost, _): .oneOfThem(after: 3)
        // 404 and 403 are about the exchange, so all messages for the same one share the fault.
        case (.channelClosed, 403), (.channelClosed, 404):
            Set(unconfirmed.map(\.publication.exchange)).count == 1 ? .everybody : .oneOfThem(after: 1)
        case (.channelClosed, _): .oneOfThem(after: 1)
        case (.invalidEndpoint, _), (.connectionFailed, _), (.authenticationFailed, _), (.timedOut, _),
            (.unroutable, _),
            (.rejectedByBroker, _), (.endsConnection, _), (.tableTooBig, _), (.messageTooBig, _), (.closed, _):
            .nobody
        }
    }
}
