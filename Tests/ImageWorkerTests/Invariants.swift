import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

/// What must hold once nothing moves any more, whatever happened on the way.
extension Rig {
    func expectAvailable(_ story: @autoclosure () -> String = "") async throws {
        let story = story()
        let image = try await image()
        #expect(image.status == .available, "\(story): \(image.failure.map { "\($0)" } ?? "")")
        #expect(image.ledger.allSatisfy { $0.isAdopted }, "\(story)")
        #expect(image.quota == image.plan.quota, "\(story)")
        try await expectNothingLeft(of: image, story)
    }

    func expectError(_ code: ErrorCode, _ story: @autoclosure () -> String = "") async throws {
        let story = story()
        let image = try await image()
        #expect(image.status == .error, "\(story)")
        #expect(image.failure?.cause.code == code, "\(story)")
        #expect(image.cleanUp == .done, "\(story)")
        #expect(image.quota == .none, "\(story)")
        try await expectNothingLeft(of: image, story)
    }

    private func expectNothingLeft(of image: Image, _ story: String) async throws {
        let adopted = image.ledger.map(\.resource.id).sorted()
        #expect(try await driver.inventory().map(\.id).sorted() == adopted, "\(story)")
        #expect(try await store.locks().isEmpty, "\(story)")
        #expect(try await store.leases(of: image.id).isEmpty, "\(story)")
        #expect(try await unsent().isEmpty, "\(story)")
        #expect(try await store.quota(of: image.owner).used == image.quota, "\(story)")
        #expect(broker.unacked == 0 && broker.retryQueues.isEmpty && broker.busyLanes.isEmpty, "\(story)")
        #expect(broker.parked.isEmpty, "\(story): \(broker.parked.map { $0.reason ?? "" })")
        try await expectHistory(of: image, story)
        #expect(try answers().first == .accepted(image.id, .pending), "\(story)")
    }

    /// The journal has no gaps, and a follower of the events learns everything that is announced.
    private func expectHistory(of image: Image, _ story: String) async throws {
        let journal = try await store.journal(of: image.id, after: 0)
        #expect(journal.map(\.sequence) == Array(1...image.sequence), "\(story)")
        let silent: Set<Announcement.Kind> = [.stepWaiting, .stepInterrupted]
        let told = Set(broker.events.map(\.id))
        let missing = journal.filter { !silent.contains($0.kind) && !told.contains("\(image.id)/\($0.sequence)") }
        #expect(missing.isEmpty, "\(story)")
        #expect(journal.count { $0.kind == .imageAvailable || $0.kind == .imageError } == 1, "\(story)")
    }
}
