import ImageCore
import SQLAccess

extension StoreConformance {
    static let requests = [
        StoreCheck("accepting writes quota, image, first job, events and answer together") { fixture in
            let store = try await fixture.store()
            let outcome = try await store.accept(
                Given.request(),
                as: Given.image(),
                plan: try Given.plan(),
                reply: Given.address,
                in: Given.context()
            )
            try expect(outcome.answer == .accepted(Given.image(), .pending), "\(outcome.answer)")
            let image = try await store.present()
            try expect(image.status == .pending && image.jobs.keys.sorted() == [.stopCheck], "\(image)")
            let quota = try await store.quota(of: Given.owner)
            try expect(quota.used == QuotaUse(images: 1, snapshots: 1), "\(quota)")
            let waiting = try await store.waiting()
            try expect(waiting.count == outcome.outgoing.count, "\(waiting) are not \(outcome.outgoing)")
            let places = Set(waiting.map(\.destination))
            try expect(places == [.jobs, .events, .reply], "\(places)")
            let recorded = try await store.answer(
                to: RequestIdentity(owner: Given.owner, requestID: RequestID(known: "r1"))
            )
            try expect(recorded?.answer == outcome.answer, "\(String(describing: recorded))")
            let journal = try await store.journal(of: Given.image(), after: 0)
            try expect(journal.map(\.kind) == [.imagePending], "\(journal)")
        },
        StoreCheck("the same request again gets the first answer, and there is one image") { fixture in
            let store = try await fixture.store()
            let first = try await store.take()
            let again = try await store.accept(
                Given.request(),
                as: Given.image(2),
                plan: try Given.plan(),
                reply: nil,
                in: Given.context(60)
            )
            try expect(again.answer == first.answer, "\(again.answer)")
            let images = try await store.images(ImageQuery())
            try expect(images.map(\.id) == [Given.image()], "\(images.map(\.id))")
            let quota = try await store.quota(of: Given.owner)
            try expect(quota.used.images == 1, "\(quota)")
        },
        StoreCheck("another request under the same id is a conflict, and changes nothing") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let other = try await store.accept(
                Given.request(name: "other"),
                as: Given.image(2),
                plan: try Given.plan(),
                reply: nil,
                in: Given.context()
            )
            try expect(other.answer.code == .conflict, "\(other.answer)")
            let images = try await store.images(ImageQuery())
            try expect(images.count == 1, "\(images.count) images")
        },
        StoreCheck("the same request id of another owner is another request") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let other = try await store.accept(
                Given.request(owner: Owner(known: "acct-2")),
                as: Given.image(2),
                plan: try Given.plan(),
                reply: nil,
                in: Given.context()
            )
            try expect(other.answer == .accepted(Given.image(2), .pending), "\(other.answer)")
        },
        StoreCheck("a repetition that asks for a reply gets one of its own") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let again = try await store.accept(
                Given.request(),
                as: Given.image(2),
                plan: try Given.plan(),
                reply: Given.address,
                in: Given.context()
            )
            try expect(again.outgoing.map(\.destination) == [.reply], "\(again.outgoing)")
            let waiting = try await store.waiting()
            try expect(waiting.contains { $0.destination == .reply }, "the reply is not in the outbox")
        },
        StoreCheck("a request over quota is refused, recorded and told, and reserves nothing") { fixture in
            let store = try await fixture.store()
            try await store.setQuota(of: Given.owner, to: QuotaLimits(images: 1, snapshots: 15))
            try await store.take(1)
            let over = try await store.take(2)
            try expect(over.answer.code == .quotaExceeded, "\(over.answer)")
            let events = over.outgoing.map(\.routingKey)
            try expect(events == ["request.rejected.acct-1"], "\(events)")
            // Even once there is room: the answer stands.
            try await store.setQuota(of: Given.owner, to: QuotaLimits(images: 9, snapshots: 15))
            let again = try await store.take(2)
            try expect(again.answer.code == .quotaExceeded, "\(again.answer)")
            let quota = try await store.quota(of: Given.owner)
            try expect(quota.used.images == 1, "\(quota)")
        },
        StoreCheck("snapshots have a quota of their own") { fixture in
            let store = try await fixture.store()
            try await store.setQuota(of: Given.owner, to: QuotaLimits(images: 9, snapshots: 1))
            try await store.take(1)
            let over = try await store.take(2)
            try expect(over.answer.code == .quotaExceeded && over.answer.field == "dataDisks", "\(over.answer)")
        },
        StoreCheck("a rejection is recorded, and answers whatever comes under its id") { fixture in
            let store = try await fixture.store()
            let identity = RequestIdentity(owner: Given.owner, requestID: RequestID(known: "r1"))
            let rejection = Rejection(.invalidArgument, "no", field: "name")
            let first = try await store.reject(
                identity,
                fingerprint: "f",
                rejection,
                reply: nil,
                in: Given.context()
            )
            try expect(first.answer == .rejected(rejection), "\(first.answer)")
            let other = Rejection(.internal, "something else")
            let again = try await store.reject(identity, fingerprint: "f", other, reply: nil, in: Given.context())
            try expect(again.answer == first.answer, "\(again.answer)")
            let different = try await store.take(1)
            try expect(different.answer.code == .conflict, "\(different.answer)")
        },
    ]

    static let cancelling = [
        StoreCheck("what does not exist, or is somebody else's, is not found") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let nobody = try await store.cancel(7, request: 1)
            try expect(nobody.code == .notFound, "\(nobody)")
            let other = try await store.cancel(1, request: 1, owner: Owner(known: "acct-2"))
            try expect(other.code == .notFound, "\(other)")
            let image = try await store.present()
            try expect(image.status == .pending, "\(image.status)")
        },
        StoreCheck("cancelling makes the image Error and gives its quota and locks back") { fixture in
            let store = try await fixture.store()
            try await store.take()
            _ = try await store.grant(.stopCheck)
            let answer = try await store.cancel(1, request: 1)
            try expect(answer == .accepted(Given.image(), .error), "\(answer)")
            let image = try await store.present()
            try expect(image.failure?.cause.code == .cancelled, "\(String(describing: image.failure))")
            let quota = try await store.quota(of: Given.owner)
            let locks = try await store.locks()
            try expect(quota.used == .none && locks.isEmpty, "\(quota) \(locks)")
        },
        StoreCheck("an image at its end cannot be cancelled, and a repeated cancel gets its first answer") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let first = try await store.cancel(1, request: 1)
            let again = try await store.cancel(1, request: 1)
            try expect(first == again, "\(first) \(again)")
            let late = try await store.cancel(1, request: 2)
            try expect(late.code == .failedPrecondition, "\(late)")
            let journal = try await store.journal(of: Given.image(), after: 0)
            try expect(journal.count { $0.kind == .imageError } == 1, "\(journal)")
        },
    ]
}
