import ImageCore
import Operations

/// Something that needs a human, or soon will.
struct Alarm: Encodable, Equatable {
    var what: String
    var message: String
    var advice: String?
    /// The address where it is looked at.
    var page: String?

    /// One for each thing that is wrong with something, so that none hides another.
    /// - Parameter stuck: messages in the outbox for more than a minute, at most `stuckLimit`.
    static func all(
        in history: QueueHistory.State,
        stuck: Int,
        unreadable: [UnreadableRow] = [],
        deadLetters: [DeadLetterGroup],
        workers: WorkerSummary
    ) -> [Alarm] {
        var alarms = [alarm(of: deadLetters), alarm(of: workers.missed)].compactMap { $0 }
        alarms += toolAlarms(workers.alive)
        if let problem = history.problem {
            alarms.append(Alarm(what: "Broker", message: problem.message, advice: problem.advice))
        }
        for queue in history.queues {
            guard let ready = queue.ready else {
                alarms.append(
                    Alarm(
                        what: queue.name,
                        message: "The queue is missing",
                        advice: "run `goldsmith topology apply`",
                        page: queuesPage
                    )
                )
                continue
            }
            if queue.role == .human, ready > 0 {
                alarms.append(
                    Alarm(
                        what: queue.name,
                        message: "\(Words.count(ready, "message")) not yet written down",
                        advice: "a worker does it; is one running?",
                        page: queuesPage
                    )
                )
            }
        }
        if let alarm = alarm(ofUnserved: history.queues) { alarms.append(alarm) }
        if stuck > 0 {
            alarms.append(
                Alarm(
                    what: "Outbox",
                    message:
                        "\(stuck >= stuckLimit ? "\(stuckLimit) or more" : String(stuck)) messages wait for over a minute",
                    advice: "is a worker running, and does the broker take messages?"
                )
            )
        }
        if let row = unreadable.first {
            alarms.append(
                Alarm(
                    what: "Unreadable rows",
                    message: "\(Words.count(unreadable.count, "row")) of unsent messages, the first in \(row)",
                    advice: "repair the rows or delete them: nothing else sends their messages"
                )
            )
        }
        return alarms
    }

    /// Anchors of the overview.
    static let workersAnchor = "workers"
    static let queuesAnchor = "queues"
    private static let queuesPage = Route.overview.address + "#" + queuesAnchor

    /// One worker too few is one alarm, however many queues it would serve.
    private static func alarm(ofUnserved queues: [QueueStatus]) -> Alarm? {
        let unserved = queues.filter {
            $0.role != .human && $0.needsConsumer && $0.ready != nil && $0.consumers == 0
        }
        guard !unserved.isEmpty else { return nil }
        let ready = unserved.reduce(0) { $0 + ($1.ready ?? 0) }
        return Alarm(
            what: "Queues without a worker",
            message:
                "No consumer: \(unserved.map(\.name).joined(separator: ", ")); \(Words.count(ready, "message")) ready",
            advice: "start `goldsmith worker`; for the queues of a host, there and with --host",
            page: queuesPage
        )
    }

    static let stuckLimit = 1000

    /// One, however many workers went: an alarm too many hides another.
    private static func alarm(of missed: [WorkerStatus]) -> Alarm? {
        guard !missed.isEmpty else { return nil }
        let names = missed.map { "\($0.report.worker) (since \($0.storedAt.rfc3339))" }
        let hosts = Set(missed.map(\.report.identity.host)).sorted()
        return Alarm(
            what: missed.count == 1 ? "A worker is gone" : "Workers are gone",
            message: "No longer heard of: \(names.joined(separator: ", "))",
            advice: "their jobs are taken over; look into the \(missed.count == 1 ? "log" : "logs") on "
                + hosts.joined(separator: ", "),
            page: Route.overview.address + "#" + workersAnchor
        )
    }

    /// What fails in the same way at many workers is one alarm.
    private static func toolAlarms(_ alive: [WorkerStatus]) -> [Alarm] {
        var hosts: [String: Set<String>] = [:]
        var advice: [String: String] = [:]
        for report in alive.map(\.report) {
            for fault in report.faults ?? [] {
                hosts[fault.sentence, default: []].insert(report.identity.host)
                advice[fault.sentence] = fault.advice
            }
        }
        return hosts.sorted { $0.key < $1.key }.map { sentence, hosts in
            Alarm(
                what: "Workers",
                message: "On \(hosts.sorted().joined(separator: ", ")): \(sentence)",
                advice: advice[sentence],
                page: Route.overview.address + "#" + workersAnchor
            )
        }
    }

    /// One, however many there are, and of which kinds.
    private static func alarm(of deadLetters: [DeadLetterGroup]) -> Alarm? {
        let counts = DeadLetter.Kind.allCases.compactMap { kind -> (text: String, count: Int)? in
            let count = deadLetters.filter { $0.kind == kind }.reduce(0) { $0 + $1.count }
            guard count > 0 else { return nil }
            return (Words.count(count, kind == .dead ? "dead letter" : "\(kind.rawValue) message"), count)
        }
        guard !counts.isEmpty else { return nil }
        let isOne = counts.reduce(0) { $0 + $1.count } == 1
        return Alarm(
            what: "Dead and parked",
            message: "\(counts.map(\.text).joined(separator: ", ")) \(isOne ? "waits" : "wait") for a human",
            advice: "see why, then replay or discard \(isOne ? "it" : "them")",
            page: Route.deadLetters(DeadLetterFilter()).address
        )
    }
}
