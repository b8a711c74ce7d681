import Logging
import Synchronization

/// The actor behind ``AMQPPublisher``: one turn takes what came in, both from callers and from the broker.
actor PublisherCore: ThreadResident {
    private let endpoint: AMQPEndpoint
    private let name: String
    private let options: AMQPOptions
    private let logger: Logger
    private let thread: ConnectionThread
    private let inbox: Mailbox<PendingPublish>
    private let blocked = Atomic(false)
    private let record = ConnectionHealthRecord()
    private var generation: UInt64 = 0

    private var link: BrokerLink?
    private var ledger = ConfirmLedger<PendingPublish>()
    private var waiting = PublishQueue()
    private var backoff: Backoff
    private var nextAttempt: ContinuousClock.Instant?
    private var lastError: AMQPError?
    private var isClosed = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(endpoint: AMQPEndpoint, name: String, options: AMQPOptions, logger: Logger) {
        self.endpoint = endpoint
        self.name = name
        self.options = options
        self.logger = logger
        backoff = Backoff(options)
        thread = ConnectionThread()
        inbox = Mailbox(thread: thread)
        thread.start(self)
    }

    deinit { thread.stop() }

    nonisolated var isBlocked: Bool { blocked.load(ordering: .relaxed) }

    nonisolated func post(_ publications: [AMQPPublication], _ batch: PublishBatch) {
        let deadline = ContinuousClock.now + options.publishTimeout
        inbox.post(
            contentsOf: publications.enumerated().map { index, publication in
                PendingPublish(publication: publication, deadline: deadline, batch: batch, index: index)
            }
        )
    }

    func close() {
        isClosed = true
        let error = AMQPError(.closed, "the publisher was closed")
        for pending in ledger.reset() + waiting.removeAll() + inbox.takeAll() { pending.finish(.failure(error)) }
        link?.close()
        disconnect()
    }

    // MARK: The turn

    nonisolated func turn() -> PollInterest {
        assumeIsolated { core in
            let interest = core.serve()
            core.record.note(core.link, generation: core.generation, next: interest.deadline)
            return interest
        }
    }

    nonisolated var connectionHealth: AMQPConnectionHealth { record.connectionHealth }

    private func serve() -> PollInterest {
        accept(inbox.takeAll())
        var interest = PollInterest()
        do throws(AMQPError) {
            try connectIfDue()
            if let link {
                try receive(from: link)
                let hasRoom = try send(over: link)
                interest.descriptor = link.descriptor
                interest.wantsToWrite = !hasRoom
                interest.deadline = link.hasBufferedInput ? .now : link.heartbeatInterest
                if hasRoom, !isBlocked, ledger.isEmpty, let pauseEnd = waiting.firstPauseEnd {
                    interest.wake(by: pauseEnd)
                }
            }
        } catch {
            lost(error)
        }
        if link == nil { interest = PollInterest(deadline: isClosed ? nil : nextAttempt) }
        interest.wake(by: expire())
        return interest
    }

    private func accept(_ new: [PendingPublish]) {
        guard !isClosed else {
            for pending in new { pending.finish(.failure(AMQPError(.closed, "the publisher was closed"))) }
            return
        }
        for pending in waiting.append(contentsOf: new) {
            let text = "the connection ended at the last message for '\(pending.publication.routingKey)'"
            pending.finish(.failure(AMQPError(.endsConnection, text)))
        }
        if link == nil, nextAttempt == nil, !waiting.isEmpty { nextAttempt = .now }
    }

    private func connectIfDue() throws(AMQPError) {
        guard link == nil, !isClosed, let attempt = nextAttempt, attempt <= .now else { return }
        // The thread cannot look at deadlines while it connects (a name server may keep it for long), so the watchdog
        // does. New messages come in meanwhile, too.
        let link = try Watchdog.shared.guarding(
            until: waiting.firstDeadline ?? .now + options.publishTimeout,
            alarm: { [inbox, waiting = waiting.contents, lastError, options] now in
                let pending = waiting + inbox.contents
                for pending in pending where pending.deadline <= now {
                    pending.finish(.failure(Self.unconnected(lastError, options)))
                }
                return pending.first { $0.deadline > now }?.deadline ?? now + options.publishTimeout
            }
        ) { () throws(AMQPError) in
            let link = try BrokerLink(endpoint, name: name, options: options)
            try link.selectConfirms()
            return link
        }
        self.link = link
        generation += 1
        nextAttempt = nil
        lastError = nil
        logger.debug("AMQP publisher connected", metadata: ["amqp.connection": "\(name)"])
    }

    private func receive(from link: BrokerLink) throws(AMQPError) {
        var events: [BrokerEvent] = []
        var failure: AMQPError?
        do throws(AMQPError) {
            try link.receive(into: &events)
        } catch {
            failure = error
        }
        for event in events { handle(event) }
        if let failure { throw failure }
    }

    private func handle(_ event: BrokerEvent) {
        switch event {
        case .confirmed(let deliveryTag, let isMultiple, let isAccepted):
            backoff.reset()
            let settled = ledger.confirm(deliveryTag, isMultiple: isMultiple, isAccepted: isAccepted)
            for (pending, outcome) in settled { pending.finish(Self.result(outcome, pending.publication)) }
        case .returned(let code, let text, let message):
            ledger.returned(message, code: code, text: text)
        case .blocked(let reason):
            blocked.store(true, ordering: .relaxed)
            logger.warning("The broker blocks publishing", metadata: ["amqp.reason": "\(reason)"])
        case .unblocked:
            blocked.store(false, ordering: .relaxed)
            logger.info("The broker allows publishing again")
        case .delivered, .got, .consumerCancelled, .channelClosed, .connectionClosed, .reply, .ignored:
            break
        }
    }

    private static func result(
        _ outcome: ConfirmLedger<PendingPublish>.Outcome,
        _ publication: AMQPPublication
    ) -> Result<Void, AMQPError> {
        let target = "exchange '\(publication.exchange)', routing key '\(publication.routingKey)'"
        switch outcome {
        case .accepted: return .success(())
        case .rejected: return .failure(AMQPError(.rejectedByBroker, "the broker refused the message (\(target))"))
        case .unroutable(let code, let text):
            return .failure(AMQPError(.unroutable, code: code, "\(text) (\(target))"))
        }
    }

    // MARK: Sending

    /// Sends as much as the window and the socket take; false when the socket is full.
    private func send(over link: BrokerLink) throws(AMQPError) -> Bool {
        guard !isBlocked else { return true }
        let window = max(1, options.publishWindow)
        while !waiting.isEmpty, ledger.count < window {
            guard link.isWritable else { return false }
            // The read comes before the write on purpose, see BrokerLink.receive.
            try receive(from: link)
            guard !isBlocked else { return true }
            var burst: [AMQPPublication] = []
            var bytes = 0
            var deadline = ContinuousClock.now + options.publishTimeout
            while bytes < 65_536, let pending = waiting.next(onTheirWay: ledger.count, window: window, now: .now) {
                guard !pending.isFinished, isSendable(pending, over: link) else { continue }
                burst.append(pending.publication)
                bytes += pending.publication.message.body.count + 256
                deadline = min(deadline, pending.deadline)
                ledger.sent(pending.publication, pending)
            }
            // Send nothing before a confirm has come, or a pause has ended.
            guard !burst.isEmpty else { return true }
            try link.publish(burst, until: deadline)
        }
        return true
    }

    private func isSendable(_ pending: PendingPublish, over link: BrokerLink) -> Bool {
        do throws(AMQPError) {
            try pending.publication.validate(frameMax: link.frameMax, maximumBodyBytes: options.maximumBodyBytes)
            return true
        } catch {
            pending.finish(.failure(error))
            return false
        }
    }

    /// Fails what is past its deadline; returns the next deadline.
    private func expire() -> ContinuousClock.Instant? {
        let now = ContinuousClock.now
        for pending in waiting.expired(at: now) { pending.finish(.failure(timeout())) }
        // A timed-out message keeps its slot: its confirm may still come and numbers must match.
        let sent = ledger.expire { pending in
            guard pending.deadline <= now else { return false }
            pending.finish(.failure(timeout()))
            return true
        }
        return [waiting.firstDeadline, sent?.deadline].compactMap { $0 }.min()
    }

    private func timeout() -> AMQPError {
        if isBlocked { return AMQPError(.timedOut, "the broker blocks publishing") }
        if link == nil { return Self.unconnected(lastError, options) }
        return AMQPError(.timedOut, "not confirmed within \(options.publishTimeout)")
    }

    private static func unconnected(_ lastError: AMQPError?, _ options: AMQPOptions) -> AMQPError {
        AMQPError(
            .connectionFailed,
            code: lastError?.code ?? 0,
            "not published within \(options.publishTimeout): \(lastError?.text ?? "the broker did not answer")"
        )
    }

    // MARK: Losing the link

    private func lost(_ error: AMQPError) {
        logger.warning("AMQP publisher lost its connection", metadata: ["amqp.error": "\(error)"])
        lastError = error
        if error.kind == .channelClosed { link?.close() }
        let unconfirmed = ledger.reset().filter { !$0.isFinished }
        let causes = waiting.ended(with: unconfirmed, error, now: .now)
        for cause in causes { cause.finish(.failure(Self.verdict(error))) }
        // Waiting does not help against these.
        if error.kind == .authenticationFailed || error.kind == .invalidEndpoint {
            for pending in waiting.removeAll() { pending.finish(.failure(error)) }
        }
        disconnect()
        // A broker that says why it ended a channel or a connection is there; what it ended them for is found soon.
        let isAnswered = error.kind == .channelClosed || error.kind == .connectionLost && error.code > 0
        if isAnswered, !unconfirmed.isEmpty, error.code != AMQPError.connectionForced {
            backoff.reset()
            nextAttempt = .now
        } else {
            nextAttempt = .now + backoff.next()
        }
    }

    /// What is said of a message that is held for the cause.
    private static func verdict(_ error: AMQPError) -> AMQPError {
        guard error.kind == .connectionLost else { return error }
        return AMQPError(.endsConnection, code: error.code, "the connection ends at this message: \(error.text)")
    }

    private func disconnect() {
        link = nil
        blocked.store(false, ordering: .relaxed)
    }
}
