import ImageCore
import Testing

@Suite("Who is there")
struct WorkerSummaryTests {
    private static let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private func status(_ name: String, _ lanes: [String], silentFor seconds: Int64) -> WorkerStatus {
        let storedAt = Self.now + .seconds(-seconds)
        let report = WorkerReport(
            worker: WorkerID(known: name),
            identity: WorkerIdentity(host: "h", processID: 1, version: "1"),
            lanes: lanes,
            concurrency: 1,
            startedAt: storedAt,
            at: storedAt
        )
        return WorkerStatus(report: report, storedAt: storedAt, readAt: Self.now)
    }

    private func leases(of names: String...) -> [Lease] {
        names.map { name in
            Lease(
                image: ImageID(known: "img-1"),
                job: .stopCheck,
                fence: 1,
                worker: WorkerID(known: name),
                expiresAt: Self.now,
                progress: nil
            )
        }
    }

    private func names(_ statuses: [WorkerStatus]) -> [String] { statuses.map(\.report.worker.text) }

    @Test("a worker that went silent is missed until its leases are taken over, and while nobody else serves its lanes")
    func rollCall() {
        let statuses = [
            status("here", ["intake", "clean-up"], silentFor: 30),
            status("idle", ["intake"], silentFor: 31),
            status("holding", ["intake"], silentFor: 600),
            status("before", ["clean-up"], silentFor: 601),
            status("alone", ["clean-up", "replicate"], silentFor: 80_000),
        ]
        let summary = WorkerSummary(statuses, leases: leases(of: "here", "holding", "before"))
        #expect(names(summary.alive) == ["here"])
        #expect(names(summary.missed) == ["holding", "alone"])
        #expect(names(summary.past) == ["idle", "before"])
        let later = WorkerSummary(statuses, leases: leases(of: "here"))
        #expect(names(later.missed) == ["alone"], "others have what it did")
    }

    @Test("a report from the future tells nothing: the store's clock was set back since")
    func future() {
        #expect(!status("a", ["intake"], silentFor: -10).isGone)
        #expect(status("a", ["intake"], silentFor: -11).isGone)
        #expect(WorkerSummary([status("a", ["intake"], silentFor: -3600)], leases: []).alive.isEmpty)
    }

    @Test("where nobody is left, everybody is missed")
    func nobody() {
        #expect(names(WorkerSummary([status("a", ["intake"], silentFor: 80_000)], leases: []).missed) == ["a"])
        #expect(WorkerSummary([], leases: []).missed.isEmpty)
    }
}
