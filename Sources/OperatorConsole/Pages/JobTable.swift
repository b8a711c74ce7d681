import ImageCore

/// Jobs as rows, each with its attempts in time, its worker and its progress.
struct JobTable {
    let caption: String
    let timeline: Timeline
    let image: Image
    let leases: [Lease]

    var html: HTML {
        tag(.section) {
            tag(.table, .class("timeline")) {
                tag(.caption) {
                    caption
                    tag(.small) {
                        Words.clock(timeline.from)
                        " to "
                        Words.clock(timeline.to)
                        " UTC, \(Words.duration(timeline.to - timeline.from))"
                    }
                }
                tag(.thead) {
                    tag(.tr) {
                        for name in ["Job", "State", "When", "Took"] { tag(.th, Attribute("scope", "col")) { name } }
                    }
                }
                tag(.tbody) { for row in timeline.rows { self.row(row) } }
            }
            legend
        }
    }

    private var legend: HTML {
        tag(.p, .class("legend")) {
            for (kind, word) in [
                (Timeline.Kind.waiting, "waiting"), (.running, "running"), (.done, "done"), (.failed, "failed"),
                (.lost, "stopped"),
            ] {
                tag(.span) {
                    tag(
                        .svg,
                        .class("key"),
                        Attribute("viewBox", "0 0 16 10"),
                        Attribute("width", 16),
                        Attribute("height", 10),
                        .hidden
                    ) {
                        tag(
                            .rect,
                            .class(kind.rawValue),
                            Attribute("x", 1),
                            Attribute("y", kind == .waiting ? 4 : 1),
                            Attribute("width", 14),
                            Attribute("height", kind == .waiting ? 2 : 8),
                            Attribute("rx", 1)
                        )
                    }
                    word
                }
            }
        }
    }

    private func row(_ row: Timeline.Row) -> HTML {
        let state = image.jobs[row.job]
        let lease = leases.first { $0.job == row.job }
        return tag(.tr) {
            tag(.th, Attribute("scope", "row")) {
                row.job.title
                if let state, state.attempt > 1 { tag(.small) { "attempt \(state.attempt)" } }
            }
            tag(.td, .class("state")) {
                mark(state, lease).html
                if let lease { tag(.small) { lease.worker.text } }
            }
            tag(.td, .class("when")) {
                timeline.bar(row)
                if let progress = lease?.progress { self.progress(progress, of: row.job) }
                if let note = note(state, lease) { tag(.p, .class("note")) { note } }
            }
            tag(.td, .class("number")) { row.took.map(Words.duration) ?? "–" }
        }
    }

    private func progress(_ progress: CopyProgress, of job: Job) -> HTML {
        let isKnown = progress.totalBytes > 0
        let percent = isKnown ? Int(Double(progress.doneBytes) / Double(progress.totalBytes) * 100) : 0
        return tag(.div, .class("progress")) {
            isKnown
                ? tag(
                    .progress,
                    .label("\(job.title): copied"),
                    Attribute("max", String(progress.totalBytes)),
                    .value(String(min(progress.doneBytes, progress.totalBytes)))
                ) { "\(percent) %" }
                : tag(.progress, .label("\(job.title): copied"))
            tag(.span) {
                isKnown
                    ? "\(Words.bytes(progress.doneBytes)) of \(Words.bytes(progress.totalBytes)), \(percent) %"
                    : Words.bytes(progress.doneBytes)
            }
        }
    }

    private func mark(_ state: JobState?, _ lease: Lease?) -> Mark {
        switch state?.phase {
        case .waiting where lease != nil: Mark(.busy, "Running")
        case .waiting: Mark(.waiting, "Waiting")
        case .done: Mark(.good, "Done")
        case .failed: Mark(.bad, "Failed")
        case .abandoned: Mark(.off, "Not wanted any more")
        case nil: Mark(.off, "Unknown")
        }
    }

    private func note(_ state: JobState?, _ lease: Lease?) -> String? {
        guard let state else { return nil }
        switch state.phase {
        case .waiting where lease == nil:
            return state.waiting.map { "waits: \($0.reason)" }
                ?? state.lastFailure.map { "will be tried again after: \($0.message)" }
        case .waiting: return state.lastFailure.map { "before: \($0.message)" }
        case .failed: return state.lastFailure?.message
        case .done, .abandoned: return nil
        }
    }
}
