import ImageCore

extension StoreConformance {
    static let workers = [
        StoreCheck("a worker is there by its last report, until it signs off") { fixture in
            let store = try await fixture.store()
            let first = Given.report(1, at: 1)
            try await store.report(first)
            try await store.report(Given.report(2, at: 1))
            let later = Given.report(1, at: 11)
            try await store.report(later)
            let statuses = try await store.workers()
            try expect(statuses.map(\.report.worker) == [Given.worker(1), Given.worker(2)], "\(statuses)")
            try expect(statuses[0].report == later && !statuses[0].isGone, "\(statuses)")
            try expect(statuses.allSatisfy { $0.silence >= .zero && $0.silence < .seconds(30) }, "\(statuses)")
            // Manual time is far from the database's own clock, and that shows.
            try expect(statuses[0].skew == later.at - statuses[0].storedAt, "\(statuses)")
            try expect(statuses[0].skew < .seconds(-1000), "\(statuses[0].skew)")
            try await store.signOff(Given.worker(1))
            let left = try await store.workers()
            try expect(left.map(\.report.worker) == [Given.worker(2)], "\(left)")
        },
        StoreCheck("everybody's leases say since when, and open images are the oldest first") { fixture in
            let store = try await fixture.store()
            try await store.take(1, at: 1)
            try await store.take(2, instance: "i-2", at: 2)
            _ = try await store.grant(.stopCheck, of: 2, by: 2, at: 5)
            _ = try await store.grant(.stopCheck, of: 1, by: 1, at: 6)
            let leases = try await store.leases()
            try expect(leases.map(\.image) == [Given.image(1), Given.image(2)], "\(leases)")
            try expect(leases.map(\.since) == [Given.at(6), Given.at(5)], "\(leases)")
            let images = try await store.openImages(limit: 10)
            let one = try await store.openImages(limit: 1)
            try expect(images.map(\.id) == [Given.image(1), Given.image(2)] && one.count == 1, "\(images.map(\.id))")
            _ = try await store.cancel(1, request: 1)
            let left = try await store.openImages(limit: 10)
            try expect(left.map(\.id) == [Given.image(2)], "\(left.map(\.id))")
        },
    ]
}

extension Given {
    static func report(_ number: Int, at seconds: Int64) -> WorkerReport {
        WorkerReport(
            worker: worker(number),
            identity: WorkerIdentity(host: "h\(number)", processID: 7, version: "1.0"),
            lanes: ["intake"],
            concurrency: 4,
            startedAt: at(0),
            at: at(seconds)
        )
    }
}
