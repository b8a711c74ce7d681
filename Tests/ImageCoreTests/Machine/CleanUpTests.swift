import Testing

@testable import ImageCore

/// What is deleted, when, and what happens if it cannot be.
struct CleanUpTests {
    @Test("A clean-up out of attempts is parked, and the quota stays taken")
    func parks() {
        var play = Play()
        play.run(.stopCheck)
        play.begin(.systemDisk)
        play.apply(.cancelled)
        let job = Job.cleanUp(ResourceID(image: Sample.imageID, part: "vda", fence: 2))
        #expect(Set(play.image.jobs.keys) == [.stopCheck, .systemDisk, job])
        for _ in 1..<30 { play.run(job, failing: .transient) }
        #expect(play.run(job, failing: .transient).messages == [.park(job, attempt: 30, Sample.failure(.transient))])
        #expect(play.image.cleanUp == .incomplete)
        #expect(play.image.quota == play.image.plan.quota)
        #expect(play.image.wakeAt == nil)
        #expect(play.image.ledger.count == 1, "a human can see what is left")
    }

    @Test("A clean-up whose message kills workers is parked too, once")
    func poisonous() {
        var play = Play()
        play.run(.stopCheck)
        play.begin(.systemDisk)
        play.apply(.cancelled)
        let job = Job.cleanUp(ResourceID(image: Sample.imageID, part: "vda", fence: 2))
        let buried = Event.deadLettered(job, Sample.failure(.permanent))
        #expect(play.apply(buried).messages == [.park(job, attempt: 1, Sample.failure(.permanent))])
        #expect(play.apply(buried) == [])
    }

    @Test("Once everything is deleted, the quota is free and the world is told")
    func completes() {
        var play = Play(disks: 2)
        play.run(.stopCheck)
        play.run(.systemDisk)
        play.begin(.dataDisk(Sample.device(1)))
        play.apply(.cancelled)
        let jobs = play.image.jobs.keys.filter { $0.step == .cleanUp }.sorted()
        #expect(jobs.count == 2)
        #expect(play.image.cleanUp == .running)
        #expect(play.run(jobs[0]).contains(.releaseQuota(play.image.plan.quota)) == false)
        let last = play.run(jobs[1])
        #expect(last.contains(.releaseQuota(play.image.plan.quota)))
        #expect(last.compactMap(\.line?.kind) == [.stepDone, .imageCleaned])
        #expect(play.image.cleanUp == .done)
        #expect(play.image.quota == .none)
    }

    @Test("What a slow attempt made is deleted when another's output is adopted")
    func superseded() {
        var play = Play()
        play.run(.stopCheck)
        let slow = play.begin(.systemDisk)
        play.run(.systemDisk)
        let rubbish = ResourceID(image: Sample.imageID, part: "vda", fence: slow)
        #expect(play.image.jobs[.cleanUp(rubbish)]?.phase == .waiting)
        #expect(play.image.status == .replicating)
        play.run(.replicate(Sample.locations[0]))
        #expect(play.image.status == .available)
        #expect(play.image.wakeAt != nil, "the rubbish must not be forgotten")
        play.run(.cleanUp(rubbish))
        #expect(play.image.ledger.filter { !$0.isAdopted } == [])
        #expect(play.image.wakeAt == nil)
    }

    @Test(
        "An output of another kind than the job's is a failure, not a success",
        arguments: [
            JobOutput.cleaned, .checked([]),
            .replicated(Replica(resource: otherResource, location: Sample.locations[0], files: [])),
            .captured(Sample.capture(of: .system, into: otherResource)),
        ]
    )
    func wrongOutput(_ output: JobOutput) {
        var play = Play()
        play.run(.stopCheck)
        let fence = play.begin(.systemDisk)
        play.apply(.succeeded(.systemDisk, fence: fence, output))
        #expect(play.image.jobs[.systemDisk]?.phase == .failed)
        #expect(play.image.jobs[.systemDisk]?.lastFailure?.code == .internal)
        #expect(play.image.status == .pending)
    }

    static let otherResource = Resource(
        id: ResourceID(image: Sample.imageID, part: "vda", fence: 99),
        kind: .imageFile,
        imageID: Sample.imageID
    )
}
