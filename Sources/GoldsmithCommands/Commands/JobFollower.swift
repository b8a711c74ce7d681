import ImageCore
import ImageWorker
import TerminalText

/// Follows one job of an Available image until it is done: a line for each change.
struct JobFollower {
    let store: any StoreReader
    let id: ImageID
    let job: Job
    /// Says nothing before the end, which is JSON.
    var isQuiet = false

    /// - Throws: what the job failed of.
    func follow() async throws {
        var (told, percentTold) = ("", -1)
        func say(once text: String) {
            guard !isQuiet, text != told else { return }
            told = text
            Terminal.say("  " + text)
        }
        while true {
            let image = try await stored { () async throws(StoreError) in try await store.image(id) }
            let state = image?.jobs[job]
            switch state?.phase {
            // Done launches are forgotten with the next one.
            case .done?, nil: return
            case .failed?, .abandoned?:
                if let failure = state?.lastFailure { throw CommandFailure(failure) }
                throw CommandFailure(
                    .failed,
                    "\(job) of \(id) did not come to its end",
                    advice: "`goldsmith image show \(id) --history` says what happened"
                )
            case .waiting?: break
            }
            if let lease = try await liveLeases(of: id, in: store).first(where: { $0.job == job }) {
                if let doing = image?.activity(of: job, lease.progress) {
                    say(once: doing)
                } else if let progress = lease.progress, progress.totalBytes > 0 {
                    let percent = Int(Double(progress.doneBytes) / Double(progress.totalBytes) * 100)
                    if percent / 10 != percentTold / 10 || percentTold < 0 { say(once: "\(percent) %") }
                    percentTold = percent
                }
            } else if let state, let reason = state.reason, let due = state.dueAt {
                say(once: "attempt \(state.tries) \(Format.due(due.rfc3339)), after \(reason)")
            }
            try await Task.sleep(for: .milliseconds(250))
        }
    }
}
