import ImageCore

/// The workers and their jobs.
struct WorkerTable {
    let workers: WorkerSummary
    let leases: [Lease]

    var html: HTML {
        let shown = (workers.alive + workers.missed).sorted { $0.report.worker < $1.report.worker }
        let past = workers.past.count
        guard !shown.isEmpty || past > 0 else { return .nothing }
        return tag(.section, .id(Alarm.workersAnchor)) {
            DataTable(
                caption: "Workers",
                columns: ["Worker", "State", "Since (UTC)", "At work on", "Serves"],
                rows: shown.map { row($0) }
            ).html
            if past > 0 {
                tag(.p) { "\(Words.count(past, "worker")) gone within a day; others have taken over their work." }
            }
        }
    }

    private func row(_ status: WorkerStatus) -> [DataTable.Cell] {
        let report = status.report
        let works = leases.filter { $0.worker == report.worker && !status.isGone }
        let list = tag(.ul, .class("plain")) {
            for lease in works {
                tag(.li) {
                    lease.job.title
                    " of "
                    lease.image.link
                }
            }
        }
        return [
            .html(
                .joined([
                    tag(.code) { report.worker.text },
                    tag(.small) { "process \(report.identity.processID) on \(report.identity.host)" },
                ])
            ),
            .mark(mark(of: status)),
            .html(Words.moment(status.isGone ? status.storedAt : report.startedAt)),
            works.isEmpty ? .text("–") : .html(list), .text(report.lanes.joined(separator: ", ")),
        ]
    }

    private func mark(of status: WorkerStatus) -> Mark {
        let report = status.report
        if status.isGone { return Mark(.bad, "Gone") }
        if report.isDraining == true { return Mark(.busy, "Draining") }
        return report.faults?.isEmpty == false ? Mark(.bad, "Not ready") : Mark(.good, "Alive")
    }
}
