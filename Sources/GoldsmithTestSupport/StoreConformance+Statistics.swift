import ImageCore

extension StoreConformance {
    static let statistics = [
        StoreCheck("an empty store counts nothing") { fixture in
            let statistics = try await fixture.store().statistics(at: Given.start)
            try expect(statistics == StoreStatistics(), "\(statistics)")
        },
        StoreCheck("images, messages, leases, dead letters and what is overdue are counted, without the settled ones") {
            fixture in
            let store = try await fixture.store()
            try await store.take(1)
            try await store.take(2, instance: "i-web2")
            let begun = try await store.statistics(at: Given.at(1))
            try expect(begun.images == [.pending: 2], "\(begun)")
            try expect(begun.outbox > 0 && begun.outboxSince == Given.start, "\(begun)")
            try expect(begun.liveLeases == 0 && begun.openDeadLetters.isEmpty && begun.overdueImages == 0, "\(begun)")

            _ = try await store.grant(.stopCheck, of: 1)
            let working = try await store.statistics(at: Given.at(1))
            try expect(working.liveLeases == 1 && working.expiredLeases == 0, "\(working)")
            let later = try await store.statistics(at: Given.at(24 * 3600))
            try expect(later.liveLeases == 0 && later.expiredLeases == 1 && later.overdueImages == 2, "\(later)")

            try await store.markSent(try await store.waiting())
            let sent = try await store.statistics(at: Given.at(1))
            try expect(sent.outbox == 0 && sent.outboxSince == nil, "\(sent)")
        },
        StoreCheck("a dead letter is counted while it is open") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            let open = try await store.statistics(at: Given.at(1))
            try expect(open.images == [.error: 1] && open.openDeadLetters == [.dead: 1], "\(open)")
            _ = try await store.replay(
                DeadLetterID(known: "img-1"),
                by: "alice@ops1",
                isForced: false,
                sentBy: .caller,
                at: Given.at(9)
            )
            let replayed = try await store.statistics(at: Given.at(10))
            try expect(replayed.openDeadLetters.isEmpty, "\(replayed)")
        },
        StoreCheck("a dead letter is not counted once its image has left Error") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            let retry = ImageRequest(
                requestID: RequestID(known: "own"),
                owner: Given.owner,
                imageID: Given.image()
            )
            _ = try await store.ask(.retry, .retry(retry))
            let statistics = try await store.statistics(at: Given.at(1))
            try expect(statistics.openDeadLetters.isEmpty, "\(statistics)")
        },
    ]
}
