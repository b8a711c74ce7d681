import ImageCore

extension StoreConformance {
    /// What the console asks beyond the store port: looking at everything, and handing requests over.
    static let listings: [StoreCheck] = [
        StoreCheck("images are counted by status, and a status that none has is absent") { fixture in
            let store = try await fixture.store()
            try expect(try await store.imageCounts().isEmpty, "an empty store counts something")
            for number in 1...3 { try await store.take(number, instance: "i-\(number)") }
            _ = try await store.cancel(2, request: 2)
            try await store.makeAvailable()
            let counts = try await store.imageCounts()
            try expect(counts == [.available: 1, .error: 1, .pending: 1], "\(counts)")
        },
        StoreCheck("quotas are listed by owner: who has asked for an image, and who was given limits") { fixture in
            let store = try await fixture.store()
            let given = Owner(known: "acct-0")
            try await store.setQuota(of: given, to: QuotaLimits(images: 7, snapshots: 8))
            try await store.take(1, instance: "i-1")
            try await store.take(2, instance: "i-2", owner: Owner(known: "acct-2"))
            // Read-only requests leave no record.
            _ = try await store.quota(of: Owner(known: "acct-3"))
            let all = try await store.quotas(limit: 10)
            try expect(all.map(\.owner.text) == ["acct-0", "acct-1", "acct-2"], "\(all)")
            try expect(
                all.first == QuotaUsage(owner: given, used: .none, limits: QuotaLimits(images: 7, snapshots: 8)),
                "\(all)"
            )
            for usage in all {
                let alone = try await store.quota(of: usage.owner)
                try expect(usage == alone, "\(usage) is not \(alone)")
            }
            try expect(all.last?.used == QuotaUse(images: 1, snapshots: 1), "\(all)")
            try expect(try await store.quotas(limit: 2) == Array(all.prefix(2)), "a limit cuts elsewhere")
            try expect(try await store.quotas(limit: 0).isEmpty, "none were asked for")
            try expect(try await store.quotas(limit: -1).isEmpty, "a negative limit finds some")
        },
        StoreCheck("a request that is handed over is left behind at once, once, and until it is sent") { fixture in
            let store = try await fixture.store()
            var request = OutgoingMessage(
                id: "acct-1/console-1",
                destination: .requests,
                routingKey: Operation.cancel.rawValue,
                body: #"{"imageId":"img-1","owner":"acct-1","requestId":"console-1"}"#
            )
            request.isVouchedFor = true
            try await store.put(request, at: Given.at(0))
            try await store.put(request, at: Given.at(1))
            // As a sweeper asks that looks a moment later.
            let left = Timestamp(
                microseconds: Given.at(0).microseconds - OutgoingMessage.leftBehindAfter.microseconds + 1
            )
            let unsent = try await fixture.store().unsent(before: left, limit: 10)
            try expect(unsent == [request], "\(unsent)")
            var other = request
            other.body = "{}"
            try await store.put(other, at: Given.at(2))
            try expect(try await store.waiting(as: other) == request, "the first of them is not what waits")
            other.id = "acct-1/console-2"
            try expect(try await store.waiting(as: other) == nil, "it was never put there")
            try await store.markSent(unsent)
            try expect(try await store.waiting().isEmpty, "what was sent still waits")
            try expect(try await store.waiting(as: request) == nil, "what was sent still waits")
        },
    ]
}
