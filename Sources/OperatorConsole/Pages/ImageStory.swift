import ImageCore

/// One image: how its making went, job by job, and what it consists of.
struct ImageStory {
    let image: Image
    let journal: [Announcement]
    let leases: [Lease]
    let now: Timestamp
    /// Whether who looks may ask for something.
    var offersActions = false

    /// What a failed or deleted image was made of is gone.
    private var isWhole: Bool {
        switch image.status {
        case .pending, .replicating, .available: true
        case .error, .deleting, .deleted: false
        }
    }

    var html: HTML {
        let later = Timeline.later(image, journal: journal, now: now)
        return .joined([
            heading, image.failure.map(failure) ?? .nothing,
            section("Making", Timeline.making(image, journal: journal, now: now)),
            later.rows.isEmpty ? .nothing : section("Since then", later), mapping, replicas, findings, history,
        ])
    }

    private var heading: HTML {
        tag(.section, .class("head")) {
            tag(.p, .class("over")) {
                tag(.a, .href(.images(ImageQuery()))) { "Images" }
                tag(.span, .hidden) { " / " }
                tag(.code) { image.id.text }
            }
            tag(.h1) {
                image.name
                Mark(image.status).html
            }
            if !image.details.isEmpty { tag(.p, .class("lead")) { image.details } }
            tag(.dl, .class("facts")) {
                fact("Instance") { tag(.code) { image.plan.instanceID.text } }
                fact("Owner") { image.owner.text }
                fact("Root device") { image.plan.systemDisk.kind == .local ? "localDisk" : "cloudDisk" }
                fact("Created") { Words.moment(image.createdAt) }
                if image.status.isEnd {
                    fact("Took") { Words.duration(ended - image.createdAt) }
                } else {
                    fact("Last change") { Words.moment(image.updatedAt) }
                }
                fact("Request") { tag(.code) { image.requestID.text } }
                if !image.ties.sharedWith.isEmpty {
                    fact("Shared with") { image.ties.sharedWith.map(\.text).joined(separator: ", ") }
                }
                if let source = image.plan.conversion?.source { fact("Made of") { Self.link(source) } }
                if let target = image.ties.conversion { fact("Being converted into") { Self.link(target) } }
                for (key, value) in image.labels.sorted(by: { $0.key < $1.key }) { fact(key) { value } }
            }
            if offersActions { ActionBar(image: image).html }
        }
    }

    /// When the image came to its end.
    private var ended: Timestamp {
        journal.last { $0.kind == .imageAvailable || $0.kind == .imageError }?.at ?? image.updatedAt
    }

    private func fact(_ name: String, @HTMLBuilder _ content: () -> HTML) -> HTML {
        tag(.div) {
            tag(.dt) { name }
            tag(.dd, content: content)
        }
    }

    private func failure(_ failure: ImageFailure) -> HTML {
        tag(.section, .class("failure"), Attribute("aria-labelledby", "why")) {
            tag(.h2, .id("why")) { "Why it failed" }
            tag(.p, .class("reason")) { Words.sentence(failure.cause.message) }
            if let advice = failure.cause.advice {
                tag(.p, .class("advice")) {
                    tag(.strong) { "What to do: " }
                    Words.sentence(advice)
                }
            }
            tag(.dl, .class("facts")) {
                fact("Code") { tag(.code) { failure.cause.code.rawValue } }
                if let job = failure.job { fact("In") { Self.name(job) } }
                if failure.attempts > 0 { fact("After") { Words.count(failure.attempts, "attempt") } }
                fact("At") { Words.moment(failure.at) }
                fact("Clean-up") { cleanUp.html }
                if !image.cleaned.isEmpty {
                    fact("Deleted") { Self.list(image.cleaned.map(\.text)) }
                }
                if !image.ledger.isEmpty {
                    fact("Still there") { Self.list(image.ledger.map(\.resource.id.text)) }
                }
            }
        }
    }

    private var cleanUp: Mark {
        switch image.cleanUp {
        case .notNeeded: Mark(.off, "not needed")
        case .running: Mark(.busy, "running")
        case .done: Mark(.good, "done, nothing is left")
        case .incomplete: Mark(.bad, "incomplete, a human is needed")
        }
    }

    private static func list(_ names: [String]) -> HTML {
        tag(.ul, .class("plain")) { for name in names { tag(.li) { tag(.code) { name } } } }
    }

    // MARK: The making

    private func section(_ caption: String, _ timeline: Timeline) -> HTML {
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
                tag(.tbody) { for row in timeline.rows { jobRow(row, in: timeline) } }
            }
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
    }

    private func jobRow(_ row: Timeline.Row, in timeline: Timeline) -> HTML {
        let state = image.jobs[row.job]
        let lease = leases.first { $0.job == row.job }
        return tag(.tr) {
            tag(.th, Attribute("scope", "row")) {
                Self.name(row.job)
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
                    .label("\(Self.name(job)): copied"),
                    Attribute("max", String(progress.totalBytes)),
                    .value(String(min(progress.doneBytes, progress.totalBytes)))
                ) { "\(percent) %" }
                : tag(.progress, .label("\(Self.name(job)): copied"))
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

    // MARK: What it consists of

    private var mapping: HTML {
        let captures = isWhole ? image.captures : []
        return tag(.section) {
            DataTable(
                caption: "Device mapping",
                columns: ["Device", "Disk", "Size", "Auto-delete", "Snapshot or file", "Bytes", "SHA-256"],
                rows: image.plan.disks.map { disk in
                    let capture = captures.first { $0.device == disk.device }
                    return [
                        .code(disk.device.description),
                        .text("\(disk.device.isSystem ? "system" : "data"), \(disk.kind.rawValue)"),
                        .number(Words.bytes(disk.sizeBytes)),
                        .text(disk.autoDelete ? "yes" : "no"),
                        .code(capture?.resource.id.text),
                        .number((capture?.fileSizeBytes).map(Words.bytes)),
                        .checksum(capture?.sha256),
                    ]
                }
            ).html
        }
    }

    private var replicas: HTML {
        guard isWhole, !image.replicas.isEmpty else { return .nothing }
        let files = image.replicas.flatMap { replica in replica.files.map { (replica.location, $0) } }
        return tag(.section) {
            DataTable(
                caption: "Replicas",
                columns: ["Location", "File", "Bytes", "Compared", "SHA-256"],
                rows: files.map { location, file in
                    [
                        .text(location.text), .code(file.name), .number(Words.bytes(file.sizeBytes)),
                        .mark(comparison(file)), .checksum(file.sha256),
                    ]
                }
            ).html
        }
    }

    private func comparison(_ file: Replica.File) -> Mark {
        guard let capture = image.captures.first(where: { $0.device == file.device }) else {
            return Mark(.warning, "no capture")
        }
        return capture.sha256 == file.sha256 ? Mark(.good, "same as captured") : Mark(.bad, "differs")
    }

    private var findings: HTML {
        guard !image.findings.isEmpty else { return .nothing }
        return tag(.section) {
            tag(.h2) { "Notes on the guest" }
            tag(.ul, .class("plain")) {
                for finding in image.findings {
                    tag(.li) {
                        Self.mark(finding.severity).html
                        " "
                        Words.sentence(finding.message)
                        if let advice = finding.advice {
                            " "
                            Words.sentence(advice)
                        }
                        if let text = finding.text { tag(.code, .class("line")) { text } }
                    }
                }
            }
        }
    }

    private static func mark(_ severity: Finding.Severity) -> Mark {
        switch severity {
        case .notChecked: Mark(.off, "Not checked")
        case .warning: Mark(.warning, "Warning")
        case .fixed: Mark(.good, "Fixed")
        }
    }

    private var history: HTML {
        tag(.section) {
            tag(.details) {
                tag(.summary) { "History, \(Words.count(journal.count, "event"))" }
                DataTable(
                    caption: "History",
                    isCaptionHidden: true,
                    columns: ["Event", "Time (UTC)", "Job", "Attempt", "What was said"],
                    rows: journal.map { line in
                        [
                            .text("\(line.sequence)  \(line.kind.rawValue)"), .html(Words.moment(line.at)),
                            .text(line.job.map { Self.name($0) }), .number(line.attempt.map { String($0) }),
                            .text(line.failure?.message ?? line.reason),
                        ]
                    }
                ).html
            }
        }
    }

    // MARK: Small parts

    private static func link(_ image: ImageID) -> HTML { tag(.a, .href(.image(image))) { tag(.code) { image.text } } }

    static func name(_ job: Job) -> String {
        switch job {
        case .stopCheck: "Stop check"
        case .systemDisk: "System disk"
        case .convert: "Convert the system disk"
        case .launch(let instance): "Launch \(instance)"
        case .dataDisk(let device): "Data disk \(device)"
        case .replicate(let location): "Replicate to \(location)"
        // The page says already which image's they are.
        case .cleanUp(let resource): "Clean up \(resource.text.split(separator: ".", maxSplits: 1).last ?? "")"
        }
    }
}
