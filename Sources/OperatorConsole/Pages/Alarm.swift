import ImageCore

/// Something that needs a human, or soon will.
struct Alarm: Encodable, Equatable {
    var what: String
    var message: String
    var advice: String?

    /// - Parameter stuck: messages in the outbox for more than a minute, at most `stuckLimit`.
    static func all(
        in history: QueueHistory.State,
        stuck: Int,
        letters: [LetterGroup],
        workers: [WorkerStanding]
    ) -> [Alarm] {
        var alarms = letterAlarms(letters)
        if let alarm = alarm(of: RollCall(workers).missed) { alarms.append(alarm) }
        if let problem = history.problem {
            alarms.append(Alarm(what: "Broker", message: problem.message, advice: problem.advice))
        }
        for queue in history.queues {
            guard let ready = queue.ready else {
                alarms.append(
                    Alarm(what: queue.name, message: "The queue is missing", advice: "run `goldsmith topology apply`")
                )
                continue
            }
            if queue.role == .human, ready > 0 {
                alarms.append(
                    Alarm(
                        what: queue.name,
                        message: "\(Words.count(ready, "message")) not yet written down",
                        advice: "a worker does it; is one running?"
                    )
                )
            }
        }
        // One worker too few is one alarm, however many queues it would serve.
        let unserved = history.queues.filter { $0.role == .work && $0.ready != nil && $0.consumers == 0 }
        if !unserved.isEmpty {
            let ready = unserved.reduce(0) { $0 + ($1.ready ?? 0) }
            alarms.append(
                Alarm(
                    what: "Workers",
                    message:
                        "Nobody consumes \(unserved.map(\.name).joined(separator: ", ")); \(Words.count(ready, "message")) ready",
                    advice: "start `goldsmith worker`"
                )
            )
        }
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
        return alarms
    }

    static let stuckLimit = 1000

    /// One, however many workers went: an alarm too many hides another.
    private static func alarm(of missed: [WorkerStanding]) -> Alarm? {
        guard !missed.isEmpty else { return nil }
        let names = missed.map { "\($0.report.worker) (since \($0.storedAt.rfc3339))" }
        let hosts = Set(missed.map(\.report.identity.host)).sorted()
        return Alarm(
            what: "Workers",
            message: "No longer heard of: \(names.joined(separator: ", "))",
            advice: "their jobs are taken over; look into the \(missed.count == 1 ? "log" : "logs") on "
                + hosts.joined(separator: ", ")
        )
    }

    /// One for each kind, however many there are.
    private static func letterAlarms(_ groups: [LetterGroup]) -> [Alarm] {
        Letter.Kind.allCases.compactMap { kind in
            let count = groups.filter { $0.kind == kind }.reduce(0) { $0 + $1.count }
            guard count > 0 else { return nil }
            let name = kind == .dead ? "dead letter" : "\(kind.rawValue) message"
            return Alarm(
                what: "Dead and parked",
                message: "\(Words.count(count, name)) \(count == 1 ? "waits" : "wait") for a human",
                advice: "look below 'Dead and parked', then replay or discard"
            )
        }
    }
}
