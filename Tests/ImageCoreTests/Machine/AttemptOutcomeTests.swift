import Testing

@testable import ImageCore

/// The machine that judges an attempt's report also names its outcome.
struct AttemptOutcomeTests {
    private static let job = Job.systemDisk

    /// An image whose system disk is being captured, and the attempt's fence.
    private static func capturing() -> (Life, Int64) {
        var life = Life(disks: 2)
        life.run(.stopCheck)
        life.apply(.began(job, attempt: 1))
        return (life, life.image.fence)
    }

    private static func success(_ fence: Int64, _ life: Life) -> Event {
        .succeeded(job, fence: fence, Sample.output(of: job, fence: fence, image: life.image))
    }

    private static func failure(_ fence: Int64, _ disposition: StepFailure.Disposition) -> Event {
        .failed(job, fence: fence, Sample.failure(disposition), discarded: true)
    }

    @Test("A report that counts says what it leads to, and says the same when its answer was lost and it comes again")
    func counts() {
        let (start, fence) = Self.capturing()
        let cases: [(Event, AttemptOutcome)] = [
            (Self.success(fence, start), .done), (Self.failure(fence, .transient), .retried),
            (Self.failure(fence, .throttled), .retried), (Self.failure(fence, .permanent), .failed),
            (.interrupted(Self.job, fence: fence, discarded: true), .interrupted),
            (.succeeded(Self.job, fence: fence, .checked([])), .failed),
        ]
        for (event, outcome) in cases {
            var life = start
            let first = life.apply(event)
            #expect(first.isMoved && first.outcome == outcome, "\(event)")
            guard event != cases[5].0 else { continue }
            let again = life.apply(event)
            #expect(!again.isMoved && again.outcome == outcome, "\(event) again")
        }
    }

    @Test("A report that comes after another attempt or the end of the image is superseded")
    func late() {
        let (start, dead) = Self.capturing()
        var life = start
        life.apply(.began(Self.job, attempt: 1))
        for event in [Self.success(dead, life), Self.failure(dead, .transient)] {
            #expect(life.apply(event).outcome == .superseded)
        }
        life.apply(Self.success(life.image.fence, life))
        for event in [Self.success(dead, life), Self.failure(dead, .permanent)] {
            #expect(life.apply(event).outcome == .superseded)
        }
        var cancelled = start
        cancelled.apply(.cancelled)
        for event in [Self.success(dead, cancelled), Self.failure(dead, .transient)] {
            #expect(cancelled.apply(event).outcome == .superseded)
        }
        let interrupted = cancelled.apply(.interrupted(Self.job, fence: dead, discarded: true))
        #expect(interrupted.outcome == .interrupted, "its worker stopped in any case")
    }

    @Test("Both parts of a launch are done, and an event that reports no attempt says nothing")
    func launch() {
        var life = Life.available()
        let job = Job.launch(InstanceID(known: "i-new1"))
        #expect(life.apply(.launching(life.launch("i-new1"))).outcome == nil)
        #expect(life.apply(.began(job, attempt: 1)).outcome == nil)
        let built = Event.succeeded(job, fence: life.image.fence, .built)
        for _ in 0..<2 { #expect(life.apply(built).outcome == .done) }
        life.apply(.began(job, attempt: 2))
        let launched = Event.succeeded(job, fence: life.image.fence, .launched(InstanceID(known: "i-new1")))
        for _ in 0..<2 { #expect(life.apply(launched).outcome == .done) }
    }
}
