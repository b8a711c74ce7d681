import ImageCore
import ImageDrivers
import ImageWorker
import Logging
import Synchronization

/// One worker process: the real handlers, with the world's faults at each of their calls across a port.
final class SimulatedProcess: Sendable {
    private struct State {
        var pausedUntil: Timestamp?
        /// How often it stood still or was cut off from the store, and so may have lost its lease.
        var troubles = 0
        var root: Task<Void, Never>?
        var lanes: [Lane: AsyncStream<any IncomingDelivery>.Continuation] = [:]
        var isDraining = false
        var isGone = false
    }

    let name: String
    /// The host it works on, if any.
    let host: HostName?
    private let lanes: [Lane]
    let plan: CrashPlan
    /// Its machine's clock.
    private let clock: SkewedTime
    private let world: World
    private let state = Mutex(State())

    init(_ name: String, on host: HostName?, dyingAt call: Int?, in world: World) {
        self.name = name
        self.host = host
        lanes = LaneList.served(on: host)
        self.world = world
        plan = CrashPlan(at: call)
        clock = SkewedTime(world.time, ahead: world.strikes(.clock, onceIn: 4) ? world.clockError() : .zero)
    }

    func serves(_ lane: Lane) -> Bool { lanes.contains(lane) }

    var troubles: Int { state.withLock { $0.troubles } }
    var isGone: Bool { state.withLock { $0.isGone } }
    /// Whether it takes deliveries.
    var isOpen: Bool {
        let now = world.time.now()
        return !plan.isDead && state.withLock { !$0.isDraining && !$0.isGone && ($0.pausedUntil ?? now) <= now }
    }

    // MARK: Its life

    func start() {
        var options = WorkerOptions(id: WorkerID(known: name))
        options.concurrency = 2
        (options.host, options.lanes, options.installation) = (host, lanes, world.broker.lanes)
        options.orphansEvery = .seconds(180)
        let world = world
        let body = WorkerBody(
            options: options,
            store: InterceptedStore(world.store) { await self.judge($0, .store) },
            driver: InterceptingDriver(
                InterceptingDriver(world.driver.seen(from: host), JudgedCalls { await self.judge($0, .driver) }),
                MonitoredCalls(process: self, world: world)
            ),
            publisher: plan.publisher(FaultyPublisher(process: self, world: world)),
            inspector: world.broker,
            time: plan.time(ProcessTime(process: self, time: clock)),
            random: { world.dice.share() },
            logger: Logger(label: name) { _ in SwiftLogNoOpLogHandler() }
        )
        var streams: [(Lane, AsyncStream<any IncomingDelivery>)] = []
        for lane in lanes {
            let (stream, continuation) = AsyncStream<any IncomingDelivery>.makeStream()
            streams.append((lane, stream))
            state.withLock { $0.lanes[lane] = continuation }
        }
        world.note("\(name) starts")
        let served = streams
        let root = Task {
            await withTaskGroup(of: Void.self) { group in
                await body.begin()
                let sweeping = Task { await body.sweep() }
                for (lane, stream) in served { group.addTask { await body.serve(lane, stream) } }
                await group.waitForAll()
                sweeping.cancel()
                await sweeping.value
                await body.end()
            }
            self.state.withLock { $0.isGone = true }
            world.broker.lose(self.name)
            world.note("\(self.name) is gone")
        }
        state.withLock { $0.root = root }
    }

    func deliver(_ delivery: FakeDelivery, from lane: Lane) {
        world.note("\(name) gets \(lane) \(delivery.message.messageID ?? "")")
        let stream = state.withLock { $0.lanes[lane] }
        Task {
            let monitored = await MonitoredDelivery(delivery, self, world)
            stream?.yield(plan.delivery(monitored))
        }
    }

    func end() {
        let (root, lanes) = state.withLock { state in
            state.isGone = true
            return (state.root, state.lanes)
        }
        for lane in self.lanes { lanes[lane]?.finish() }
        root?.cancel()
        world.broker.lose(name)
    }

    /// As on SIGTERM: takes nothing more, finishes what runs, and what takes too long is cancelled.
    func drain() async {
        world.note("\(name) drains")
        let (root, lanes) = state.withLock { state in
            state.isDraining = true
            return (state.root, state.lanes)
        }
        for lane in self.lanes { lanes[lane]?.finish() }
        try? await world.time.sleep(for: .seconds(20))
        root?.cancel()
    }

    func pause(for duration: Duration) {
        world.note("\(name) stands still for \(duration)")
        state.withLock {
            $0.pausedUntil = world.time.now() + duration
            $0.troubles += 1
        }
    }

    func setClock() {
        let error = world.clockError()
        world.note("the clock of \(name) is \(error) ahead")
        clock.set(ahead: error)
    }

    func noteTrouble() { state.withLock { $0.troubles += 1 } }

    // MARK: Its calls

    /// Returns when the process does not stand still.
    func awake() async {
        while !plan.isDead, !isGone, let until = state.withLock({ $0.pausedUntil }), until > world.time.now() {
            // Not the caller's task: a process that stands still is not woken by a cancellation either.
            let (time, pause) = (world.time, until - world.time.now())
            await Task { try? await time.sleep(for: pause) }.value
        }
    }

    private enum Side {
        case store
        case driver
    }

    private func judge(_ call: PortCall, _ side: Side) async -> Verdict {
        await world.letOthers()
        await awake()
        if case .dead = plan.judge(call) { return .dead }
        world.note("\(name) \(call)")
        switch side {
        case .store:
            guard world.strikes(.store, onceIn: 25) else { return .pass }
            noteTrouble()
            return .unavailable
        case .driver: return await fault(at: call)
        }
    }

    private func fault(at call: PortCall) async -> Verdict {
        if call.moment == .before, world.strikes(.slow, onceIn: 12) {
            do {
                try await world.time.sleep(for: .seconds(1 + world.dice.number(below: 150)))
            } catch {
                return .fail(StepFailure(.throttled, .cancelled, "interrupted"))
            }
            await awake()
        }
        guard world.strikes(.driver, onceIn: 15) else { return .pass }
        let isDeletion = call.name == "driver.delete" || call.name == "driver.rollBackLaunch"
        return switch world.dice.number(below: 8) {
        case 0 where !isDeletion: .fail(StepFailure(.permanent, .failedPrecondition, "broken for good"))
        case 1, 2: .fail(StepFailure(.throttled, .unavailable, "too many requests"))
        default: .fail(StepFailure(.transient, .unavailable, "broken for now"))
        }
    }
}

private struct ProcessTime: Timekeeper {
    let process: SimulatedProcess
    let time: any Timekeeper

    func now() -> Timestamp { time.now() }
    func uptime() -> Duration { time.uptime() }

    func sleep(for duration: Duration) async throws {
        try await time.sleep(for: duration)
        await process.awake()
    }
}

/// The way to the broker.
private struct FaultyPublisher: MessagePublisher {
    let process: SimulatedProcess
    let world: World

    func publish(_ messages: [OutgoingMessage]) async -> PublishReport {
        var report = PublishReport()
        for message in messages {
            await world.letOthers()
            await process.awake()
            world.note("\(process.name) publishes \(message.destination) \(message.id)")
            world.monitor.published(message.id, by: process.name)
            if await isConfirmed(misrouted(message)) { report.confirmed.append(message) }
        }
        return report
    }

    private func misrouted(_ message: OutgoingMessage) -> OutgoingMessage {
        guard let lane = Lane(message.routingKey), let host = lane.host, let step = lane.step,
            let other = world.hosts.first(where: { $0 != host }), world.strikes(.misrouted, onceIn: 30)
        else { return message }
        var message = message
        message.routingKey = Lane.job(step, on: other).description
        world.note("\(message.id) goes to \(message.routingKey)")
        return message
    }

    private func isConfirmed(_ message: OutgoingMessage) async -> Bool {
        let broker = world.broker
        if world.strikes(.confirm, onceIn: 20) {
            let isTaken = world.dice.number(below: 2) == 0
            world.note("connection lost \(isTaken ? "before the confirm" : "before it was taken")")
            if isTaken { _ = await broker.publish([message]) }
            return false
        }
        let isWork = message.destination != .reply && message.destination != .events
        if isWork, message.destination != .parking, world.strikes(.lost, onceIn: 30) {
            world.note("the broker loses \(message.id)")
            return true
        }
        if world.strikes(.duplicate, onceIn: 20) { _ = await broker.publish([message]) }
        if world.strikes(.delay, onceIn: 15) {
            world.deliverLate(message)
            return true
        }
        return await broker.publish([message]).confirmed.count == 1
    }

    func park(_ message: IncomingMessage, reason: String) async -> ParkResult {
        await process.awake()
        return await world.broker.park(message, reason: reason)
    }

    func deferMessage(_ message: IncomingMessage, after delay: RetryDelay, waited: Duration, reason: String) async
        -> ParkResult
    {
        await process.awake()
        return await world.broker.deferMessage(message, after: delay, waited: waited, reason: reason)
    }

    func parkOversized(_ message: IncomingMessage, of deadLetter: DeadLetterID) async -> String? {
        await process.awake()
        return await world.broker.parkOversized(message, of: deadLetter)
    }
}
