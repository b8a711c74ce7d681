import Testing

@testable import ImageCore

/// Another try of an image in Error.
struct AnotherTryTests {
    @Test("An image whose clean-up is done is made anew, under its id, with its history going on")
    func anew() {
        var life = Life()
        life.run(.stopCheck)
        life.run(.systemDisk)
        life.kill(.dataDisk(Sample.device(1)))
        life.runToItsEnd()
        #expect(life.image.status == .error && life.image.cleanUp == .done && life.image.quota == .none)
        let before = life.image.sequence
        life.apply(.retried)
        #expect(life.image.status == .pending && life.image.failure == nil)
        #expect(life.image.quota == life.image.plan.quota)
        #expect(life.open == [.stopCheck])
        #expect(life.image.sequence > before)
        life.runToItsEnd()
        #expect(life.image.status == .available)
        #expect(life.image.ledger.allSatisfy { $0.isAdopted })
        #expect(Set(life.image.ledger.map(\.fence)).count == life.image.ledger.count)
    }

    @Test("A message of an earlier try does nothing to a later one")
    func staleMessages() {
        var life = Life()
        life.kill(.stopCheck)
        let old = life.image.jobs[.stopCheck]?.attempt ?? 0
        life.apply(.retried)
        let image = life.image
        #expect(
            life.apply(.deadLettered(.stopCheck, attempt: old, Sample.failure(.permanent))) == .ignored(.superseded, [])
        )
        #expect(life.apply(.began(.stopCheck, attempt: old)) == .ignored(.superseded, []))
        #expect(life.image == image)
        #expect(image.jobs[.stopCheck]?.attempt == old + 1)
    }

    @Test("Each try has all its attempts")
    func attempts() {
        var life = Life()
        for round in 1...3 {
            for attempt in 1...6 {
                life.apply(.began(.stopCheck, attempt: life.image.jobs[.stopCheck]?.attempt ?? 0))
                let isLast = attempt == 6
                life.apply(.failed(.stopCheck, fence: life.image.fence, Sample.failure(.transient), discarded: true))
                #expect(life.image.jobs[.stopCheck]?.phase == (isLast ? .failed : .waiting), "\(round), \(attempt)")
            }
            let last = life.image.jobs[.stopCheck]?.attempt ?? 0
            life.apply(.deadLettered(.stopCheck, attempt: last, Sample.failure(.transient)))
            #expect(life.image.failure?.attempts == 6, "round \(round)")
            life.apply(.retried)
        }
    }

    @Test("Captures no clean-up has begun on are used again, and only what is missing is made")
    func reuse() {
        var life = Life(locations: 2)
        life.run(.stopCheck)
        for job in life.image.plan.captureJobs { life.run(job) }
        life.run(.replicate(Sample.locations[0]))
        life.kill(.replicate(Sample.locations[1]))
        let captures = life.image.captures
        life.apply(.retried)
        #expect(life.image.status == .replicating)
        #expect(life.open == [.replicate(Sample.locations[1])])
        life.runToItsEnd()
        #expect(life.image.status == .available)
        #expect(life.image.captures == captures)
        #expect(life.image.ledger.count == 5 && life.image.ledger.allSatisfy { $0.isAdopted })
    }

    @Test("Once a clean-up has begun, even one that was interrupted, everything is captured anew")
    func noReuse() throws {
        var life = Life(locations: 1)
        life.run(.stopCheck)
        for job in life.image.plan.captureJobs { life.run(job) }
        life.kill(.replicate(Sample.locations[0]))
        let doomed = try #require(life.image.ledger.first).resource.id
        life.apply(.began(.cleanUp(doomed), attempt: 1))
        life.apply(.interrupted(.cleanUp(doomed), fence: life.image.fence, discarded: false))
        life.apply(.retried)
        #expect(life.image.status == .pending)
        #expect(life.open.contains(.cleanUp(doomed)))
        life.runToItsEnd()
        #expect(life.image.status == .available)
        #expect(life.image.ledger.allSatisfy { $0.isAdopted })
        #expect(!life.image.ledger.contains { $0.resource.id == doomed })
    }

    @Test("Another try takes what it says it needs: quota that was released, and the image it is made of")
    func needs() {
        let source = Life.available(disks: 1).image
        for start in [Life(disks: 2), Life(converting: source)] {
            for isCleaned in [false, true] {
                var life = start
                life.run(life.image.plan.captureJobs == [.convert] ? .convert : .stopCheck)
                for job in life.image.plan.captureJobs where job != .convert { life.run(job) }
                life.kill(.replicate(Sample.locations[0]))
                if isCleaned { life.runToItsEnd() }
                let (needs, before) = (ImageCommand.retry.needs(of: life.image), life.image.quota)
                life.told = []
                life.apply(.retried)
                let isConverted = life.image.plan.conversion != nil
                var expected: [CommandNeed] = isConverted ? [.source(source.id)] : []
                if isCleaned { expected.append(.quota(life.image.plan.quota)) }
                #expect(needs == expected)
                #expect(life.told.map(\.0) == (isConverted ? [source.id] : []))
                #expect(life.image.quota == (isCleaned ? before + life.image.plan.quota : before))
            }
        }
    }

    @Test("A converted image is tried again only while its source can be converted")
    func source() {
        var source = Life.available(disks: 1)
        let life = Life(converting: source.image)
        let refusal = { (source: Image?) in life.image.refusal(ofSource: source, named: Sample.imageID) }
        #expect(refusal(source.image) == nil)
        #expect(refusal(nil) == .noImage(Sample.imageID))
        source.apply(.converting(into: ImageID(known: "img-3")))
        #expect(refusal(source.image)?.code == .failedPrecondition)
        source.apply(.conversionEnded(ImageID(known: "img-3"), succeeded: false))
        source.apply(.deletionConfirmed(snapshots: true))
        #expect(refusal(source.image)?.message.contains("is being deleted") == true)
    }

    @Test("Only an image in Error is tried again")
    func others() {
        var pending = Life()
        #expect(pending.apply(.retried) == .ignored(.atItsEnd(.pending), []))
        var available = Life.available()
        #expect(available.apply(.retried) == .ignored(.atItsEnd(.available), []))
    }
}
