import Foundation
import ImageCore

/// Shows an image's making until it ends: on a terminal a picture that is redrawn, elsewhere a line for each change.
struct ImageFollower {
    let store: any ImageStore
    let id: ImageID
    /// Says nothing before the end, which is JSON.
    var isQuiet = false

    /// - Throws: exit code 1 when the image ends in Error.
    func follow() async throws {
        var drawn = 0
        var told: [String: String] = [:]
        var failedAt: ContinuousClock.Instant?
        while true {
            guard let image = try await stored({ () async throws(StoreError) in try await store.image(id) }) else {
                throw CommandFailure(
                    .notFound,
                    "there is no image \(id)",
                    advice: "`goldsmith image list` shows all of them"
                )
            }
            let leases = try await liveLeases(of: id, in: store)
            let lines = ProgressLines(image, leases).lines
            if !isQuiet {
                if Terminal.isInteractive {
                    // A line that wraps would be two on the screen, and only one would be cleared.
                    let clear = drawn > 0 ? "\u{1B}[\(drawn)A\u{1B}[J" : ""
                    Terminal.write("\u{1B}[?7l" + clear + lines.map { $0.bar + "\n" }.joined() + "\u{1B}[?7h")
                    drawn = lines.count
                } else {
                    for line in lines where told[line.name] != line.milestone {
                        told[line.name] = line.milestone
                        Terminal.say(line.bar)
                    }
                }
            }
            if image.status == .error, image.cleanUp == .running, failedAt == nil {
                failedAt = .now
                // At once, above what is redrawn: a clean-up can take long.
                if !isQuiet, let failure = ImageView(image).failure {
                    Terminal.say("\n\(failure.text)\n")
                    drawn = 0
                }
            }
            if isOver(image) || failedAt.map({ $0 + Self.patience < .now }) == true {
                let view = ImageView(image, leases: leases)
                if isQuiet { try Terminal.say(json: view) } else { Terminal.say("\n" + view.text) }
                if image.status == .error || image.status == .deleting {
                    Foundation.exit(CommandFailure.Kind.failed.rawValue)
                }
                return
            }
            try await Task.sleep(for: .milliseconds(250))
        }
    }

    /// How long the end of a clean-up is waited for. It may take a day, while a location is away.
    private static let patience = Duration.seconds(60)

    private func isOver(_ image: Image) -> Bool {
        switch image.status {
        case .pending, .replicating: false
        case .available, .deleted: true
        case .error: image.cleanUp != .running
        case .deleting: image.cleanUp == .incomplete
        }
    }

    /// Says what became of a request that starts something, and follows it if that is wanted.
    static func report(_ answer: Answer, _ settings: Settings, wait: Bool, json: Bool) async throws {
        guard let image = answer.imageId else {
            throw CommandFailure(
                .failed,
                "the answer names no image",
                advice: "are worker and command of one version? `goldsmith worker list` shows the workers'"
            )
        }
        guard wait else {
            if json { return try Terminal.say(json: answer) }
            Terminal.say("\(image) is \(answer.imageStatus?.rawValue ?? "accepted")")
            return Terminal.say("follow it with: goldsmith image watch \(image)\(settings.sameFlags)")
        }
        let store = try await settings.openStore()
        if !json { Terminal.say("\(image) is accepted") }
        try await ImageFollower(store: store, id: image, isQuiet: json).follow()
    }
}

/// One line for the image, each disk and each replica.
struct ProgressLines {
    struct Line {
        var name: String
        var bar: String
        /// Changes when something worth a line in a log has happened.
        var milestone: String
    }

    let lines: [Line]

    init(_ image: Image, _ leases: [Lease]) {
        let status = Terminal.paint(image.status.rawValue, image.status.tone)
        var lines = [Line(name: "image", bar: "\(image.id)  \(status)", milestone: image.status.rawValue)]
        // Only while it waits: else it is over before anybody has read it.
        if let check = image.jobs[.stopCheck], check.phase == .waiting, check.waiting != nil {
            lines.append(Self.line(.stopCheck, check, nil, isStopped: false))
        }
        let left = image.ledger.count { image.jobs[.cleanUp($0.resource.id)] != nil }
        if image.status == .error || image.status == .deleting, left > 0 {
            let text = image.status == .error ? "  cleaning up: \(left) left" : "  deleting: \(left) left"
            lines.append(Line(name: "clean-up", bar: text, milestone: text))
        }
        let isGoing = image.status == .deleting || image.status == .deleted
        for job in isGoing ? [] : image.plan.captureJobs + image.plan.replicateJobs {
            let lease = leases.first { $0.job == job }
            lines.append(Self.line(job, image.jobs[job], lease, isStopped: image.status == .error))
        }
        self.lines = lines
    }

    private static func line(_ job: Job, _ state: JobState?, _ lease: Lease?, isStopped: Bool) -> Line {
        let what = job.location.map { "→ \($0)" } ?? job.device?.description ?? job.description
        let name = what.padding(toLength: 14, withPad: " ", startingAt: 0)
        switch state?.phase {
        case .done?:
            return Line(name: what, bar: "  \(name) \(bar(1)) done", milestone: "done")
        case .failed?, .abandoned?:
            let note = Terminal.paint(state?.phase == .failed ? "failed" : "stopped", .bad)
            return Line(name: what, bar: "  \(name) \(bar(0)) \(note)", milestone: "failed")
        case .waiting?:
            let progress = lease?.progress
            let total = progress?.totalBytes ?? 0
            let part = total > 0 ? Double(progress?.doneBytes ?? 0) / Double(total) : 0
            var note = lease.map { "\(Int(part * 100)) %  \($0.worker)" } ?? state?.waiting?.reason ?? "queued"
            if let attempt = state?.attempt, attempt > 1 { note += "  attempt \(attempt)" }
            let milestone = "\(lease?.worker.text ?? "") \(Int(part * 5)) \(state?.attempt ?? 1)"
            return Line(name: what, bar: "  \(name) \(bar(part)) \(note)", milestone: milestone)
        case nil:
            return Line(name: what, bar: "  \(name) \(bar(0))", milestone: "")
        }
    }

    private static func bar(_ part: Double) -> String {
        let width = 24
        let full = Int((min(max(part, 0), 1) * Double(width)).rounded())
        return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    }
}
