import Testing

@testable import ImageCore

/// Deletion, and what two images share.
struct DeletionTests {
    @Test("A deletion keeps the snapshots, and their place in the quota, until they are deleted too")
    func kept() {
        var life = Life.available()
        life.apply(.deletionConfirmed(snapshots: false))
        #expect(life.image.status == .deleting)
        life.runToItsEnd()
        #expect(life.image.status == .deleted)
        #expect(life.image.keptSnapshots.count == 2)
        #expect(life.released == QuotaUse(images: 1, snapshots: 0))
        #expect(!life.image.isForgettable)
        #expect(life.refusal(.delete(snapshots: false, gone: [])) == .noImage(life.image.id))
        #expect(life.refusal(.delete(snapshots: true, gone: [])) == nil)
        life.apply(.deletionConfirmed(snapshots: true))
        life.runToItsEnd()
        #expect(life.image.status == .deleted && life.image.ledger.isEmpty && life.image.isForgettable)
        #expect(life.released == life.image.plan.quota && life.image.quota == .none)
        #expect(life.lines.suffix(1).map(\.kind) == [.imageDeleted])
    }

    @Test("With its snapshots, nothing is left")
    func whole() {
        var life = Life.available(systemDisk: .cloud)
        life.apply(.deletionConfirmed(snapshots: true))
        #expect(life.open.count == 4)
        life.runToItsEnd()
        #expect(life.image.isForgettable)
        #expect(life.released == QuotaUse(images: 1, snapshots: 3))
    }

    @Test("An image in Error is deleted once its clean-up is done, and gives nothing back twice")
    func failed() {
        var life = Life()
        life.run(.stopCheck)
        life.run(.systemDisk)
        life.kill(.dataDisk(Sample.device(1)))
        life.apply(.deletionConfirmed(snapshots: false))
        #expect(life.image.status == .deleting)
        life.runToItsEnd()
        #expect(life.image.isForgettable)
        #expect(life.released == life.image.plan.quota)

        var cleaned = Life()
        cleaned.kill(.stopCheck)
        #expect(cleaned.image.cleanUp == .done)
        cleaned.apply(.deletionConfirmed(snapshots: false))
        #expect(cleaned.image.status == .deleted, "nothing is left to wait for")
        #expect(cleaned.released == cleaned.image.plan.quota)
    }

    @Test("A parked clean-up gets all its attempts again when the image is deleted")
    func parked() throws {
        var life = Life()
        life.run(.stopCheck)
        life.run(.systemDisk)
        life.kill(.dataDisk(Sample.device(1)))
        let doomed = try #require(life.image.ledger.first).resource.id
        life.apply(.deadLettered(.cleanUp(doomed), attempt: 30, Sample.failure(.permanent)))
        #expect(life.image.cleanUp == .incomplete)
        life.apply(.deletionConfirmed(snapshots: false))
        #expect(life.image.jobs[.cleanUp(doomed)]?.phase == .waiting)
        life.runToItsEnd()
        #expect(life.image.isForgettable)
    }

    @Test("Leftovers of earlier attempts go with the image, also where its snapshots are kept")
    func leftovers() throws {
        var life = Life()
        life.run(.stopCheck)
        let disk = Job.dataDisk(Sample.device(1))
        life.apply(.began(disk, attempt: 1))
        let lost = try #require(life.image.ledger.last).resource.id
        while let job = life.open.first(where: { $0 != .cleanUp(lost) }) { life.run(job) }
        life.apply(.deadLettered(.cleanUp(lost), attempt: 30, Sample.failure(.permanent)))
        #expect(life.image.status == .available && life.image.jobs[.cleanUp(lost)]?.phase == .failed)
        life.apply(.deletionConfirmed(snapshots: false))
        #expect(life.image.jobs[.cleanUp(lost)]?.phase == .waiting)
        life.runToItsEnd()
        #expect(life.image.status == .deleted && life.image.keptSnapshots.count == 2)
    }

    @Test("A conversion makes one snapshot, borrows the others, and tells its source of its end")
    func conversion() throws {
        var source = Life.available()
        var copy = Life(converting: source.image)
        #expect(copy.image.plan.quota == QuotaUse(images: 1, snapshots: 1))
        #expect(copy.told.map(\.0) == [source.image.id])
        source.apply(try #require(copy.told.first).1)
        #expect(source.image.references.conversion == copy.image.id)
        copy.runToItsEnd()
        #expect(copy.image.status == .available)
        #expect(copy.image.captures.map(\.device) == source.image.captures.map(\.device))
        #expect(copy.image.captures.dropFirst() == source.image.captures.dropFirst())
        #expect(copy.image.captures[0].resource.kind == .snapshot)
        #expect(copy.told.last?.1 == .conversionEnded(copy.image.id, succeeded: true))
        source.apply(.conversionEnded(copy.image.id, succeeded: true))
        #expect(source.image.references.conversion == nil && source.image.references.borrowers == [copy.image.id])
    }

    @Test("A conversion that fails leaves its source as it was, and can be tried again")
    func failedConversion() throws {
        var source = Life.available()
        let before = source.image.references
        var copy = Life(converting: source.image)
        source.apply(copy.told[0].1)
        copy.kill(.convert)
        #expect(copy.image.status == .error)
        let end = try #require(copy.told.last).1
        #expect(end == .conversionEnded(copy.image.id, succeeded: false))
        source.apply(end)
        #expect(source.image.references == before)
        copy.apply(.retried)
        #expect(copy.told.last?.1 == .converting(into: copy.image.id))
        #expect(copy.open == [.convert])
        copy.runToItsEnd()
        #expect(copy.image.status == .available)
    }

    @Test("A snapshot that two images use goes with the last of them", arguments: [true, false])
    func lastOfTwo(deletesWithLast: Bool) throws {
        var source = Life.available()
        var copy = Life(converting: source.image)
        source.apply(copy.told[0].1)
        copy.runToItsEnd()
        source.apply(copy.told[1].1)

        source.apply(.deletionConfirmed(snapshots: true))
        source.runToItsEnd()
        #expect(source.image.status == .deleted)
        #expect(source.image.keptSnapshots.count == 2, "the other image still uses them")
        #expect(source.refusal(.delete(snapshots: true, gone: []))?.code == .failedPrecondition)

        copy.apply(.deletionConfirmed(snapshots: deletesWithLast))
        let returned = try #require(copy.told.last)
        #expect(returned.0 == source.image.id)
        source.apply(returned.1)
        source.runToItsEnd()
        copy.runToItsEnd()
        #expect(source.image.ledger.isEmpty == deletesWithLast)
        #expect(copy.image.ledger.isEmpty == deletesWithLast)
        #expect(source.image.isForgettable == deletesWithLast)
    }

    @Test("A copy's deletion takes nothing from a source that still stands")
    func sourceStands() throws {
        var source = Life.available()
        var copy = Life(converting: source.image)
        source.apply(copy.told[0].1)
        copy.runToItsEnd()
        source.apply(copy.told[1].1)
        let ledger = source.image.ledger
        copy.apply(.deletionConfirmed(snapshots: true))
        source.apply(try #require(copy.told.last).1)
        copy.runToItsEnd()
        #expect(copy.image.isForgettable)
        #expect(source.image.status == .available && source.image.ledger == ledger && source.open.isEmpty)
        #expect(source.image.references == References())
    }
}
