import ImageCore
import Operations

/// Jobs as rows, each with its attempts in time, its worker and its progress.
struct JobTable {
    let caption: String
    let timeline: Timeline
    let image: Image
    let leases: [Lease]
    let workers: [WorkerStatus]

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
                if let state, state.tries > 1 { tag(.small) { "attempt \(state.tries)" } }
            }
            tag(.td, .class("state")) {
                mark(state, lease).html
                if let lease { tag(.small) { lease.worker.text } }
            }
            tag(.td, .class("when")) {
                timeline.bar(row)
                if let progress = lease?.progress { self.progress(progress, of: row.job) }
                if let note = note(row.job, state, lease) { tag(.p, .class("note")) { note } }
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
                    ? "\(Quantity.bytes(progress.doneBytes)) of \(Quantity.bytes(progress.totalBytes)), \(percent) %"
                    : Quantity.bytes(progress.doneBytes)
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

    /// What it does, or why it waits and when it goes on.
    private func note(_ job: Job, _ state: JobState?, _ lease: Lease?) -> String? {
        guard let state else { return nil }
        switch state.phase {
        case .waiting:
            guard let lease else {
                if let missing = image.missingWorker(for: job, among: workers) { return "waits for \(missing)" }
                guard let reason = state.reason else { return nil }
                let next = state.dueAt.map { " at \(Words.clockText($0)) UTC" } ?? ""
                return state.waiting == nil
                    ? "is tried again\(next), after: \(reason)" : "waits: \(reason); looks again\(next)"
            }
            let doing = image.activity(of: job, lease.progress).map { doing in
                doing + (lease.since.map { " since \(Words.clockText($0)) UTC" } ?? "")
            }
            let parts = [doing, state.lastFailure.map { "before: \($0.message)" }].compactMap { $0 }
            return parts.isEmpty ? nil : parts.joined(separator: "; ")
        case .failed: return state.lastFailure?.message
        case .done, .abandoned: return nil
        }
    }
}
