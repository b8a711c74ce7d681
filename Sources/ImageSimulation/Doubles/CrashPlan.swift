public import ImageCore
public import ImageWorker
import Synchronization

/// Kills a worker at one of its calls: from then on nothing it does has any effect.
///
/// Every call across a port counts, before and after its effect. So a run with `at: 1`, one with `at: 2`, … until one
/// is not reached any more, is a crash at every effect boundary.
public final class CrashPlan: Sendable {
    private struct State {
        var calls: [String] = []
        var isDead = false
    }

    private let crashAt: Int
    private let fatalCall: String?
    private let state = Mutex(State())

    /// - Parameter at: the number of the call to die at, from 1; `nil` never dies.
    public init(at number: Int? = nil) {
        crashAt = number ?? .max
        fatalCall = nil
    }

    /// Dies at the first call of this name, before it has an effect.
    public init(before call: String) {
        crashAt = .max
        fatalCall = "\(PortCall.Moment.before) \(call)"
    }

    public var isDead: Bool { state.withLock { $0.isDead } }
    /// Where it died, or how far it came.
    public var story: String { state.withLock { "call \($0.calls.count): \($0.calls.last ?? "none")" } }

    public func judge(_ call: PortCall) -> Verdict {
        state.withLock { state in
            if state.isDead { return .dead }
            state.calls.append("\(call)")
            state.isDead = state.calls.count >= crashAt || "\(call)" == fatalCall
            return state.isDead ? .dead : .pass
        }
    }

    public func store(_ store: any ImageStore) -> any ImageStore { InterceptedStore(store) { self.judge($0) } }
    public func driver(_ driver: any ImageDriver) -> any ImageDriver {
        InterceptingDriver(driver, JudgedCalls { self.judge($0) })
    }

    /// A dead process waits for nothing.
    public func time(_ time: any Timekeeper) -> any Timekeeper { MortalTime(time: time, plan: self) }

    public func publisher(_ publisher: any MessagePublisher) -> any MessagePublisher {
        MortalPublisher(publisher: publisher, plan: self)
    }

    public func delivery(_ delivery: any IncomingDelivery) -> any IncomingDelivery {
        MortalDelivery(delivery: delivery, plan: self)
    }
}

private struct MortalTime: Timekeeper {
    let time: any Timekeeper
    let plan: CrashPlan

    func now() -> Timestamp { time.now() }
    func uptime() -> Duration { time.uptime() }

    func sleep(for duration: Duration) async throws {
        if plan.isDead { throw CancellationError() }
        try await time.sleep(for: duration)
    }
}

private struct MortalPublisher: MessagePublisher {
    let publisher: any MessagePublisher
    let plan: CrashPlan

    /// Message by message: a process can die when the broker has some of them.
    func publish(_ messages: [OutgoingMessage]) async -> PublishReport {
        var report = PublishReport()
        for message in messages {
            let name = "publish \(message.destination) \(message.id)"
            guard case .pass = plan.judge(PortCall(name: name, moment: .before)) else { return report }
            let taken = await publisher.publish([message])
            guard case .pass = plan.judge(PortCall(name: name, moment: .after)) else { return report }
            report.confirmed += taken.confirmed
            report.refused += taken.refused
        }
        return report
    }

    func park(_ message: IncomingMessage, reason: String) async -> ParkResult {
        let name = "park \(message.messageID ?? "")"
        guard case .pass = plan.judge(PortCall(name: name, moment: .before)) else { return .notNow }
        let result = await publisher.park(message, reason: reason)
        guard case .pass = plan.judge(PortCall(name: name, moment: .after)) else { return .notNow }
        return result
    }

    func deferMessage(_ message: IncomingMessage, after delay: RetryDelay, waited: Duration, reason: String) async
        -> ParkResult
    {
        let name = "defer \(message.messageID ?? "")"
        guard case .pass = plan.judge(PortCall(name: name, moment: .before)) else { return .notNow }
        let result = await publisher.deferMessage(message, after: delay, waited: waited, reason: reason)
        guard case .pass = plan.judge(PortCall(name: name, moment: .after)) else { return .notNow }
        return result
    }

    func parkOversized(_ message: IncomingMessage, of deadLetter: DeadLetterID) async -> String? {
        guard case .pass = plan.judge(PortCall(name: "park oversized \(deadLetter)", moment: .before)) else {
            return nil
        }
        let queue = await publisher.parkOversized(message, of: deadLetter)
        guard case .pass = plan.judge(PortCall(name: "park oversized \(deadLetter)", moment: .after)) else {
            return nil
        }
        return queue
    }
}

private struct MortalDelivery: IncomingDelivery {
    let delivery: any IncomingDelivery
    let plan: CrashPlan

    var message: IncomingMessage { delivery.message }

    func ack() {
        guard case .pass = plan.judge(PortCall(name: "ack", moment: .before)) else { return }
        delivery.ack()
        _ = plan.judge(PortCall(name: "ack", moment: .after))
    }

    func refuse() {
        guard case .pass = plan.judge(PortCall(name: "refuse", moment: .before)) else { return }
        delivery.refuse()
        _ = plan.judge(PortCall(name: "refuse", moment: .after))
    }

    func requeue() {
        guard case .pass = plan.judge(PortCall(name: "requeue", moment: .before)) else { return }
        delivery.requeue()
        _ = plan.judge(PortCall(name: "requeue", moment: .after))
    }
}
