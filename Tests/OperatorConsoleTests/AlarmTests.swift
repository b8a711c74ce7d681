import ImageCore
import Testing

@testable import OperatorConsole

@Suite("Alarms")
struct AlarmTests {
    private static let now = Rig.start

    private func standing(_ name: String, silentFor seconds: Int64) -> WorkerStanding {
        let storedAt = Self.now + .seconds(-seconds)
        let report = WorkerReport(
            worker: WorkerID(known: name),
            identity: WorkerIdentity(host: "h1", processID: 1, version: "1"),
            lanes: ["intake"],
            concurrency: 1,
            startedAt: storedAt,
            at: storedAt
        )
        return WorkerStanding(report: report, storedAt: storedAt, readAt: Self.now)
    }

    private func alarms(_ workers: [WorkerStanding]) -> [Alarm] {
        Alarm.all(in: QueueHistory.State(), stuck: 0, letters: [], workers: workers)
    }

    @Test("workers that were killed are one alarm, which ends by itself when others serve their lanes")
    func killed() {
        let here = standing("w-1", silentFor: 3)
        let lately = alarms([here, standing("w-2", silentFor: 40), standing("w-3", silentFor: 50)])
        #expect(lately.count == 1)
        #expect(lately.first?.message.contains("w-2") == true && lately.first?.message.contains("w-3") == true)
        #expect(lately.first?.message.contains("w-1") == false)
        #expect(alarms([here, standing("w-2", silentFor: 601)]).isEmpty)
        #expect(alarms([standing("w-2", silentFor: 601)]).count == 1, "nobody is left")
    }
}
