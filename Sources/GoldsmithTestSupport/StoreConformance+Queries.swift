import ImageCore
import ImageStore
import SQLAccess

extension StoreConformance {
    static let outbox = [
        StoreCheck("messages stay until they are marked as sent, oldest first") { fixture in
            let store = try await fixture.store()
            try await store.take(1, at: 0)
            try await store.take(2, at: 5)
            let all = try await store.waiting()
            let images = all.compactMap(\.correlationID)
            try expect(images == images.sorted() && Set(images).count == 2, "\(images)")
            let old = try await store.unsent(before: Given.at(5), limit: 100)
            try expect(!old.isEmpty && old.allSatisfy { $0.correlationID == "img-1" }, "\(old)")
            let one = try await store.unsent(before: Given.at(60), limit: 1)
            try expect(one == all.filter { $0.row == all[0].row }, "\(one)")
            try await store.markSent(old)
            try await store.markSent(old)
            try await store.markSent([])
            let left = try await store.waiting()
            try expect(left == all.filter { !old.contains($0) }, "\(left)")
        },
        StoreCheck("a message that is emitted twice waits once") { fixture in
            let store = try await fixture.store()
            try await store.markSent(try await store.take().outgoing)
            for round in 1...2 {
                let applied = try await store.tell(.overdue(alive: []), at: Int64(500 * round))
                try expect(applied.outgoing.map(\.id) == ["img-1/stop-check/1"], "\(applied.outgoing)")
                let waiting = try await store.waiting()
                try expect(waiting == applied.outgoing, "\(waiting)")
            }
        },
        StoreCheck("events and jobs are read back as they were sent, also when the image has gone on") { fixture in
            let store = try await fixture.store()
            var sent = try await store.take().outgoing
            let jobs = try Given.plan().captureJobs + [.replicate(LocationName(known: "east"))]
            for job in [.stopCheck] + jobs {
                guard case .granted(let jobLease, let outgoing) = try await store.begin(job) else {
                    throw ConformanceFailure("\(job) is not granted")
                }
                sent += outgoing + (try await store.finish(jobLease).outgoing)
            }
            sent += try await store.tell(.deletionConfirmed(snapshots: true)).outgoing
            let waiting = try await store.waiting()
            try expect(waiting == sent, "\(waiting) are not \(sent)")
        },
        StoreCheck("an image that cannot be read keeps no other's messages from being sent") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            let wanted = try await store.take(2, instance: "i-web2").outgoing
            try await fixture.database().write { (connection) throws(SQLError) in
                try connection.execute("UPDATE images SET state = '{}' WHERE id = 'img-1'")
            }
            let waiting = try await store.waiting()
            try expect(waiting == wanted, "\(waiting)")
        },
        StoreCheck("rows that cannot be read are named, and go behind all others") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            try await store.take(2, instance: "i-web2")
            let request = OutgoingMessage(
                id: "acct-1/r1",
                destination: .requests,
                routingKey: "image.cancel",
                body: "{}"
            )
            try await store.put(request, at: Given.at(0))
            try await store.take(3, instance: "i-web3", at: 1)
            try await fixture.database().write { (connection) throws(SQLError) in
                try connection.execute("UPDATE images SET state = '{}' WHERE id = 'img-1'")
                try connection.execute("UPDATE journal SET jobs = '{}' WHERE image_id = 'img-2'")
                try connection.execute("UPDATE outbox SET message = '{}'")
            }
            let future = Timestamp(microseconds: .max)
            let found = try await store.unsent(before: Given.at(60), after: future, limit: 3)
            try expect(found.messages.isEmpty && found.rows == 3, "\(found)")
            try expect(found.unreadable.count == 3, "\(found.unreadable)")
            try await store.moveBehind(found.unreadable, at: Given.at(2))
            let then = try await store.unsent(before: Given.at(60), after: future, limit: 1)
            try expect(then.messages.allSatisfy { $0.correlationID == "img-3" } && !then.messages.isEmpty, "\(then)")
            let all = try await store.unsent(before: Given.at(60), after: future, limit: 10)
            try expect(Set(all.unreadable.map(\.description)) == Set(found.unreadable.map(\.description)), "\(all)")
        },
        StoreCheck("what nobody takes goes behind the others, and a reply is dropped in the end") { fixture in
            let store = try await fixture.store()
            let address = ReplyAddress(queue: "full", correlationID: nil)
            _ = try await store.accept(
                Given.request(),
                as: Given.image(),
                plan: try Given.plan(),
                reply: address,
                in: Given.context()
            )
            let stuck = try await store.waiting()
            try expect(stuck.contains { $0.destination == .reply }, "\(stuck)")
            try await store.take(2, instance: "i-web2", at: 1)
            try await store.markUnsent(stuck, at: Given.at(2))
            let first = try await store.unsent(before: Given.at(60), limit: 1)
            try expect(!first.isEmpty && first.allSatisfy { $0.correlationID == "img-2" }, "\(first)")
            for round in 1..<OutgoingMessage.replyTries {
                let waiting = try await store.waiting()
                try expect(waiting.contains { $0.destination == .reply }, "dropped after \(round) tries")
                try await store.markUnsent(stuck, at: Given.at(2 + Int64(round)))
            }
            let left = try await store.waiting()
            try expect(!left.contains { $0.destination == .reply }, "a reply stays for ever")
            try expect(stuck.filter { $0.destination != .reply }.allSatisfy(left.contains), "others are never dropped")
        },
        StoreCheck("an image is overdue when an open job's time has come, and not when its worker lives") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let early = try await store.overdue(at: Given.at(119), limit: 10)
            let due = try await store.overdue(at: Given.at(120), limit: 10)
            try expect(early.isEmpty && due.map(\.id) == [Given.image()], "\(early) \(due)")
            let applied = try await store.tell(.overdue(alive: [.stopCheck]), at: 120)
            let later = try await store.overdue(at: Given.at(239), limit: 10)
            try expect(applied.outgoing.isEmpty && later.isEmpty, "\(applied.outgoing) \(later)")
            _ = try await store.cancel(1, request: 1)
            let never = try await store.overdue(at: Given.at(100_000), limit: 10)
            try expect(never.isEmpty, "\(never)")
        },
    ]

    static let queries = [
        StoreCheck("a database without tables is empty, and one whose tables are not ours cannot be read") { fixture in
            let database = try await fixture.database()
            let before = try await SQLImageStore.schema(of: database)
            try expect(before.state == .empty && before.version == 0, "\(before)")
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE schema_version (other TEXT)")
            }
            for rows in 0...1 {
                do {
                    let schema = try await SQLImageStore.schema(of: database)
                    throw ConformanceFailure("a schema with \(rows) rows is called \(schema.state)")
                } catch let error as StoreError {
                    try expect(error.kind == .unreadable, "\(error)")
                }
                try await database.write { (connection) throws(SQLError) in
                    try connection.execute("INSERT INTO schema_version VALUES ('x')")
                }
            }
        },
        StoreCheck("the journal is in order, whole, and can be read from anywhere") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            _ = try await store.cancel(1, request: 1)
            let image = try await store.present()
            let journal = try await store.journal(of: Given.image(), after: 0)
            try expect(journal.map(\.sequence) == Array(1...image.sequence), "\(journal.map(\.sequence))")
            let rest = try await store.journal(of: Given.image(), after: 2)
            try expect(rest == Array(journal.dropFirst(2)), "\(rest)")
            let page = try await store.journal(of: Given.image(), after: 1, limit: 2)
            try expect(page == Array(journal.dropFirst().prefix(2)), "\(page)")
        },
        StoreCheck("images are listed by owner and status, the newest first") { fixture in
            let store = try await fixture.store()
            let other = Owner(known: "acct-2")
            try await store.take(1, at: 1)
            try await store.take(2, instance: "i-2", at: 2)
            try await store.take(3, owner: other, at: 3)
            _ = try await store.cancel(2, request: 1)
            func ids(_ query: ImageQuery) async throws -> [String] { try await store.images(query).map(\.id.text) }
            let all = try await ids(ImageQuery())
            try expect(all == ["img-3", "img-2", "img-1"], "\(all)")
            let own = try await ids(ImageQuery(owner: Given.owner))
            try expect(own == ["img-2", "img-1"], "\(own)")
            let failed = try await ids(ImageQuery(status: .error))
            try expect(failed == ["img-2"], "\(failed)")
            let both = try await ids(ImageQuery(owner: other, status: .error))
            try expect(both.isEmpty, "\(both)")
            let newest = try await ids(ImageQuery(limit: 1))
            let none = try await ids(ImageQuery(limit: -1))
            try expect(newest == ["img-3"] && none.isEmpty, "\(newest) \(none)")
        },
        StoreCheck("a quota is what was set, whatever is used meanwhile") { fixture in
            let store = try await fixture.store()
            let before = try await store.quota(of: Given.owner)
            try expect(before == QuotaUsage(owner: Given.owner, used: .none, limits: .standard), "\(before)")
            try await store.take()
            let limits = QuotaLimits(images: 0, snapshots: 0)
            try await store.setQuota(of: Given.owner, to: limits)
            let after = try await store.quota(of: Given.owner)
            try expect(after.limits == limits && after.used.images == 1, "\(after)")
            _ = try await store.cancel(1, request: 1)
            let released = try await store.quota(of: Given.owner)
            try expect(released.used == .none && released.limits == limits, "\(released)")
        },
    ]
}
