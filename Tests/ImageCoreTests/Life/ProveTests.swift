import Testing

@testable import ImageCore

/// An Available image is proven again: what that needs, and that it is a report and nothing else.
struct ProveTests {
    private static let (east, west) = (Sample.locations[0], Sample.locations[1])
    private static let prove = ImageCommand.prove(east)

    /// Reports what was seen, in the attempt the proof is at.
    private static func see(_ sign: BootSign?, _ location: LocationName = east, in life: inout Life) {
        let job = Job.bootProof(location)
        life.apply(.began(job, attempt: life.image.jobs[job]?.attempt ?? 1))
        life.apply(.succeeded(job, fence: life.image.fence, .observed(Sample.seen(sign))))
    }

    private static let terms: [BootTerms?] = [nil, BootTerms(.off, note: "n"), BootTerms(.report), BootTerms(.require)]

    @Test(
        "Whatever is seen is the image's verdict from then on, and it stays Available, also one that had to boot",
        arguments: terms,
        [BootSign.loginPrompt, .kernelPanic, nil]
    )
    func verdict(_ terms: BootTerms?, _ sign: BootSign?) throws {
        var life = Life.available(locations: 2, bootProof: terms)
        let before = life.image
        #expect(life.refusal(.prove(Self.west)) == nil)
        let transition = life.apply(.proving(at: Self.west))
        #expect(transition.effects == [.enqueue(.bootProof(Self.west), attempt: 1, after: nil)])
        #expect(life.image.status == .available && life.open == [.bootProof(Self.west)])
        Self.see(sign, Self.west, in: &life)
        let verdict: BootVerdict = sign == nil ? .notProven : sign == .loginPrompt ? .proven : .failed
        #expect(life.image.bootProof?.verdict == verdict && life.image.bootProof?.location == Self.west)
        #expect(life.image.status == .available && life.open.isEmpty && life.image.wakeAt == nil)
        #expect(life.lines.map(\.kind).suffix(3) == [.stepStarted, .imageBootProof, .stepDone])
        #expect(life.image.ledger == before.ledger && life.image.quota == before.quota)
        let shown = try #require(ImageView(life.image, for: Sample.owner).bootProof)
        #expect(shown.verdict == verdict && shown.mode == terms?.mode ?? .off)
    }

    @Test(
        "A proof at the same location begins from the start: with attempts of its own, under numbers that were not used"
    )
    func again() {
        var life = Life.available(bootProof: BootTerms(.report))
        let job = Job.bootProof(Self.east)
        for round in 1...3 {
            let used = life.image.jobs[job]?.attempt ?? 0
            life.apply(.proving(at: Self.east))
            #expect(life.image.jobs[job]?.attempt == used + 1 && life.image.jobs[job]?.tries == 1, "round \(round)")
            for attempt in 1...6 {
                #expect(life.image.jobs[job]?.phase == .waiting, "round \(round), attempt \(attempt)")
                life.apply(.began(job, attempt: used + attempt))
                life.apply(.failed(job, fence: life.image.fence, Sample.failure(.transient), discarded: true))
            }
            #expect(life.image.bootProof?.verdict == .notProven && life.image.bootProof?.observation == nil)
            #expect(life.image.status == .available && life.image.wakeAt == nil)
        }
        #expect(life.lines.count { $0.kind == .imageBootProof } == 4)
    }

    @Test("What comes late of one proof does nothing to the next")
    func late() {
        var life = Life.available(bootProof: BootTerms(.report))
        let job = Job.bootProof(Self.east)
        let old = life.image.jobs[job]?.fence ?? 0
        life.apply(.proving(at: Self.east))
        let begun = life.apply(.began(job, attempt: 1))
        #expect(begun == .ignored(.superseded, []), "the message of the first proof")
        let dead = life.apply(.deadLettered(job, attempt: 1, Sample.failure(.transient)))
        #expect(dead == .ignored(.superseded, []))
        for fence in [old, 0] {
            let report = life.apply(.succeeded(job, fence: fence, .observed(Sample.seen(.kernelPanic))))
            #expect(!report.isMoved && report.outcome == .superseded)
        }
        life.apply(.began(job, attempt: 2))
        let lost = life.image.fence
        let report = life.apply(.failed(job, fence: old, Sample.failure(.permanent), discarded: true))
        #expect(report == .ignored(.superseded, [], .superseded))
        Self.see(.loginPrompt, in: &life)
        #expect(life.image.fence > lost && life.image.bootProof?.verdict == .proven)
    }

    @Test("One proof at a time, wherever the other is")
    func oneAtATime() {
        var life = Life.available(locations: 2)
        life.apply(.proving(at: Self.west))
        let refusal = life.refusal(Self.prove)
        #expect(refusal?.code == .failedPrecondition && refusal?.field == "imageId")
        #expect(refusal?.message.hasSuffix("is being proven at west already; wait until that has ended") == true)
        #expect(life.apply(.proving(at: Self.east)) == .ignored(.alreadyDone, []))
        Self.see(nil, Self.west, in: &life)
        #expect(life.refusal(Self.prove) == nil)
    }

    @Test("While the report of its making is open, an Available image is not proven beside it")
    func besideTheMaking() {
        var life = Life(disks: 1, bootProof: BootTerms(.report))
        for job in [Job.stopCheck, .systemDisk, .replicate(Self.east)] { life.run(job) }
        #expect(life.image.status == .available && life.refusal(Self.prove)?.code == .failedPrecondition)
    }

    @Test("Only a location with a replica is proven, and without one named it is the first of them")
    func place() throws {
        let image = Life.available(locations: 2).image
        let nowhere = image.refusal(of: .prove(LocationName(known: "north")), by: image.owner)
        #expect(nowhere?.code == .notFound && nowhere?.field == "location")
        #expect(nowhere?.message.contains("it is at east, west") == true)
        var request = ProveRequest(requestID: Sample.requestID, owner: image.owner, imageID: image.id)
        #expect(try image.location(for: request, in: LaneList()) == Self.east)
        request.location = Self.west
        #expect(try image.location(for: request, in: LaneList()) == Self.west)
        var life = Life.available(locations: 2)
        #expect(life.apply(.proving(at: LocationName(known: "north"))) == .ignored(.notWanted, []))
    }

    @Test("A stranger learns nothing of an image, whatever its status")
    func stranger() {
        let stranger = Owner(known: "acct-9")
        for image in [Life.available().image, Sample.accepted().image] {
            let request = ProveRequest(requestID: Sample.requestID, owner: stranger, imageID: image.id)
            let refusal = #expect(throws: Rejection.self) { try image.location(for: request, in: LaneList()) }
            #expect(refusal == .noImage(image.id))
        }
    }

    @Test("A host that is not served any more is said before a proof would wait for ever")
    func hostGone() throws {
        var plan = Sample.plan(locations: 2)
        plan.locationHosts = [Self.west: HostName(known: "h2")]
        let refusal = plan.refusal(of: Sample.imageID, at: Self.west, in: LaneList())
        #expect(refusal?.code == .failedPrecondition && refusal?.message.contains("host h2") == true)
        #expect(plan.refusal(of: Sample.imageID, at: Self.east, in: LaneList()) == nil)
    }

    @Test("A deletion ends a proof, and is not held up by it")
    func deleted() {
        var life = Life.available(bootProof: BootTerms(.report))
        life.apply(.proving(at: Self.east))
        let job = Job.bootProof(Self.east)
        life.apply(.began(job, attempt: 2))
        let fence = life.image.fence
        #expect(life.refusal(.delete(snapshots: true, gone: [])) == nil)
        life.apply(.deletionConfirmed(snapshots: true))
        #expect(life.image.jobs[job]?.phase == .abandoned)
        let late = life.apply(.succeeded(job, fence: fence, .observed(Sample.seen(.kernelPanic))))
        #expect(late == .ignored(.notWanted, [], .superseded) && life.image.bootProof?.verdict == .proven)
        #expect(life.apply(.proving(at: Self.east)) == .ignored(.atItsEnd(.deleting), []))
        life.runToItsEnd()
        #expect(life.image.status == .deleted && life.image.ledger.isEmpty)
    }

    @Test("Shares, launches and conversions go on beside a proof")
    func besideOthers() {
        var life = Life.available()
        life.apply(.proving(at: Self.east))
        #expect(life.refusal(.share([Owner(known: "acct-7")])) == nil)
        #expect(life.refusal(.convert(ImageID(known: "img-2"))) == nil)
        life.apply(.launching(life.launch("i-new1")))
        #expect(life.refusal(.launch(life.launch("i-new2"))) == nil)
        life.runToItsEnd()
        #expect(life.image.bootProof?.verdict == .proven && life.image.status == .available)
    }
}
