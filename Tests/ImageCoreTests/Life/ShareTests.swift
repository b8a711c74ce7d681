import Testing

@testable import ImageCore

/// Sharing, and the index by which owners find what is shared with them.
struct ShareTests {
    private static let owners = ["acct-5", "acct-6", "acct-7"].map(Owner.init(known:))

    /// Sharing and unsharing with each set of owners, and what else happens to an image that is shared.
    private static let events: [Event] = {
        let sets: [[Owner]] = (1..<8).map { bits in
            owners.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element)
        }
        let others: [Event] = [
            .converting(into: ImageID(known: "img-2")), .conversionEnded(ImageID(known: "img-2"), succeeded: false),
            .deletionConfirmed(snapshots: true), .cancelled, .retried, .unlocked, .overdue(alive: []),
        ]
        return sets.map { .shared($0) } + sets.map { .unshared($0) } + others
    }()

    @Test("In every order of three events, the index holds exactly who the image is shared with")
    func everyOrder() {
        let start = Life.available(disks: 1)
        for first in Self.events {
            for second in Self.events {
                for third in Self.events {
                    var life = start
                    for event in [first, second, third] { life.apply(event) }
                    guard life.index != Set(life.image.references.sharedWith) else { continue }
                    Issue.record("\(life.index) after \(first), \(second), \(third)")
                    return
                }
            }
        }
    }

    @Test("Sharing again with the same owners, and unsharing from others, leaves the index alone")
    func again() {
        var life = Life.available(disks: 1)
        #expect(life.apply(.shared([Self.owners[0]])).effects.contains(.indexShares([Self.owners[0]])))
        #expect(life.apply(.shared([Self.owners[0]])) == .ignored(.alreadyDone, []))
        #expect(life.apply(.unshared([Self.owners[1]])) == .ignored(.alreadyDone, []))
        #expect(life.apply(.unshared([Self.owners[0]])).effects.contains(.indexShares([])))
    }
}
