import ImageCore
import Testing

@Suite("Who is there")
struct RollCallTests {
    private static let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private func standing(_ name: String, _ lanes: [String], silentFor seconds: Int64) -> WorkerStanding {
        let storedAt = Self.now + .seconds(-seconds)
        let report = WorkerReport(
            worker: WorkerID(known: name),
            identity: WorkerIdentity(host: "h", processID: 1, version: "1"),
            lanes: lanes,
            concurrency: 1,
            startedAt: storedAt,
            at: storedAt
        )
        return WorkerStanding(report: report, storedAt: storedAt, readAt: Self.now)
    }

    private func names(_ standings: [WorkerStanding]) -> [String] { standings.map(\.report.worker.text) }

    @Test("a worker that went silent is missed for ten minutes, and longer only while nobody else serves its lanes")
    func rollCall() {
        let roll = RollCall([
            standing("here", ["intake", "clean-up"], silentFor: 30),
            standing("lately", ["intake"], silentFor: 31),
            standing("just", ["intake"], silentFor: 600),
            standing("before", ["clean-up"], silentFor: 601),
            standing("alone", ["clean-up", "replicate"], silentFor: 80_000),
        ])
        #expect(names(roll.alive) == ["here"])
        #expect(names(roll.missed) == ["lately", "just", "alone"])
        #expect(names(roll.past) == ["before"])
    }

    @Test("where nobody is left, everybody is missed")
    func nobody() {
        #expect(names(RollCall([standing("a", ["intake"], silentFor: 80_000)]).missed) == ["a"])
        #expect(RollCall([]).missed.isEmpty)
    }
}
