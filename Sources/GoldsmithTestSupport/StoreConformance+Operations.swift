import ImageCore

/// What becomes of an image after it is made.
extension StoreConformance {
    static let operations = [
        StoreCheck("a command is carried out once, and a repetition gets the first answer") { fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            let request = Given.share(with: "acct-7")
            let first = try await store.ask(.share([Owner(known: "acct-7")]), request)
            let again = try await store.ask(.share([Owner(known: "acct-7")]), request)
            try expect(first.answer == .accepted(Given.image(), .available), "\(first.answer)")
            try expect(again.answer == first.answer, "\(again.answer)")
            let journal = try await store.journal(of: Given.image(), after: 0)
            try expect(journal.count { $0.kind == .imageShared } == 1, "\(journal)")
        },
        StoreCheck("what the guards refuse changes nothing, and is recorded") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let before = try await store.present()
            let refused = try await store.ask(.share([Owner(known: "acct-7")]), Given.share(with: "acct-7"))
            try expect(refused.answer.code == .failedPrecondition, "\(refused.answer)")
            let after = try await store.present()
            try expect(after == before, "\(after)")
            let recorded = try await store.answer(to: Given.share(with: "acct-7").identity)
            try expect(recorded?.answer == refused.answer, "\(String(describing: recorded))")
        },
        StoreCheck("what is shared is found by those it is shared with, until it is taken back") { fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            var query = ImageQuery()
            query.sharedWith = Owner(known: "acct-7")
            try expect(try await store.images(query).isEmpty, "found before it was shared")
            _ = try await store.ask(.share([Owner(known: "acct-7")]), Given.share(with: "acct-7"))
            try expect(try await store.images(query).map(\.id) == [Given.image()], "not found")
            _ = try await store.ask(.unshare([Owner(known: "acct-7")]), Given.unshare(from: "acct-7"))
            try expect(try await store.images(query).isEmpty, "found after it was taken back")
        },
        StoreCheck("a retry takes the quota again, or is refused for want of it") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            _ = try await store.cancel(1, request: 1)
            try await store.setQuota(of: Given.owner, to: QuotaLimits(images: 1, snapshots: 9))
            try await store.take(2, instance: "i-web2")
            let over = try await store.ask(.retry, for: 1, Given.retry(1))
            try expect(over.answer.code == .quotaExceeded, "\(over.answer)")
            try await store.setQuota(of: Given.owner, to: QuotaLimits(images: 2, snapshots: 9))
            let granted = try await store.ask(.retry, for: 1, Given.retry(2))
            try expect(granted.answer == .accepted(Given.image(1), .pending), "\(granted.answer)")
            let used = try await store.quota(of: Given.owner).used
            try expect(used == QuotaUse(images: 2, snapshots: 2), "\(used)")
            try expect(granted.outgoing.contains { $0.destination == .jobs }, "no job is sent")
        },
        StoreCheck("a deletion gives the quota back, but for the snapshots that stay") { fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            _ = try await store.ask(.delete(snapshots: false, gone: []), Given.delete(1))
            try await store.runCleanUps()
            let image = try await store.present()
            try expect(image.status == .deleted && image.keptSnapshots.count == 1, "\(image.status)")
            let used = try await store.quota(of: Given.owner).used
            try expect(used == QuotaUse(images: 0, snapshots: 1), "\(used)")
            try expect(try await store.images(ImageQuery()).isEmpty, "a deleted image is listed")
            let deleted = try await store.images(ImageQuery(status: .deleted))
            try expect(deleted.map(\.id) == [image.id], "a deleted image cannot be asked for")
        },
        StoreCheck("a conversion links both images in one transaction, and a failed one unlinks them") {
            fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            let settled = try await store.convert()
            try expect(settled.answer == .accepted(Given.image(2), .pending), "\(settled.answer)")
            var source = try await store.present(1)
            try expect(source.references.conversion == Given.image(2), "\(source.references)")
            let twice = try await store.convert(request: 2, as: 3)
            try expect(twice.answer.code == .failedPrecondition, "\(twice.answer)")
            let used = try await store.quota(of: Given.owner).used
            try expect(used == QuotaUse(images: 2, snapshots: 2), "\(used)")
            _ = try await store.cancel(2, request: 9)
            source = try await store.present(1)
            try expect(source.references == References(), "\(source.references)")
            let after = try await store.quota(of: Given.owner).used
            try expect(after == QuotaUse(images: 1, snapshots: 1), "\(after)")
        },
        StoreCheck("the last of two images takes the snapshots of both with it") { fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            _ = try await store.convert()
            for job in [Job.convert, .replicate(LocationName(known: "east"))] {
                try await store.finish(try await store.grant(job, of: 2))
            }
            _ = try await store.ask(.delete(snapshots: true, gone: []), Given.delete(1))
            try await store.runCleanUps()
            let kept = try await store.present(1)
            try expect(kept.status == .deleted && kept.ledger.count == 1, "\(kept.ledger)")
            _ = try await store.ask(.delete(snapshots: true, gone: []), for: 2, Given.delete(2))
            try await store.runCleanUps(of: 1)
            try await store.runCleanUps(of: 2)
            let (first, second) = (try await store.present(1), try await store.present(2))
            try expect(first.ledger.isEmpty && second.ledger.isEmpty, "\(first.ledger) \(second.ledger)")
            let used = try await store.quota(of: Given.owner).used
            try expect(used == .none, "\(used)")
        },
        StoreCheck("two who convert one image at once make one image") { fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for number in 2...5 {
                    let other = try await fixture.store()
                    group.addTask { try await other.convert(request: number, as: number).answer }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try expect(answers.count { $0.status == .accepted } == 1, "\(answers)")
            let used = try await store.quota(of: Given.owner).used
            try expect(used == QuotaUse(images: 2, snapshots: 2), "\(used)")
        },
        StoreCheck("pages follow one another without a gap or a repetition, whatever the filter") { fixture in
            let store = try await fixture.store()
            try await store.setQuota(of: Given.owner, to: QuotaLimits(images: 99, snapshots: 99))
            for number in 1...7 {
                // Some of one moment, so that the page must tell them apart by their ids.
                try await store.take(number, instance: "i-\(number % 2)", at: Int64(number / 3))
            }
            let all = try await store.images(ImageQuery()).map(\.id)
            var query = ImageQuery(limit: 2)
            var paged: [ImageID] = []
            while let last = try await store.images(query).last {
                paged += try await store.images(query).map(\.id)
                query.page = ImagePage(after: last)
            }
            try expect(paged == all && all.count == 7, "\(paged) \(all)")
            query = ImageQuery(limit: 3)
            query.instanceID = InstanceID(known: "i-1")
            let odd = try await store.images(query)
            try expect(odd.map(\.plan.instanceID.text) == ["i-1", "i-1", "i-1"], "\(odd.map(\.id))")
            query.page = odd.last.map { ImagePage(after: $0) }
            try expect(try await store.images(query).count == 1, "the last page")
            query.page = nil
            query.name = "nobody"
            try expect(try await store.images(query).isEmpty, "a name nobody has")
        },
        StoreCheck("what is old is forgotten: answers, and deleted images that hold nothing") { fixture in
            let store = try await fixture.store()
            try await store.makeAvailable()
            _ = try await store.ask(.delete(snapshots: true, gone: []), Given.delete(1))
            try await store.runCleanUps()
            try await store.take(2, instance: "i-web2", at: 100)
            let early = try await store.forget(before: Given.start, limit: 100)
            try expect(early == 0, "\(early) were forgotten too early")
            let answers = try await store.forget(before: Given.at(50), limit: 100)
            try expect(answers == 2, "\(answers): two answers, and no image whose events nobody has")
            try await store.markSent(try await store.waiting())
            let images = try await store.forget(before: Given.at(50), limit: 100)
            try expect(images == 1, "\(images): the image")
            try expect(try await store.image(Given.image(1)) == nil, "the deleted image is there")
            try expect(try await store.journal(of: Given.image(1), after: 0).isEmpty, "its history is there")
            _ = try await store.present(2)
            let answer = try await store.answer(to: Given.request(2).identity)
            try expect(answer != nil, "a young answer is forgotten")
        },
    ]
}

extension Given {
    static func share(with owner: String) -> Request { .share(body(owner)) }
    static func unshare(from owner: String) -> Request { .unshare(body(owner, id: "u-\(owner)")) }

    private static func body(_ with: String, id: String? = nil) -> ShareRequest {
        ShareRequest(
            requestID: RequestID(known: id ?? "s-\(with)"),
            owner: owner,
            imageID: image(),
            with: [Owner(known: with)]
        )
    }

    static func retry(_ number: Int) -> Request {
        .retry(ImageRequest(requestID: RequestID(known: "retry\(number)"), owner: owner, imageID: image()))
    }

    static func delete(_ number: Int) -> Request {
        .delete(DeleteRequest(requestID: RequestID(known: "d\(number)"), owner: owner, imageID: image(number)))
    }
}

extension ImageStore {
    /// Image number 1, with all its jobs done.
    func makeAvailable() async throws {
        try await take()
        let device = try value(DeviceName(position: 1))
        for job in [Job.stopCheck, .systemDisk, .dataDisk(device), .replicate(LocationName(known: "east"))] {
            try await finish(try await grant(job))
        }
        let image = try await present()
        try expect(image.status == .available, "\(image.status)")
    }

    func convert(request: Int = 1, as image: Int = 2) async throws -> RequestOutcome {
        let body = ConvertRequest(
            requestID: RequestID(known: "convert\(request)"),
            owner: Given.owner,
            imageID: Given.image(1)
        )
        return try await convert(body, as: Given.image(image), reply: nil, in: Given.context())
    }

    /// Lets every open clean-up of an image end well.
    func runCleanUps(of number: Int = 1) async throws {
        let open = try await present(number).jobs.filter { $0.key.step == .cleanUp && $0.value.phase == .waiting }
        for job in open.keys.sorted() { try await finish(try await grant(job, of: number)) }
    }
}
