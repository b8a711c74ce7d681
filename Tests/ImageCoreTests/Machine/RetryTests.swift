import Testing

@testable import ImageCore

/// How often, how long apart, and what uses up an attempt.
struct RetryTests {
    @Test(
        "The attempt chooses the retry delay; the outer quarters of the jitter its neighbours",
        arguments: [
            // attempt, then the retry delay for a jitter of 0, 0.2499, 0.25, 0.75 and 0.9999
            (1, [.second1, .second1, .second1, .seconds5, .seconds5]),
            (2, [.second1, .second1, .seconds5, .seconds30, .seconds30]),
            (3, [.seconds5, .seconds5, .seconds30, .minutes2, .minutes2]),
            (4, [.seconds30, .seconds30, .minutes2, .minutes10, .minutes10]),
            (5, [.minutes2, .minutes2, .minutes10, .hour1, .hour1]),
            (6, [.minutes10, .minutes10, .hour1, .hour1, .hour1]),
            (7, [.minutes10, .minutes10, .hour1, .hour1, .hour1]),
            (Int.max, [.minutes10, .minutes10, .hour1, .hour1, .hour1]),
            (0, [.second1, .second1, .second1, .seconds5, .seconds5]),
            (Int.min + 1, [.second1, .second1, .second1, .seconds5, .seconds5]),
        ] as [(Int, [RetryDelay])]
    )
    func retryQueues(attempt: Int, delays: [RetryDelay]) {
        let policy = RetryPolicy()
        #expect([0, 0.2499, 0.25, 0.75, 0.9999].map { policy.delay(after: attempt, jitter: $0) } == delays)
    }

    @Test("A step is tried at least once, and a clean-up by its own number", arguments: Step.allCases)
    func attemptsOfStep(_ step: Step) {
        var policy = RetryPolicy()
        #expect(policy.attempts(for: step) == (step == .cleanUp ? 30 : 6))
        (policy.attempts, policy.cleanUpAttempts) = (0, -3)
        #expect(policy.attempts(for: step) == 1)
    }

    @Test(
        "Advice says what happens once it is followed: a new try by itself only while there is one",
        arguments: [
            (.stopCheck, false, "Mount it; it is tried again by itself."),
            (.launch(InstanceID(known: "i-new")), false, "Mount it; it is tried again by itself."),
            (.stopCheck, true, "Mount it, then retry the image."),
            (.systemDisk, true, "Mount it, then retry the image."),
            (.convert, true, "Mount it, then retry the image."),
            (.replicate(LocationName(known: "east")), true, "Mount it, then retry the image."),
            (.launch(InstanceID(known: "i-new")), true, "Mount it, then launch again."),
            (
                .cleanUp(ResourceID(image: Sample.imageID, part: "east", fence: 4)), true,
                "Mount it, then replay its dead letter."
            ),
        ] as [(Job, Bool, String)]
    )
    func advice(_ job: Job, isFinal: Bool, told: String) {
        let failure = StepFailure(.transient, .unavailable, "it is gone", advice: "Mount it.", isFixedByAdvice: true)
        #expect(failure.told(of: job, isFinal: isFinal).advice == told)
        #expect(failure.told(of: job, isFinal: isFinal).told(of: job, isFinal: !isFinal).advice == told, "once")
        let other = StepFailure(.transient, .unavailable, "it is gone", advice: "If it happens again, look.")
        #expect(other.told(of: job, isFinal: isFinal) == other, "what does not fix it stays as it is")
    }

    @Test("A failure that is final does not promise another try, wherever it is told")
    func finalAdvice() {
        var play = Play()
        let failure = StepFailure(.transient, .unavailable, "it is gone", advice: "Mount it.", isFixedByAdvice: true)
        play.context.policy.attempts = 2
        var fence = play.begin(.stopCheck)
        play.apply(.failed(.stopCheck, fence: fence, failure, discarded: true))
        #expect(ImageView(play.image).jobs.first?.lastFailure?.advice == "Mount it; it is tried again by itself.")
        fence = play.begin(.stopCheck)
        let effects = play.apply(.failed(.stopCheck, fence: fence, failure, discarded: true))
        let final = "Mount it, then retry the image."
        #expect(ImageView(play.image).jobs.first?.lastFailure?.advice == final)
        let deadLetters = effects.compactMap {
            if case .deadLetter(_, _, let failure) = $0 { failure.advice } else { nil }
        }
        #expect(deadLetters == [final])
        let lines = effects.compactMap { if case .announce(let line) = $0 { line } else { nil } }
        #expect(lines.filter { $0.kind == .stepFailed }.map(\.failure?.advice) == [final])
    }

    @Test("A transient failure uses an attempt, until none is left and a dead letter is sent")
    func exhaustion() {
        var play = Play()
        for attempt in 1...5 {
            let effects = play.run(.stopCheck, failing: .transient)
            #expect(
                effects.messages == [
                    .enqueue(.stopCheck, attempt: attempt + 1, after: RetryPolicy().delay(after: attempt, jitter: 0.5))
                ]
            )
            #expect(effects.compactMap(\.line?.kind) == [.stepRetrying])
        }
        let effects = play.run(.stopCheck, failing: .transient)
        #expect(effects.messages == [.deadLetter(.stopCheck, attempt: 6, Sample.failure(.transient))])
        #expect(effects.compactMap(\.line?.kind) == [.stepFailed])
        #expect(play.image.status == .pending, "the dead letter's handler makes the image fail")
        play.apply(.deadLettered(.stopCheck, attempt: 1, Sample.failure(.transient)))
        #expect(play.image.status == .pending, "an earlier attempt's copy says nothing of this one")
        play.apply(.deadLettered(.stopCheck, attempt: 6, Sample.failure(.transient)))
        #expect(play.image.status == .error)
        #expect(play.image.failure?.job == .stopCheck)
        #expect(play.image.failure?.attempts == 6)
    }

    @Test("A permanent failure is a dead letter at once")
    func permanent() {
        var play = Play()
        #expect(
            play.run(.stopCheck, failing: .permanent).messages == [
                .deadLetter(.stopCheck, attempt: 1, Sample.failure(.permanent))
            ]
        )
    }

    @Test("Throttling uses no attempt and waits half a minute, however often")
    func throttled() {
        var play = Play()
        for _ in 0..<50 {
            #expect(
                play.run(.stopCheck, failing: .throttled).messages == [
                    .enqueue(.stopCheck, attempt: 1, after: .seconds30)
                ]
            )
        }
    }

    @Test("A worker's shutdown uses no attempt, and the job is queued at once")
    func interrupted() {
        var play = Play()
        for _ in 0..<50 {
            let fence = play.begin(.stopCheck)
            #expect(
                play.apply(.interrupted(.stopCheck, fence: fence, discarded: true)).messages == [
                    .enqueue(.stopCheck, attempt: 1, after: nil)
                ]
            )
        }
    }

    @Test("A copy of an earlier attempt's message begins nothing")
    func staleMessage() {
        var play = Play()
        play.run(.stopCheck, failing: .transient)
        let before = play.image
        #expect(play.image.apply(.began(.stopCheck, attempt: 1), in: play.context) == .ignored(.superseded, []))
        #expect(play.image == before)
        #expect(play.image.apply(.began(.stopCheck, attempt: 2), in: play.context).isMoved)
    }

    @Test("A number that was never given out reports nothing", arguments: [Int64.min, -1, 0, 2, .max])
    func neverGiven(_ fence: Int64) {
        var play = Play()
        let output = JobOutput.checked([])
        #expect(
            play.image.apply(.succeeded(.stopCheck, fence: fence, output), in: play.context)
                == .ignored(.superseded, [], .superseded)
        )
        play.begin(.stopCheck)
        #expect(
            play.image.apply(.succeeded(.stopCheck, fence: fence, output), in: play.context)
                == .ignored(.superseded, [], .superseded)
        )
    }

    @Test("A second report of an attempt that failed counts for nothing")
    func reportedTwice() {
        var play = Play()
        let fence = play.begin(.stopCheck)
        play.apply(.failed(.stopCheck, fence: fence, Sample.failure(.transient), discarded: true))
        for disposition in [StepFailure.Disposition.transient, .permanent, .throttled] {
            let again = Event.failed(.stopCheck, fence: fence, Sample.failure(disposition), discarded: true)
            #expect(play.image.apply(again, in: play.context) == .ignored(.superseded, [], .retried))
        }
    }
}

/// Plays events against one image, at a time of the test's choosing.
struct Play {
    var image: Image
    var context = TransitionContext(now: Sample.now)

    init(disks: Int = 1, locations: Int = 1) {
        image = Sample.accepted(disks: disks, locations: locations).image
    }

    @discardableResult
    mutating func apply(_ event: Event) -> [Effect] { image.apply(event, in: context).effects }

    /// Begins the attempt a job is at.
    @discardableResult
    mutating func begin(_ job: Job) -> Int64 {
        apply(.began(job, attempt: image.jobs[job]?.attempt ?? 1))
        return image.fence
    }

    /// Lets the stop-check's message come while another image has the instance.
    @discardableResult
    mutating func findHeld(by holder: String = "img-a") -> [Effect] {
        let line = LockLine(holder: ImageID(known: holder), waiting: [image.id])
        return apply(.began(.stopCheck, attempt: 1, lockLine: line))
    }

    @discardableResult
    mutating func run(_ job: Job, failing disposition: StepFailure.Disposition? = nil) -> [Effect] {
        let fence = begin(job)
        guard let disposition else {
            return apply(.succeeded(job, fence: fence, Sample.output(of: job, fence: fence, image: image)))
        }
        return apply(.failed(job, fence: fence, Sample.failure(disposition), discarded: false))
    }
}

extension [Effect] {
    /// The messages among them.
    var messages: [Effect] {
        filter {
            switch $0 {
            case .enqueue, .deadLetter, .park: true
            case .announce, .joinLine, .takeLocks, .releaseLocks, .releaseQuota, .indexShares, .recordDeadLetter, .tell:
                false
            }
        }
    }
}
