import ImageCore
import SQLAccess

/// Times that a worker wrote while its idea of the store's clock was wrong.
extension StoreConformance {
    private static let hour: Int64 = 3600
    private static let day: Int64 = 86_400

    static let clocks = [
        StoreCheck("the store says what time it is by the database's clock") { fixture in
            let store = try await fixture.store()
            let first = try await store.time()
            let facts = try await fixture.database().facts()
            let second = try await store.time()
            try expect(first.microseconds <= facts.microseconds, "\(first) is after \(facts.microseconds)")
            try expect(facts.microseconds <= second.microseconds, "\(second) is before \(facts.microseconds)")
        },
        StoreCheck("a lease that ends later than any can is not believed: the next fence takes over") { fixture in
            let store = try await fixture.store()
            try await store.take()
            // Its worker was an hour ahead, or the store's clock was set back an hour.
            let wrong = try await store.grant(.stopCheck, at: hour)
            let right = try await store.grant(.stopCheck, by: 2, at: 0)
            try expect(right.fence > wrong.fence, "\(right.fence) after \(wrong.fence)")
            guard case .busy(let lease) = try await store.begin(.stopCheck, by: 3, at: 1) else {
                throw ConformanceFailure("the lease of the one that took over is not believed")
            }
            try expect(lease.worker == Given.worker(2), "\(lease)")
            let late = try await store.finish(wrong, at: hour)
            try expect(late.transition == .ignored(.superseded, [], .superseded), "\(late.transition)")
        },
        StoreCheck("a lease of a worker that was behind has lapsed, and one that is a little ahead is believed") {
            fixture in
            let store = try await fixture.store()
            try await store.take(1)
            try await store.take(2, instance: "i-web2")
            let behind = try await store.grant(.stopCheck, of: 1, at: -hour)
            let heir = try await store.grant(.stopCheck, of: 1, by: 2, at: 0)
            try expect(heir.fence > behind.fence, "\(heir.fence) after \(behind.fence)")
            _ = try await store.grant(.stopCheck, of: 2, at: 9)
            guard case .busy = try await store.begin(.stopCheck, of: 2, by: 2, at: 0) else {
                throw ConformanceFailure("clocks need not agree to the second")
            }
        },
        StoreCheck("a worker that stood still takes over nothing that was leased meanwhile") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let present = try await store.time()
            let seconds = present.microseconds / 1_000_000 - Given.at(0).microseconds / 1_000_000
            let held = try await store.grant(.stopCheck, at: seconds)
            guard case .busy(let lease) = try await store.begin(.stopCheck, by: 2, at: seconds - 300) else {
                throw ConformanceFailure("the lease ends late only by a clock that stood still")
            }
            try expect(lease.fence == held.fence, "\(lease)")
        },
        StoreCheck("what a worker from the future still writes keeps nobody from cleaning up") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            let jobLease = try await store.grant(.systemDisk, at: hour)
            _ = try await store.cancel(1, request: 1)
            let cleanUp = Job.cleanUp(try value(jobLease.resource).id)
            try await store.finish(try await store.grant(cleanUp, by: 2, at: 1), at: 1)
            let leases = try await store.leases(of: Given.image())
            try expect(leases.isEmpty, "\(leases)")
        },
        StoreCheck("a message that was written in the future is left behind") { fixture in
            let store = try await fixture.store()
            try await store.take(at: hour)
            let believed = try await store.unsent(before: Given.at(0), limit: 10)
            try expect(believed.isEmpty, "\(believed)")
            let left = try await store.unsent(before: Given.at(0), after: Given.at(10), limit: 10).messages
            let all = try await store.waiting()
            try expect(left == all && !left.isEmpty, "\(left)")
            let early = try await store.unsent(before: Given.at(0), after: Given.at(hour), limit: 10).messages
            try expect(early.isEmpty, "\(early)")
        },
        StoreCheck("an image that is expected later than any delay is overdue now, and once") { fixture in
            let store = try await fixture.store()
            try await store.take(1, at: day)
            try await store.take(2, instance: "i-web2", at: hour)
            let overdue = try await store.overdue(at: Given.at(0), limit: 10)
            // The other one may just wait on the longest delay.
            try expect(overdue.map(\.id) == [Given.image(1)], "\(overdue.map(\.id))")
            let statistics = try await store.statistics(at: Given.at(0))
            try expect(statistics.overdueImages == 1, "\(statistics)")
            let applied = try await store.tell(.overdue(alive: []), at: 0)
            try expect(applied.outgoing.map(\.id) == ["img-1/stop-check/1"], "\(applied.outgoing)")
            let then = try await store.overdue(at: Given.at(0), limit: 10)
            try expect(then.isEmpty, "\(then.map(\.id))")
        },
        StoreCheck("a lease from the future is counted as lapsed") { fixture in
            let store = try await fixture.store()
            try await store.take()
            _ = try await store.grant(.stopCheck, at: hour)
            let statistics = try await store.statistics(at: Given.at(0))
            try expect(statistics.liveLeases == 0 && statistics.expiredLeases == 1, "\(statistics)")
        },
        StoreCheck("a lease that an older version wrote is believed for an hour at most") { fixture in
            let database = try await fixture.database()
            let store = try await fixture.store()
            try await store.take()
            _ = try await store.grant(.stopCheck, at: 3000)
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("UPDATE leases SET length = NULL")
            }
            guard case .busy = try await store.begin(.stopCheck, by: 2, at: 0) else {
                throw ConformanceFailure("its length is not known, and it may be as long")
            }
            _ = try await store.grant(.stopCheck, by: 2, at: -day)
        },
    ]
}
