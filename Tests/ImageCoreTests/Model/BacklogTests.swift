import Testing

@testable import ImageCore

@Suite("What waits is counted from what the store knows")
struct BacklogTests {
    private func lease(_ job: Job, until: Timestamp) -> Lease {
        Lease(
            image: Sample.imageID,
            job: job,
            fence: 1,
            worker: WorkerID(known: "w1"),
            expiresAt: until,
            progress: nil
        )
    }

    @Test("a job is due, in somebody's hands, or in the retry queues, and its age is since it was due")
    func states() {
        var image = Sample.accepted().image
        let start = Sample.now
        func steps(_ leases: [Lease] = [], at seconds: Int) -> Backlog? {
            Backlog.of([image], leases: leases, at: start + .seconds(seconds))[.job(.stopCheck)]
        }
        #expect(steps(at: 7)?.due == 1 && steps(at: 7)?.oldestDueAt == start)
        let held = [lease(.stopCheck, until: start + .seconds(10))]
        #expect(steps(held, at: 7)?.running == 1 && steps(held, at: 7)?.due == 0)
        #expect(steps(held, at: 11)?.due == 1, "a lease that has expired holds nothing")
        _ = image.apply(.rechecked(.stopCheck, after: .minutes2), in: TransitionContext(now: start + .seconds(20)))
        #expect(steps(at: 21)?.waitingForRetry == 1 && steps(at: 21)?.due == 0 && steps(at: 21)?.oldestDueAt == nil)
        #expect(steps(at: 141)?.due == 1 && steps(at: 141)?.oldestDueAt == start + .seconds(140))
    }

    @Test("asking whether a message was lost makes nothing younger")
    func renewed() {
        var image = Sample.accepted().image
        let later = Sample.now + .seconds(600)
        _ = image.apply(.overdue(alive: [.stopCheck]), in: TransitionContext(now: later))
        #expect(Backlog.of([image], leases: [], at: later)[.job(.stopCheck)]?.oldestDueAt == Sample.now)
    }

    @Test("a dead letter on its way waits for the handler, and no longer than that")
    func deadLetters() {
        var image = Sample.accepted().image
        let later = TransitionContext(now: Sample.now + .seconds(5))
        _ = image.apply(.began(.stopCheck, attempt: 1), in: later)
        let failure = Sample.failure(.permanent)
        _ = image.apply(.failed(.stopCheck, fence: 1, failure, discarded: true), in: later)
        let backlog = Backlog.of([image], leases: [], at: later.now + .seconds(1))
        #expect(backlog[.deadLetters]?.due == 1 && backlog[.deadLetters]?.oldestDueAt == later.now)
        #expect(backlog[.job(.stopCheck)] == nil)
        _ = image.apply(.deadLettered(.stopCheck, attempt: 1, failure), in: later)
        #expect(Backlog.of([image], leases: [], at: later.now)[.deadLetters] == nil)
    }
}
