import ImageCore
import TerminalText
import Testing

@testable import GoldsmithCommands

@Suite("A listing of workers")
struct WorkerListTests {
    private let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private func status(
        _ name: String,
        lanes: [String] = ["intake"],
        silent silence: Duration = .seconds(3),
        _ change: (inout WorkerReport) -> Void = { _ in }
    ) -> WorkerStatus {
        let at = now + (.zero - silence)
        var report = WorkerReport(
            worker: WorkerID(known: name),
            identity: WorkerIdentity(host: "ops1", processID: 42, version: "0.1.0"),
            lanes: lanes,
            concurrency: 4,
            startedAt: at + .seconds(-7200),
            at: at
        )
        change(&report)
        return WorkerStatus(report: report, storedAt: at, readAt: now)
    }

    private func view(_ statuses: [WorkerStatus], leases: [Lease] = [], all: Bool = false) -> WorkersView {
        WorkersView(statuses, leases: leases, all: all, at: now)
    }

    @Test("a row says where a worker runs, what it serves and how far its work is")
    func row() throws {
        let lease = Lease(
            image: ImageID(known: "img-1"),
            job: .systemDisk,
            fence: 1,
            worker: WorkerID(known: "w1"),
            expiresAt: now + .seconds(15),
            progress: CopyProgress(doneBytes: 512, totalBytes: 1024),
            since: now + .seconds(-120)
        )
        let view = view([status("w1", lanes: ["intake", "system-disk"])], leases: [lease])
        let lines = view.table.text(width: 200).split(separator: "\n")
        let row = try #require(lines.last)
        #expect(lines.count == 2 && lines[0].hasPrefix("WORKER"))
        for cell in [
            "w1", "alive", "ops1", "42", "0.1.0", "2h", "3s ago", "intake, system-disk",
            "system-disk of img-1 50 % for 2m",
        ] {
            #expect(row.contains(cell), "\(cell): \(row)")
        }
        let narrow = view.table.text(width: 60)
        #expect(!narrow.contains("0.1.0") && narrow.contains("alive"), "what matters least is left out first")
    }

    @Test("a worker that drains, whose tool fails, or that is gone is told as that")
    func states() throws {
        let fault = ToolFault(.diskProgram, "it does not run", advice: "install qemu-utils")
        let view = view(
            [
                status("w1") { $0.isDraining = true }, status("w2") { $0.faults = [fault] },
                status("w3", lanes: ["replicate"], silent: .seconds(31)),
            ]
        )
        #expect(view.workers.map(\.state) == [.draining, .notReady, .gone])
        #expect(view.workers.map(\.isReady) == [false, false, false])
        #expect(view.unserved.contains("replicate") && !view.unserved.contains("intake"))
        #expect(view.text.contains("w2: ") && view.text.contains("→ install qemu-utils"))
        let json = CanonicalJSON.text(view)
        for part in [#""state":"not-ready""#, #""tool":"qemu-img""#, #""silentSeconds":31"#, #""gone":0"#] {
            #expect(json.contains(part), "\(part): \(json)")
        }
    }

    @Test("where there are hosts, their lanes need a worker, and those of no host need none")
    func hosts() {
        let lanes = LaneList(hosts: ["h1", "h2"].map { HostName(known: $0) })
        let served = LaneList.served(on: lanes.hosts[0]).map(\.description)
        let view = WorkersView([status("w1", lanes: served)], leases: [], lanes: lanes, all: false, at: now)
        #expect(view.unserved == Step.allCases.map { "\($0.rawValue)@h2" })
        #expect(view.text.contains("no worker serves replicate@h2"))
    }

    @Test("one that is gone and made up for by others is only counted, unless all are asked for")
    func past() {
        let statuses = [status("w1"), status("w2", silent: .seconds(3600))]
        #expect(view(statuses).workers.map(\.id.text) == ["w1"] && view(statuses).gone == 1)
        #expect(view(statuses, all: true).workers.map(\.id.text) == ["w1", "w2"])
        #expect(view([]).text.hasPrefix("no worker has reported"))
    }
}
