import Testing

@testable import ImageCore

/// When a machine is started from an image, and what its outcome means.
struct BootProofTests {
    private static let east = Job.bootProof(Sample.locations[0])
    private static let west = Job.bootProof(Sample.locations[1])

    /// Captured, with its replications open.
    private static func captured(_ terms: BootTerms?, locations: Int = 2) -> Life {
        var life = Life(disks: 1, locations: locations, bootProof: terms)
        life.run(.stopCheck)
        life.run(.systemDisk)
        return life
    }

    /// Reports what was seen, in the attempt the proof is at.
    private static func see(_ sign: BootSign?, _ job: Job = east, in life: inout Life) {
        life.apply(.began(job, attempt: life.image.jobs[job]?.attempt ?? 1))
        life.apply(.succeeded(job, fence: life.image.fence, .observed(Sample.seen(sign))))
    }

    @Test("The proof begins with the first replica that is verified, once, beside the others")
    func begins() {
        var life = Self.captured(BootTerms(.require))
        #expect(!life.image.jobs.keys.contains { $0.step == .bootProof })
        life.run(.replicate(Sample.locations[1]))
        #expect(life.open == [.replicate(Sample.locations[0]), Self.west])
        life.run(.replicate(Sample.locations[0]))
        #expect(life.open == [Self.west] && life.image.status == .replicating)
        Self.see(.guestAgent, Self.west, in: &life)
        #expect(life.image.status == .available && life.open.isEmpty)
    }

    @Test("An image that must boot waits for its replicas too")
    func waitsForReplicas() {
        var life = Self.captured(BootTerms(.require))
        life.run(.replicate(Sample.locations[0]))
        Self.see(.loginPrompt, in: &life)
        #expect(life.image.bootProof?.verdict == .proven && life.image.status == .replicating)
        life.run(.replicate(Sample.locations[1]))
        #expect(life.image.status == .available)
    }

    @Test(
        "Without terms, and with terms that say off, nothing is started",
        arguments: [nil, BootTerms(.off, note: "n")]
    )
    func off(_ terms: BootTerms?) {
        var life = Self.captured(terms)
        life.runToItsEnd()
        #expect(life.image.status == .available && life.image.bootProof == nil)
        #expect(!life.image.jobs.keys.contains { $0.step == .bootProof })
    }

    @Test(
        "A report never delays the image, and its verdict comes as an event of its own",
        arguments: BootVerdict.allCases
    )
    func report(_ verdict: BootVerdict) {
        var life = Self.captured(BootTerms(.report), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        #expect(life.image.status == .available && life.open == [Self.east])
        let sign: BootSign? =
            switch verdict {
            case .proven: .loginPrompt
            case .failed: .emergencyShell
            case .notProven: nil
            }
        Self.see(sign, in: &life)
        #expect(life.image.status == .available && life.image.bootProof?.verdict == verdict)
        #expect(life.image.jobs[Self.east]?.phase == .done)
        #expect(life.lines.map(\.kind).suffix(2) == [.imageBootProof, .stepDone])
        #expect(life.image.wakeAt == nil)
    }

    @Test("An image that must boot and was seen to fail ends in Error, with what was seen, and is cleaned up")
    func failed() {
        var life = Self.captured(BootTerms(.require), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        Self.see(.kernelPanic, in: &life)
        #expect(life.image.status == .replicating && life.image.jobs[Self.east]?.phase == .failed)
        life.apply(.deadLettered(Self.east, attempt: 1, Sample.failure(.permanent)))
        #expect(life.image.status == .error && life.image.failure?.job == Self.east)
        #expect(life.image.bootProof?.observation?.sign == .kernelPanic)
        life.runToItsEnd()
        #expect(life.image.cleanUp == .done && life.image.quota == .none)
    }

    @Test("The failure says what was seen and what to do, under a code of its own")
    func words() throws {
        var life = Self.captured(BootTerms(.require), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        Self.see(.kernelPanic, in: &life)
        let failure = try #require(life.image.jobs[Self.east]?.lastFailure)
        #expect(failure.code == .bootFailed && failure.disposition == .permanent)
        #expect(failure.message.hasSuffix("the kernel panicked after 23 s on an emulated processor"))
        #expect(failure.advice?.contains("console") == true)
    }

    @Test("Where nothing was proven, the terms decide", arguments: UnprovenBoot.allCases)
    func unproven(_ unproven: UnprovenBoot) {
        var life = Self.captured(BootTerms(.require, unproven: unproven), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        Self.see(nil, in: &life)
        #expect(life.image.bootProof?.verdict == .notProven)
        #expect(life.image.jobs[Self.east]?.lastFailure?.code == (unproven == .error ? .bootNotProven : nil))
        #expect(life.image.status == (unproven == .available ? .available : .replicating))
    }

    @Test("A proof that cannot be made proves nothing and fails nothing, however it ends")
    func givenUp() {
        let endings: [(inout Life) -> Void] = [
            { life in
                life.apply(.began(Self.east, attempt: 1))
                life.apply(.failed(Self.east, fence: life.image.fence, Sample.failure(.permanent), discarded: true))
            },
            { life in
                for attempt in 1...6 {
                    life.apply(.began(Self.east, attempt: attempt))
                    life.apply(.failed(Self.east, fence: life.image.fence, Sample.failure(.transient), discarded: true))
                }
            },
            { life in for _ in 0...20 { life.apply(.began(Self.east, attempt: 1)) } },
            { life in life.apply(.deadLettered(Self.east, attempt: 1, Sample.failure(.transient))) },
            { life in
                life.apply(.hindered(Self.east, Sample.failure(.throttled)))
                life.context.now = life.context.now + .seconds(7 * 3600)
                life.apply(.hindered(Self.east, Sample.failure(.throttled)))
            },
        ]
        for (number, end) in endings.enumerated() {
            var life = Self.captured(BootTerms(.report), locations: 1)
            life.run(.replicate(Sample.locations[0]))
            end(&life)
            #expect(life.image.status == .available && life.open.isEmpty, "ending \(number)")
            #expect(life.image.bootProof?.verdict == .notProven && life.image.bootProof?.observation == nil)
            #expect(life.image.bootProof?.reason.isEmpty == false && life.image.wakeAt == nil)
        }
    }

    @Test("Another try of an image that did not boot starts it again, from the replica that is still there")
    func retried() {
        var life = Self.captured(BootTerms(.require), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        Self.see(.grubRescue, in: &life)
        life.apply(.deadLettered(Self.east, attempt: 1, Sample.failure(.permanent)))
        life.apply(.retried)
        #expect(life.image.status == .replicating && life.image.bootProof == nil && life.open == [Self.east])
        life.runToItsEnd()
        #expect(life.image.status == .available && life.image.bootProof?.verdict == .proven)
    }

    @Test("A deletion ends the proof, and its late report changes nothing")
    func deleted() {
        var life = Self.captured(BootTerms(.report), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        life.apply(.began(Self.east, attempt: 1))
        let fence = life.image.fence
        life.apply(.deletionConfirmed(snapshots: true))
        #expect(life.image.jobs[Self.east]?.phase == .abandoned)
        let late = life.apply(.succeeded(Self.east, fence: fence, .observed(Sample.seen(.loginPrompt))))
        #expect(late == .ignored(.notWanted, [], .superseded) && life.image.bootProof == nil)
        life.runToItsEnd()
        #expect(life.image.status == .deleted)
    }

    @Test("A duplicate of the replica's message sends the proof again")
    func sentAgain() {
        var life = Self.captured(BootTerms(.report), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        let again = life.apply(.began(.replicate(Sample.locations[0]), attempt: 1))
        #expect(again.effects == [.enqueue(Self.east, attempt: 1, after: nil)] && !again.isMoved)
    }

    @Test("A report that contradicts itself is no verdict")
    func nonsense() {
        var life = Self.captured(BootTerms(.require), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        life.apply(.began(Self.east, attempt: 1))
        var seen = Sample.seen(.loginPrompt)
        seen.end = .deadline
        life.apply(.succeeded(Self.east, fence: life.image.fence, .observed(seen)))
        #expect(life.image.bootProof?.verdict == .notProven && life.image.status == .replicating)
    }

    @Test("An installation's policy fills in what a request leaves out, and says why it does not")
    func policy() {
        let auto = BootPolicy(mode: nil, unproven: .available)
        #expect(auto.terms(asked: nil, obstacle: nil) == BootTerms(.report, unproven: .available))
        #expect(auto.terms(asked: nil, obstacle: "no QEMU") == BootTerms(.off, note: "no QEMU"))
        #expect(auto.terms(asked: .off, obstacle: "no QEMU") == nil)
        #expect(auto.terms(asked: .require, obstacle: "no QEMU") == BootTerms(.require, unproven: .available))
        #expect(BootPolicy().terms(asked: nil, obstacle: nil) == nil)
        #expect(BootPolicy(mode: .require).terms(asked: nil, obstacle: nil) == BootTerms(.require))
    }

    @Test("What was stored before there were proofs is read, and a view says nothing of one")
    func stored() throws {
        let image = Sample.accepted().image
        let text = CanonicalJSON.text(image)
        #expect(!text.contains("bootProof"))
        #expect(try CanonicalJSON.decode(Image.self, from: text.utf8) == image)
        #expect(ImageView(image).bootProof == nil)
    }

    @Test("The view shows the verdict to the owner, and nothing of it to those the image is shared with")
    func view() throws {
        var life = Self.captured(BootTerms(.require), locations: 1)
        life.run(.replicate(Sample.locations[0]))
        Self.see(.multiUserTarget, in: &life)
        let shown = try #require(ImageView(life.image, for: Sample.owner).bootProof)
        #expect(shown.verdict == .proven && shown.sign == .multiUserTarget && shown.emulated == true)
        #expect(shown.location == Sample.locations[0] && shown.milliseconds == 23_400 && shown.worker == "w1")
        #expect(ImageView(life.image, for: Owner(known: "acct-7")).bootProof == nil)
    }
}
