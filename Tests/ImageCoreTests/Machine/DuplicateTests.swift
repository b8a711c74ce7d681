import Testing

@testable import ImageCore

/// A worker may have died after it finished a job and before it sent the follow-ups. A duplicate only sends them again.
struct DuplicateTests {
    @Test("A second copy of a done job's message sends its open follow-ups again, under the same ids")
    func followUps() {
        var play = Play(disks: 3, locations: 2)
        play.begin(.stopCheck)
        let fence = play.image.fence
        let first = play.apply(.succeeded(.stopCheck, fence: fence, .checked([]))).messages
        #expect(first == play.image.plan.captureJobs.map { .enqueue($0, attempt: 1, after: nil) })
        #expect(repeated(after: .stopCheck, in: play) == first)

        play.run(.dataDisk(Sample.device(1)))
        #expect(repeated(after: .stopCheck, in: play) == [first[0], first[2]], "what is done is not sent again")
        #expect(repeated(after: .dataDisk(Sample.device(1)), in: play) == [], "not all is captured yet")

        play.run(.systemDisk, failing: .transient)
        let retried = Effect.enqueue(.systemDisk, attempt: 2, after: nil)
        #expect(repeated(after: .stopCheck, in: play) == [retried, first[2]], "the attempt it is at")

        play.run(.systemDisk)
        let copies = play.run(.dataDisk(Sample.device(2))).messages
        #expect(copies == play.image.plan.replicateJobs.map { .enqueue($0, attempt: 1, after: nil) })
        for capture in play.image.plan.captureJobs { #expect(repeated(after: capture, in: play) == copies) }
    }

    @Test("A copy of a message that ran out of attempts sends its dead letter again")
    func deadLetters() {
        var play = Play()
        let dead = play.run(.stopCheck, failing: .permanent).messages
        #expect(repeated(after: .stopCheck, in: play) == dead)
        play.apply(.deadLettered(.stopCheck, attempt: 1, Sample.failure(.permanent)))
        #expect(repeated(after: .stopCheck, in: play) == [], "the image has come to its end")
    }

    @Test("A second cancellation comes too late, and so does one of an available image")
    func cancellations() {
        var play = Play()
        play.apply(.cancelled)
        #expect(play.image.failure?.cause.code == .cancelled)
        #expect(play.image.apply(.cancelled, in: play.context) == .ignored(.atItsEnd(.error), []))
        var whole = Play()
        for job in [.stopCheck, .systemDisk, .replicate(Sample.locations[0])] as [Job] { whole.run(job) }
        #expect(whole.image.apply(.cancelled, in: whole.context) == .ignored(.atItsEnd(.available), []))
    }

    @Test("The sweeper sends again what is late and has no living worker")
    func overdue() {
        var play = Play(disks: 2)
        play.run(.stopCheck)
        #expect(play.apply(.overdue(alive: [])) == [], "nothing is late yet")
        play.context.now = Sample.now + .seconds(120)
        let effects = play.apply(.overdue(alive: [.systemDisk]))
        #expect(effects == [.enqueue(.dataDisk(Sample.device(1)), attempt: 1, after: nil)])
        #expect(play.image.wakeAt == Sample.now + .seconds(240), "both are waited for anew")
    }

    /// What every kind of duplicate of a job sends; the same, or nothing for the test to compare.
    private func repeated(after job: Job, in play: Play) -> [Effect]? {
        let events: [Event] = [
            .began(job, attempt: 1), .succeeded(job, fence: 1, .checked([])),
            .failed(job, fence: 1, Sample.failure(.permanent), discarded: true),
            .interrupted(job, fence: 1, discarded: true),
            .began(job, attempt: 1, lockLine: LockLine(holder: ImageID(known: "img-a"))),
        ]
        let answers = events.map { event in
            var copy = play.image
            return copy.apply(event, in: play.context)
        }
        guard answers.allSatisfy({ !$0.isMoved && $0.effects == answers[0].effects }) else { return nil }
        return answers[0].effects
    }
}
