import Testing

@testable import ImageCore

/// A reservation of quota.
struct QuotaTests {
    private static let uses = (0...3).flatMap { images in (0...3).map { QuotaUse(images: images, snapshots: $0) } }

    @Test("What is reserved is taken whole where it fits, and not at all where it does not")
    func everyReservation() throws {
        for limits in Self.uses.map({ QuotaLimits(images: $0.images, snapshots: $0.snapshots) }) {
            for used in Self.uses {
                for wanted in Self.uses {
                    let usage = QuotaUsage(owner: Sample.owner, used: used, limits: limits)
                    let fits =
                        used.images + wanted.images <= limits.images
                        && used.snapshots + wanted.snapshots <= limits.snapshots
                    switch usage.reserving(wanted) {
                    case .success(let reserved):
                        #expect(fits && reserved.used == used + wanted && reserved.limits == limits)
                    case .failure(let refusal): #expect(!fits && refusal.code == .quotaExceeded)
                    }
                }
            }
        }
    }
}
