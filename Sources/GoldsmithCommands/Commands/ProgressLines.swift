import ImageCore
import TerminalText

/// One line for the image, the check, each disk and each replica: how far it is, what is done for it, or why it waits
/// and when it goes on.
struct ProgressLines {
    struct Line {
        var name: String
        /// As it is shown; what it waits for may take rows of its own.
        var bar: String
        /// Changes when something worth a line in a log has happened.
        var milestone: String
    }

    let lines: [Line]

    /// - Parameter width: the terminal's; `nil` where each change is one line.
    init(_ image: Image, _ leases: [Lease], at now: Timestamp, width: Int?) {
        let status = Terminal.paint(image.status.rawValue, image.status.tone)
        var lines = [Line(name: "image", bar: "\(image.id)  \(status)", milestone: image.status.rawValue)]
        let look = Look(image: image, now: now, width: width)
        func line(_ job: Job) -> Line { look.line(job, image.jobs[job], leases.first { $0.job == job }) }
        // Once it is done the disks say all there is to say.
        if image.jobs[.stopCheck]?.phase == .waiting { lines.append(line(.stopCheck)) }
        let left = image.ledger.map { Job.cleanUp($0.resource.id) }.filter { image.jobs[$0] != nil }
        if image.status == .error || image.status == .deleting, !left.isEmpty {
            let text = image.status == .error ? "  cleaning up: \(left.count) left" : "  deleting: \(left.count) left"
            lines.append(Line(name: "clean-up", bar: text, milestone: text))
            lines += left.filter { image.jobs[$0]?.isHeldBack == true }.map(line)
        }
        let isGoing = image.status == .deleting || image.status == .deleted
        let proofs = image.jobs.keys.filter { $0.step == .bootProof }.sorted()
        lines += (isGoing ? [] : image.plan.captureJobs + image.plan.replicateJobs + proofs).map(line)
        self.lines = lines
    }

    private struct Look {
        let image: Image
        let now: Timestamp
        let width: Int?

        func line(_ job: Job, _ state: JobState?, _ lease: Lease?) -> Line {
            let what =
                switch job {
                case .replicate(let location): "→ \(location)"
                case .bootProof(let location): "proof at \(location)"
                case .stopCheck, .systemDisk, .dataDisk, .convert, .launch, .cleanUp:
                    job.device?.description ?? job.description
                }
            let name = "  " + what + String(repeating: " ", count: max(0, 14 - what.count))
            switch state?.phase {
            case .done?:
                return Line(name: what, bar: "\(name) \(bar(1)) done", milestone: "done")
            case .failed?, .abandoned?:
                let note = Terminal.paint(state?.phase == .failed ? "failed" : "stopped", .bad)
                return Line(name: what, bar: "\(name) \(bar(0)) \(note)", milestone: "failed")
            case .waiting?:
                if let lease { return running(job, state, lease, name, what) }
                return waiting(job, state, name, what)
            case nil:
                // A failed image's are not waited for any more.
                let note = image.status.isEnd ? "" : image.precondition(of: job).map { " " + $0 } ?? ""
                return Line(name: what, bar: "\(name) \(bar(0))\(note)", milestone: "")
            }
        }

        private func running(_ job: Job, _ state: JobState?, _ lease: Lease, _ name: String, _ what: String) -> Line {
            let progress = lease.progress
            let total = progress?.totalBytes ?? 0
            let part = total > 0 ? Double(progress?.doneBytes ?? 0) / Double(total) : 0
            let doing = image.activity(of: job, progress)
            let elapsed = lease.since.map { now - $0 } ?? .zero
            var notes = total > 0 ? ["\(Int(part * 100)) %"] : []
            if let doing { notes.append(doing) }
            if elapsed >= .seconds(1) { notes.append(Format.span(elapsed)) }
            if let tries = state?.tries, tries > 1 { notes.append("attempt \(tries)") }
            notes.append(lease.worker.text)
            // What no bytes move for says every half a minute that it goes on.
            let phase = total > 0 ? Int(part * 5) : Int(elapsed.components.seconds / 30)
            return Line(
                name: what,
                bar: "\(name) \(bar(part)) " + notes.joined(separator: "  "),
                milestone: "\(lease.worker) \(phase) \(state?.tries ?? 1) \(doing ?? "")"
            )
        }

        private func waiting(_ job: Job, _ state: JobState?, _ name: String, _ what: String) -> Line {
            guard let state, let reason = state.reason else {
                return Line(name: what, bar: "\(name) \(bar(0)) queued", milestone: "queued")
            }
            let left = state.dueAt.map { $0 - now } ?? .zero
            let when = left > .zero ? "in " + Format.span(left) : "now"
            let next = state.waiting == nil ? "attempt \(state.tries) \(when)" : "looks again \(when)"
            let why = state.waiting == nil ? "after \(reason)" : reason
            let head = "\(name) \(bar(0)) \(next)"
            let milestone = "\(state.tries) \(reason)"
            guard let width else { return Line(name: what, bar: "\(head): \(why)", milestone: milestone) }
            let indent = String(repeating: " ", count: 17)
            let rows = Wrapping.lines(why, width: max(20, width - indent.count)).map { indent + $0 }
            return Line(name: what, bar: ([head] + rows).joined(separator: "\n"), milestone: milestone)
        }

        private func bar(_ part: Double) -> String {
            let width = 24
            let full = Int((min(max(part, 0), 1) * Double(width)).rounded())
            return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
        }
    }
}
