import Testing

@testable import ImageCore

/// Attempts that never report, and rechecks while a worker still works.
struct LostAttemptTests {
    @Test("A job whose workers die every time ends on the dead-letter path, without an attempt used before")
    func killer() {
        var play = Play()
        let limit = play.context.policy.lostAttempts
        for _ in 0..<limit { play.begin(.stopCheck) }
        #expect(play.image.jobs[.stopCheck]?.attempt == 1)
        let effects = play.apply(.began(.stopCheck, attempt: 1))
        #expect(effects.messages == [.deadLetter(.stopCheck, attempt: 1, .killer(.stopCheck, limit))])
        #expect(play.image.jobs[.stopCheck]?.phase == .failed)
    }

    @Test("An attempt that reports is not lost, whatever it reports")
    func reported() {
        var play = Play()
        let fence = play.begin(.stopCheck)
        play.apply(.interrupted(.stopCheck, fence: fence, discarded: true))
        play.run(.stopCheck, failing: .transient)
        play.run(.stopCheck, failing: .throttled)
        play.begin(.stopCheck)
        #expect(play.image.jobs[.stopCheck]?.lost == 0)
    }

    @Test("The message of a rechecked job waits in its retry queue, and nobody takes it for lost meanwhile")
    func rechecked() {
        var play = Play()
        play.begin(.stopCheck)
        let before = play.image.jobs[.stopCheck]
        #expect(
            play.apply(.rechecked(.stopCheck, after: .minutes2)) == [.enqueue(.stopCheck, attempt: 1, after: .minutes2)]
        )
        let after = play.image.jobs[.stopCheck]
        #expect(after?.fence == before?.fence, "the work goes on")
        let timeout = RetryDelay.minutes2.duration + play.context.policy.overdueAfter
        #expect(after?.expectedAt == play.context.now + timeout)
    }

    @Test("Throttling uses no attempt for hours, and then it does, so that everything ends")
    func throttledForEver() {
        var play = Play()
        var rounds = 0
        while play.image.jobs[.stopCheck]?.phase == .waiting, rounds < 10_000 {
            play.run(.stopCheck, failing: .throttled)
            play.context.now = play.context.now + .seconds(30)
            rounds += 1
        }
        #expect(play.image.jobs[.stopCheck]?.phase == .failed)
        #expect(rounds > 6 * 120, "six hours of half minutes before the first attempt is used")
    }

    @Test("A parked clean-up that a human puts back begins anew, and its success gives the quota back")
    func reopened() {
        var play = Play()
        play.run(.stopCheck)
        play.begin(.systemDisk)
        play.apply(.cancelled)
        let job = Job.cleanUp(ResourceID(image: Sample.imageID, part: "vda", fence: 2))
        for _ in 1...30 { play.run(job, failing: .transient) }
        #expect(play.image.cleanUp == .incomplete)
        #expect(play.apply(.began(job, attempt: 30)) == [], "a stray copy of its message does nothing")
        #expect(play.image.cleanUp == .incomplete)
        play.apply(.replayed(job))
        #expect(play.image.cleanUp == .running)
        #expect(play.image.jobs[job]?.attempt == 1)
        play.run(job, failing: .transient)
        #expect(play.image.cleanUp == .running, "it has all its attempts again")
        #expect(play.run(job).contains(.releaseQuota(play.image.plan.quota)))
        #expect(play.image.cleanUp == .done)
    }
}
