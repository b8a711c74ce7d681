import Testing

@testable import ImageCore

@Suite("A worker takes no work that its tools cannot do")
struct ReadinessTests {
    private static let east = LocationName(known: "east")
    private static let copies: [Step] = [.stopCheck, .systemDisk, .dataDisk, .launch]

    private func fault(_ tool: WorkerTool) -> ToolFault { ToolFault(tool, "broken", advice: "repair it") }

    @Test("without faults nothing is held back")
    func ready() {
        let readiness = Readiness()
        #expect(readiness.isReady && readiness.hindranceOfIntake == nil)
        #expect(Step.allCases.allSatisfy { readiness.hindrance(of: $0) == nil })
    }

    @Test("without children, qemu-img or the data folder no request is judged and no disk is copied")
    func programs() {
        for tool in [WorkerTool.childProcess, .diskProgram, .storage] {
            let readiness = Readiness([fault(tool)])
            #expect(readiness.hindranceOfIntake?.tool == tool)
            for step in Self.copies { #expect(readiness.hindrance(of: step)?.tool == tool, "\(step)") }
            #expect(readiness.hindrance(of: .cleanUp) == nil)
        }
        #expect(Readiness([fault(.diskProgram)]).hindrance(of: .replicate) == nil, "it copies files by itself")
        #expect(Readiness([fault(.storage)]).hindrance(of: .replicate) != nil)
    }

    @Test("a location that is away makes a worker unready and holds back no work: the driver answers for it")
    func location() {
        let readiness = Readiness([fault(.location(Self.east))])
        #expect(!readiness.isReady)
        #expect(Step.allCases.allSatisfy { readiness.hindrance(of: $0) == nil } && readiness.hindranceOfIntake == nil)
    }

    @Test("a look into guests that fails makes a worker unready and holds back no work")
    func guestLook() {
        let readiness = Readiness([fault(.guestLook)])
        #expect(!readiness.isReady && readiness.hindranceOfIntake == nil)
        #expect(Step.allCases.allSatisfy { readiness.hindrance(of: $0) == nil })
    }

    @Test("an image that must be looked into waits for a worker that can")
    func mustLook() {
        let readiness = Readiness([fault(.guestLook)])
        for (checks, seal) in [
            (GuestChecks.off, nil), (.warn, nil), (.enforce, nil), (.fix, nil), (.off, [SealItem.dhcp]),
            (.enforce, [.dhcp]),
        ] {
            var plan = Sample.plan()
            (plan.guestChecks, plan.seal) = (checks, seal)
            let isEarly = checks == .enforce && seal == nil
            #expect((readiness.hindrance(of: .stopCheck, in: plan) != nil) == isEarly, "\(checks)")
            let isLate = checks == .fix || seal != nil
            #expect((readiness.hindrance(of: .systemDisk, in: plan) != nil) == isLate, "\(checks)")
            #expect(readiness.hindrance(of: .replicate(Self.east), in: plan) == nil)
            #expect(Readiness().hindrance(of: isEarly ? .stopCheck : .systemDisk, in: plan) == nil)
        }
    }

    @Test("what explains the others is told first, and is tried again sooner than what works")
    func order() {
        let readiness = Readiness([fault(.location(Self.east)), fault(.diskProgram), fault(.childProcess)])
        #expect(readiness.faults.map(\.tool.kind) == [.childProcess, .diskProgram, .locations])
        #expect(readiness.nextTrial < Readiness().nextTrial)
    }

    @Test("a job that is hindered waits without an attempt, with the reason, and not for ever")
    func hindered() {
        var play = Play()
        let failure = StepFailure(fault(.diskProgram))
        #expect(
            play.apply(.hindered(.stopCheck, failure)).messages == [.enqueue(.stopCheck, attempt: 1, after: .seconds30)]
        )
        #expect(play.image.jobs[.stopCheck]?.waiting?.reason == "qemu-img cannot be used: broken")
        play.context.now = Sample.now + .seconds(6 * 3600 + 1)
        guard
            case .deadLetter(.stopCheck, attempt: 1, let told) = play.apply(.hindered(.stopCheck, failure)).messages
                .first
        else { return #expect(Bool(false), "no dead letter") }
        #expect(told.code == .unavailable && told.advice?.hasPrefix("repair it") == true)
    }

    @Test(
        "a request waits for a worker that can judge it, seldom later on, and six hours at most",
        arguments: [
            (0, .wait(.seconds5)), (29, .wait(.seconds5)), (30, .wait(.seconds30)), (599, .wait(.seconds30)),
            (600, .wait(.minutes2)), (6 * 3600, .wait(.minutes2)), (6 * 3600 + 1, .giveUp),
        ] as [(Int, RequestDeferral)]
    )
    func deferral(seconds: Int, expected: RequestDeferral) {
        #expect(RequestDeferral(waited: .seconds(seconds), policy: RetryPolicy()) == expected)
    }

    @Test("only what is about a request is recorded as its answer")
    func recorded() {
        let transient = ErrorCode.allCases.filter { !$0.isAboutTheRequest }
        #expect(transient == [.cancelled, .unavailable, .secretsFound, .bootFailed, .bootNotProven, .internal])
    }

    @Test("a worker serves no lane that it pauses, and none while it drains")
    func served() {
        let identity = WorkerIdentity(host: "h", processID: 1, version: "1")
        var report = WorkerReport(
            worker: WorkerID(known: "w"),
            identity: identity,
            lanes: ["intake", "replicate"],
            concurrency: 1,
            startedAt: Sample.now,
            at: Sample.now
        )
        #expect(report.servedLanes == ["intake", "replicate"])
        report.pausedLanes = ["intake"]
        #expect(report.servedLanes == ["replicate"])
        report.isDraining = true
        #expect(report.servedLanes.isEmpty)
    }
}
