import ImageCore

/// An image's making as spans of time, one row a job: what the journal says, drawn.
struct Timeline: Equatable {
    enum Kind: String {
        /// Queued, or waiting to be tried again.
        case waiting
        case running
        case done
        /// An attempt that failed; the job may have gone on after it.
        case failed
        /// An attempt that was stopped or never heard of again.
        case lost
    }

    struct Span: Equatable {
        var kind: Kind
        var from: Timestamp
        var to: Timestamp
    }

    struct Row: Equatable {
        var job: Job
        var spans: [Span]

        /// From the first attempt's beginning to the last's end.
        var took: Duration? {
            let worked = spans.filter { $0.kind != .waiting }
            guard let first = worked.first, let last = worked.last else { return nil }
            return last.to - first.from
        }
    }

    let from: Timestamp
    let to: Timestamp
    let rows: [Row]

    /// The making, with the clean-ups that belong to it.
    /// - Parameter now: where spans end that are still open.
    static func making(_ image: Image, journal: [Announcement], now: Timestamp) -> Timeline {
        let jobs = image.jobs.keys.filter { isPartOfMaking($0, image, journal) }
        return Timeline(image, jobs, from: image.createdAt, journal: journal, now: now)
    }

    /// What came after it: launches, proofs and deletions. They may be months apart from it, and have an axis of their own.
    static func later(_ image: Image, journal: [Announcement], now: Timestamp) -> Timeline {
        let jobs = image.jobs.keys.filter { !isPartOfMaking($0, image, journal) }
        return Timeline(image, jobs, from: nil, journal: journal, now: now)
    }

    private static func isPartOfMaking(_ job: Job, _ image: Image, _ journal: [Announcement]) -> Bool {
        switch job.step {
        case .stopCheck, .systemDisk, .dataDisk, .convert, .replicate: true
        case .bootProof: isMadeOnce(job, image, journal)
        case .launch: false
        // Of earlier attempts, or of a failure; in an image that is deleted, of its deletion.
        case .cleanUp: image.status != .deleting && image.status != .deleted
        }
    }

    /// Whether a proof is the making's own, and none was made at its location since.
    private static func isMadeOnce(_ proof: Job, _ image: Image, _ journal: [Announcement]) -> Bool {
        guard image.plan.wantsBootProof else { return false }
        let begin = journal.last { $0.kind == .imageReplicating }?.sequence ?? 0
        let verdicts = journal.filter { $0.kind == .imageBootProof && $0.sequence > begin }
        guard let first = verdicts.first else { return true }
        return first.job == proof && verdicts.count { $0.job == proof } == 1 && image.jobs[proof]?.phase != .waiting
    }

    /// What the timeline shows of a job: of proofs at one location, which may be months apart, only of the last.
    private static func lines(of job: Job, _ image: Image, _ journal: [Announcement]) -> [Announcement] {
        let lines = journal.filter { $0.job == job }
        guard job.step == .bootProof else { return lines }
        let ends = lines.indices.filter { lines[$0].kind == .stepDone }
        let before = image.jobs[job]?.phase == .waiting ? ends.last : ends.dropLast().last
        return before.map { Array(lines[($0 + 1)...]) } ?? lines
    }

    private init(_ image: Image, _ jobs: [Job], from: Timestamp?, journal: [Announcement], now: Timestamp) {
        let checked = journal.last { $0.kind == .stepDone && $0.job == .stopCheck }?.at
        let captured = journal.last { $0.kind == .imageReplicating }?.at
        // A job that waits until the image's failure was not wanted any more from there on.
        let failed = image.status == .error ? journal.last { $0.kind == .imageError }?.at : nil
        let deleted = journal.last { $0.kind == .imageDeleting }?.at
        rows = jobs.sorted().map { job in
            let queued: Timestamp? =
                switch job.step {
                case .stopCheck, .convert: image.createdAt
                case .systemDisk, .dataDisk: checked
                case .replicate: captured
                case .bootProof where from != nil:
                    journal.first { $0.kind == .stepDone && $0.job?.step == .replicate }?.at
                case .bootProof, .launch: nil
                case .cleanUp: failed ?? deleted
                }
            let lines = Self.lines(of: job, image, journal)
            let end = image.jobs[job]?.phase == .waiting ? now : failed ?? lines.last?.at ?? now
            return Row(job: job, spans: Self.spans(lines, queuedAt: queued, end: end))
        }
        let spans = rows.flatMap(\.spans)
        let begin = from ?? spans.map(\.from).min() ?? now
        self.from = begin
        to = max(begin, spans.map(\.to).max() ?? begin)
    }

    private static func spans(_ lines: [Announcement], queuedAt: Timestamp?, end: Timestamp) -> [Span] {
        var spans: [Span] = []
        var open: (kind: Kind, from: Timestamp)? = queuedAt.map { (.waiting, $0) }
        func close(_ kind: Kind? = nil, at moment: Timestamp) {
            if let span = open, moment >= span.from {
                // What waited is waiting whatever comes after it.
                let kind = span.kind == .waiting ? .waiting : kind ?? span.kind
                spans.append(Span(kind: kind, from: span.from, to: moment))
            }
            open = nil
        }
        for line in lines {
            switch line.kind {
            case .stepStarted:
                close(.lost, at: line.at)
                open = (.running, line.at)
            case .stepRetrying:
                close(.failed, at: line.at)
                open = (.waiting, line.at)
            case .stepInterrupted, .stepWaiting:
                close(.lost, at: line.at)
                open = (.waiting, line.at)
            case .stepDone: close(.done, at: line.at)
            case .stepFailed: close(.failed, at: line.at)
            case .imagePending, .imageReplicating, .imageAvailable, .imageError, .imageBootProof, .imageCleaned,
                .imageShared, .imageUnshared, .imageConverting, .imageDeleting, .imageDeleted:
                break
            }
        }
        close(at: max(end, open?.from ?? end))
        return spans
    }

    /// Where a moment is, from 0 to `width`.
    func position(_ moment: Timestamp, of width: Double) -> Double {
        let whole = Double((to - from).microseconds)
        guard whole > 0 else { return 0 }
        return min(max(Double((moment - from).microseconds) / whole, 0), 1) * width
    }
}

extension Timeline {
    /// One row's bar: as wide as the whole making, so that bars stand above each other in time.
    func bar(_ row: Row) -> HTML {
        let width = 1000.0
        return tag(
            .svg,
            .class("bar"),
            Attribute("viewBox", "0 0 1000 16"),
            Attribute("preserveAspectRatio", "none"),
            Attribute("role", "img"),
            .label(description(row))
        ) {
            tag(
                .line,
                .class("axis"),
                Attribute("x1", 0),
                Attribute("y1", 8),
                Attribute("x2", 1000),
                Attribute("y2", 8)
            )
            for span in row.spans {
                let x = position(span.from, of: width)
                // What was too short to be seen is drawn as if it had been just long enough.
                let length = max(position(span.to, of: width) - x, span.kind == .waiting ? 0 : 8)
                let start = min(x, width - length)
                let isThin = span.kind == .waiting
                tag(
                    .rect,
                    .class(span.kind.rawValue),
                    Attribute("x", Self.number(start)),
                    Attribute("y", isThin ? "7" : "1"),
                    Attribute("width", Self.number(length)),
                    Attribute("height", isThin ? "2" : "14"),
                    Attribute("rx", isThin ? "0" : "2")
                )
            }
        }
    }

    private func description(_ row: Row) -> String {
        guard !row.spans.isEmpty else { return "not begun" }
        return row.spans.map { span in
            let word =
                switch span.kind {
                case .waiting: "waited"
                case .running: "running for"
                case .done: "done in"
                case .failed: "failed after"
                case .lost: "stopped after"
                }
            return "\(word) \(Words.duration(span.to - span.from))"
        }.joined(separator: ", ")
    }

    /// One decimal: thousandths of a bar are below what a screen shows.
    static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
    }
}
