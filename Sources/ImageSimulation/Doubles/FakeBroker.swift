public import ImageCore
public import ImageWorker
import Synchronization

/// What RabbitMQ does for a worker, in memory and in manual time: queues with redelivery and a delivery limit, the
/// retry queues, dead-lettering, confirms. It may hand out a message twice, and never loses one unless told to.
public final class FakeBroker: Sendable {
    /// A message in a queue.
    public struct Entry: Sendable {
        public var message: IncomingMessage
        public var attempt: Int?
        public var reason: String?
        public var deliveries = 0
    }

    /// A message in the retry queues.
    public struct Waiting: Sendable {
        public var entry: Entry
        public var delay: RetryDelay
        public var dueAt: Timestamp
    }

    struct State {
        var lanes = LaneList()
        var ready: [Lane: [Entry]] = [:]
        var unacked: [Int: (lane: Lane, entry: Entry, worker: String)] = [:]
        var retryQueues: [Waiting] = []
        var events: [OutgoingMessage] = []
        var replies: [OutgoingMessage] = []
        var parked: [Entry] = []
        var oversized: [IncomingMessage] = []
        var refusals = 0
        var unpublishable: Set<String> = []
        var lastTag = 0

        /// What the exchange of jobs does with a routing key: that of a lane without a queue goes to the unrouted ones.
        func queue(of key: String) -> Lane? { Lane(key).map { lanes.all.contains($0) ? $0 : .unrouted } }
    }

    public let deliveryLimit: Int
    private let time: any Timekeeper
    private let state = Mutex(State())

    public init(time: any Timekeeper, deliveryLimit: Int = 20, lanes: LaneList = LaneList()) {
        self.time = time
        self.deliveryLimit = deliveryLimit
        install(lanes)
    }

    /// Each has a queue.
    public var lanes: LaneList { state.withLock { $0.lanes } }
    /// What `topology apply` does.
    public func install(_ lanes: LaneList) { state.withLock { $0.lanes = lanes } }

    public var events: [OutgoingMessage] { state.withLock { $0.events } }
    public var replies: [OutgoingMessage] { state.withLock { $0.replies } }
    /// What was moved to the queue for bodies too large for the store.
    public var oversized: [IncomingMessage] { state.withLock { $0.oversized } }
    public var parked: [Entry] { state.withLock { $0.parked } }
    public var retryQueues: [Waiting] { state.withLock { $0.retryQueues } }
    public var unacked: Int { state.withLock { $0.unacked.count } }
    /// How many messages of a queue a worker holds.
    public func held(_ lane: Lane, by worker: String) -> Int {
        state.withLock { state in state.unacked.values.count { $0.lane == lane && $0.worker == worker } }
    }
    public func ready(_ lane: Lane) -> [Entry] { state.withLock { $0.ready[lane] ?? [] } }
    public var busyLanes: [Lane] { lanes.all.filter { !ready($0).isEmpty } }
    /// When the next message leaves the retry queues.
    public var nextDue: Timestamp? { state.withLock { $0.retryQueues.map(\.dueAt).min() } }

    /// From now on this many messages are not confirmed, and not taken.
    public func refuse(_ count: Int) { state.withLock { $0.refusals = count } }

    /// From now on the connection ends whenever something is published with this routing key.
    public func endConnection(at routingKey: String) {
        state.withLock { _ = $0.unpublishable.insert(routingKey) }
    }

    public func send(_ message: IncomingMessage, to lane: Lane = .intake) {
        state.withLock { $0.ready[lane, default: []].append(Entry(message: message)) }
    }

    /// Moves what is due from the retry queues to the job queues.
    public func turn() {
        let now = time.now()
        state.withLock { state in
            let due = state.retryQueues.filter { $0.dueAt <= now }.sorted { $0.dueAt < $1.dueAt }
            state.retryQueues.removeAll { $0.dueAt <= now }
            for waiting in due {
                let key = waiting.entry.message.routingKey
                let isRequest = Operation(rawValue: key) != nil
                guard let lane = isRequest ? .intake : state.queue(of: key) else { continue }
                var entry = waiting.entry
                entry.deliveries = 0
                state.ready[lane, default: []].append(entry)
            }
        }
    }

    /// Hands out the first message of a queue.
    public func take(_ lane: Lane, by worker: String) -> FakeDelivery? {
        state.withLock { state in
            guard var entry = state.ready[lane]?.first else { return nil }
            state.ready[lane]?.removeFirst()
            entry.message.isRedelivered = entry.deliveries > 0
            entry.deliveries += 1
            state.lastTag += 1
            state.unacked[state.lastTag] = (lane, entry, worker)
            return FakeDelivery(message: entry.message, tag: state.lastTag, broker: self)
        }
    }

    /// What a broker does when a worker's connection is gone: all it held goes back to the heads of its queues.
    public func lose(_ worker: String) {
        state.withLock { state in
            for (tag, held) in state.unacked.sorted(by: { $0.key > $1.key }) where held.worker == worker {
                requeue(tag, &state)
            }
        }
    }

    /// What an operator can do to a queue.
    /// - Returns: how many messages are gone.
    @discardableResult
    public func purge(_ lane: Lane) -> Int {
        state.withLock { ($0.ready.removeValue(forKey: lane) ?? []).count }
    }

    /// Jobs only, as with the lanes: a purged request is lost for good, because only its sender can repeat it.
    public func purgeRetryQueues() {
        state.withLock { state in
            state.retryQueues.removeAll { ImageCore.Operation(rawValue: $0.entry.message.routingKey) == nil }
        }
    }

    fileprivate func settle(_ tag: Int, isAck: Bool) {
        state.withLock { state in
            if isAck { state.unacked[tag] = nil } else { requeue(tag, &state) }
        }
    }

    private func requeue(_ tag: Int, _ state: inout State) {
        guard let held = state.unacked.removeValue(forKey: tag) else { return }
        guard held.entry.deliveries > deliveryLimit else {
            state.ready[held.lane, default: []].insert(held.entry, at: 0)
            return
        }
        deadLetter(held, .deliveryLimit, &state)
    }

    fileprivate func deadLetter(_ tag: Int) {
        state.withLock { state in
            if let held = state.unacked.removeValue(forKey: tag) { deadLetter(held, .rejected, &state) }
        }
    }

    /// Down the dead-letter path a message goes as it is; from intake and from the dead letters it is parked.
    private func deadLetter(
        _ held: (lane: Lane, entry: Entry, worker: String),
        _ reason: Death.Reason,
        _ state: inout State
    ) {
        var entry = held.entry
        entry.message.death = Death(reason, in: "goldsmith.\(held.lane)")
        entry.deliveries = 0
        if case .job = held.lane {
            state.ready[.deadLetters, default: []].append(entry)
        } else {
            state.parked.append(entry)
        }
    }
}

extension FakeBroker: MessagePublisher {
    public func publish(_ messages: [OutgoingMessage]) async -> PublishReport {
        let now = time.now()
        return state.withLock { state in
            var report = PublishReport()
            for message in messages {
                if state.unpublishable.contains(message.routingKey) {
                    report.refused.append(
                        .init(message, reason: "ENDS_CONNECTION: the connection ends at this message")
                    )
                } else if take(message, at: now, &state) {
                    report.confirmed.append(message)
                }
            }
            return report
        }
    }

    public func park(_ message: IncomingMessage, reason: String) async -> ParkResult {
        state.withLock { state in
            guard !state.unpublishable.contains(message.routingKey) else { return .never }
            guard state.refusals == 0 else {
                state.refusals -= 1
                return .notNow
            }
            state.parked.append(Entry(message: message, attempt: nil, reason: reason))
            return .parked
        }
    }

    public func deferMessage(
        _ message: IncomingMessage,
        after delay: RetryDelay,
        waited: Duration,
        reason: String
    ) async -> ParkResult {
        state.withLock { state in
            guard state.refusals == 0 else {
                state.refusals -= 1
                return .notNow
            }
            var waiting = message
            waiting.waited = waited
            state.retryQueues.append(
                Waiting(
                    entry: Entry(message: waiting, reason: reason),
                    delay: delay,
                    dueAt: time.now() + delay.duration
                )
            )
            return .parked
        }
    }

    public func parkOversized(_ message: IncomingMessage, of deadLetter: DeadLetterID) async -> String? {
        state.withLock { state in
            guard state.refusals == 0 else {
                state.refusals -= 1
                return nil
            }
            state.oversized.append(message)
            return "goldsmith.oversized"
        }
    }

    private func take(_ message: OutgoingMessage, at now: Timestamp, _ state: inout State) -> Bool {
        if state.refusals > 0 {
            state.refusals -= 1
            return false
        }
        var incoming = IncomingMessage(
            routingKey: message.routingKey,
            contentType: message.contentType,
            messageID: message.id,
            correlationID: message.correlationID,
            replyTo: message.replyTo,
            body: Array(message.body.utf8)
        )
        switch message.destination {
        case .jobs, .retry: incoming.isJob = true
        case .requests, .dead, .parking, .events, .reply: break
        }
        let entry = Entry(
            message: incoming,
            attempt: message.attempt,
            reason: message.reason
        )
        switch message.destination {
        case .requests: state.ready[.intake, default: []].append(entry)
        case .jobs:
            guard let lane = state.queue(of: message.routingKey) else { return false }
            state.ready[lane, default: []].append(entry)
        case .retry(let delay):
            state.retryQueues.append(Waiting(entry: entry, delay: delay, dueAt: now + delay.duration))
        case .dead: state.ready[.deadLetters, default: []].append(entry)
        case .parking: state.parked.append(entry)
        case .events: state.events.append(message)
        case .reply: state.replies.append(message)
        }
        return true
    }
}

extension FakeBroker: QueueInspector {
    public func backlog(of lane: Lane) async -> Int? { lanes.all.contains(lane) ? ready(lane).count : nil }
}

/// A message in a worker's hands. Settled once; the first call counts.
public struct FakeDelivery: IncomingDelivery {
    public let message: IncomingMessage
    let tag: Int
    let broker: FakeBroker

    public func ack() { broker.settle(tag, isAck: true) }
    public func requeue() { broker.settle(tag, isAck: false) }
    public func refuse() { broker.deadLetter(tag) }
}
