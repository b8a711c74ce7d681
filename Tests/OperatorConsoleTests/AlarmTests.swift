import ImageCore
import Operations
import Testing

@testable import OperatorConsole

@Suite("Alarms")
struct AlarmTests {
    private static let now = Rig.start

    private func status(_ name: String, silentFor seconds: Int64) -> WorkerStatus {
        let storedAt = Self.now + .seconds(-seconds)
        let report = WorkerReport(
            worker: WorkerID(known: name),
            identity: WorkerIdentity(host: "h1", processID: 1, version: "1"),
            lanes: ["intake"],
            concurrency: 1,
            startedAt: storedAt,
            at: storedAt
        )
        return WorkerStatus(report: report, storedAt: storedAt, readAt: Self.now)
    }

    /// - Parameter holders: the workers that still have a lease.
    private func alarms(_ workers: [WorkerStatus], holding holders: String...) -> [Alarm] {
        let leases = holders.map { name in
            Lease(
                image: ImageID(known: "img-1"),
                job: .stopCheck,
                fence: 1,
                worker: WorkerID(known: name),
                expiresAt: Self.now,
                progress: nil
            )
        }
        return Alarm.all(
            in: QueueHistory.State(),
            stuck: 0,
            deadLetters: [],
            workers: WorkerSummary(workers, leases: leases)
        )
    }

    private func group(_ kind: DeadLetter.Kind, _ cause: String, _ count: Int) -> DeadLetterGroup {
        let message = KeptMessage(
            routingKey: "k",
            contentType: nil,
            messageID: nil,
            correlationID: nil,
            replyTo: nil,
            body: []
        )
        let deadLetter = DeadLetter(DeadLetterID(known: "m-1"), kind, of: message, reason: cause, at: Self.now)
        return DeadLetterGroup(
            kind: kind,
            step: nil,
            cause: cause,
            count: count,
            oldestAt: Self.now,
            newestAt: Self.now,
            example: deadLetter
        )
    }

    @Test("no two alarms have one title, and each leads to where it is looked at")
    func titles() {
        var history = QueueHistory.State()
        history.queues = [
            QueueStatus(name: "g.intake", purpose: "requests", role: .work, ready: 3, consumers: 0),
            QueueStatus(name: "g.job.replicate", purpose: "jobs", role: .work, ready: 1, consumers: 0),
            QueueStatus(name: "g.dead", purpose: "dead", role: .human, ready: 2, consumers: 0),
            QueueStatus(name: "g.parked", purpose: "parked", role: .human, ready: nil, consumers: nil),
        ]
        let alarms = Alarm.all(
            in: history,
            stuck: 0,
            unreadable: [UnreadableRow(.outbox("answer/r1"), problem: "no message")],
            deadLetters: [
                group(.dead, "a", 2), group(.dead, "b", 1), group(.parked, "c", 1), group(.unrouted, "d", 1),
            ],
            workers: WorkerSummary([status("w-2", silentFor: 40)], leases: [])
        )
        #expect(Set(alarms.map(\.what)).count == alarms.count, "\(alarms.map(\.what))")
        let rows = alarms.first { $0.what == "Unreadable rows" }
        #expect(rows?.message == "1 row of unsent messages, the first in outbox, id answer/r1: no message")
        #expect(alarms.allSatisfy { $0.what == rows?.what || $0.page?.hasPrefix("/") == true })
        let deadLetters = alarms.first { $0.what == "Dead and parked" }
        #expect(deadLetters?.message == "3 dead letters, 1 parked message, 1 unrouted message wait for a human")
        #expect(deadLetters?.page == "/dead-letters")
    }

    @Test("workers that were killed are one alarm, which ends by itself when others have what they did")
    func killed() {
        let here = status("w-1", silentFor: 3)
        let killed = [here, status("w-2", silentFor: 40), status("w-3", silentFor: 50)]
        #expect(alarms(killed).isEmpty, "they did nothing, and others serve their lanes")
        let lately = alarms(killed, holding: "w-2", "w-3")
        #expect(lately.count == 1)
        #expect(lately.first?.message.contains("w-2") == true && lately.first?.message.contains("w-3") == true)
        #expect(lately.first?.message.contains("w-1") == false)
        #expect(alarms([here, status("w-2", silentFor: 601)], holding: "w-2").isEmpty)
        #expect(alarms([status("w-2", silentFor: 601)]).count == 1, "nobody is left")
    }
}
