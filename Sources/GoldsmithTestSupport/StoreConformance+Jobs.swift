import ImageCore
import SQLAccess

extension StoreConformance {
    static let jobs = [
        StoreCheck("a job is granted with a lease, and its output is in the ledger before it exists") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            let jobLease = try await store.grant(.systemDisk)
            let resource = try value(jobLease.resource)
            let image = try await store.present()
            try expect(image.ledger.map(\.resource) == [resource] && !image.ledger[0].isAdopted, "\(image.ledger)")
            let leases = try await store.leases(of: Given.image())
            try expect(
                leases.map(\.fence) == [jobLease.fence] && leases.map(\.expiresAt) == [Given.at(15)],
                "\(leases)"
            )
        },
        StoreCheck("who asks again for what it was granted gets it again, while that lease is alive, and nobody else") {
            fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            guard case .granted(let first, _) = try await store.begin(.systemDisk, nonce: 7) else {
                throw ConformanceFailure("the job is not granted")
            }
            guard case .granted(let again, let outgoing) = try await store.begin(.systemDisk, nonce: 7, at: 14) else {
                throw ConformanceFailure("what was granted is not known again")
            }
            try expect(again == first && outgoing.isEmpty, "\(again) \(outgoing)")
            // Another delivery to the same worker does not count as the same.
            guard case .busy = try await store.begin(.systemDisk, nonce: 8, at: 14) else {
                throw ConformanceFailure("two deliveries work on one job")
            }
            guard case .granted(let next, _) = try await store.begin(.systemDisk, nonce: 7, at: 15) else {
                throw ConformanceFailure("a lapsed job is not granted")
            }
            try expect(next.fence == first.fence + 1, "\(next.fence) after \(first.fence)")
        },
        StoreCheck("a job with a live lease is busy; after it, the next fence takes over") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let first = try await store.grant(.stopCheck)
            guard case .busy(let lease) = try await store.begin(.stopCheck, by: 2, at: 14) else {
                throw ConformanceFailure("the job is not busy")
            }
            try expect(lease.worker == Given.worker(1), "\(lease)")
            let second = try await store.grant(.stopCheck, by: 2, at: 15)
            try expect(second.fence > first.fence, "\(second.fence) after \(first.fence)")
            // The late worker's word counts for nothing.
            let late = try await store.finish(first, at: 16)
            try expect(late.transition == .ignored(.superseded, [], .superseded), "\(late.transition)")
            let leases = try await store.leases(of: Given.image())
            try expect(leases.map(\.worker) == [Given.worker(2)], "\(leases)")
            let done = try await store.finish(second, at: 17)
            try expect(done.transition.isMoved, "\(done.transition)")
        },
        StoreCheck("renewing keeps a lease until the job is lost or no longer wanted") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            let jobLease = try await store.grant(.systemDisk)
            let progress = CopyProgress(doneBytes: 5, totalBytes: 10)
            let isKept = try await store.renew(jobLease, by: Given.worker(1), progress: progress, until: Given.at(30))
            let leases = try await store.leases(of: Given.image())
            try expect(isKept && leases.map(\.expiresAt) == [Given.at(30)], "\(leases)")
            try expect(leases.map(\.progress) == [progress], "\(leases)")
            let isStrangers = try await store.renew(jobLease, by: Given.worker(9), progress: nil, until: Given.at(99))
            try expect(!isStrangers, "a stranger renewed it")
            let heir = try await store.grant(.systemDisk, by: 2, at: 31)
            let isLost = try await !store.renew(jobLease, by: Given.worker(1), progress: nil, until: Given.at(99))
            try expect(isLost, "the first worker still holds it")
            _ = try await store.cancel(1, request: 1)
            let isUnwanted = try await !store.renew(heir, by: Given.worker(2), progress: nil, until: Given.at(99))
            try expect(isUnwanted, "a cancelled job still goes on")
        },
        StoreCheck("what a live worker still writes is not cleaned up yet") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            let jobLease = try await store.grant(.systemDisk)
            _ = try await store.cancel(1, request: 1)
            let cleanUp = Job.cleanUp(try value(jobLease.resource).id)
            guard case .busy(let lease) = try await store.begin(cleanUp, by: 2, at: 1) else {
                throw ConformanceFailure("the clean-up does not wait for the maker")
            }
            try expect(lease.fence == jobLease.fence, "\(lease)")
            // Once the maker has answered, or is dead, it goes on.
            try await store.tell(
                .failed(.systemDisk, fence: jobLease.fence, StepFailure(.transient, .internal, "x"), discarded: false)
            )
            try await store.finish(try await store.grant(cleanUp, by: 2, at: 2), at: 2)
            let image = try await store.present()
            try expect(image.cleanUp == .done && image.quota == .none, "\(image.ledger)")
        },
        StoreCheck("a dead worker's output is cleaned up once its lease has lapsed, and no lease stays") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.finish(try await store.grant(.stopCheck))
            let jobLease = try await store.grant(.systemDisk)
            _ = try await store.cancel(1, request: 1)
            let cleanUp = Job.cleanUp(try value(jobLease.resource).id)
            try await store.finish(try await store.grant(cleanUp, by: 2, at: 16), at: 16)
            let leases = try await store.leases(of: Given.image())
            try expect(leases.isEmpty, "\(leases)")
        },
        StoreCheck("a job of an unknown image is nobody's") { fixture in
            let store = try await fixture.store()
            guard case .unknownImage = try await store.begin(.stopCheck) else {
                throw ConformanceFailure("an unknown image's job was taken")
            }
            let applied = try await store.apply(.cancelled, to: Given.image(), in: Given.context())
            try expect(applied == nil, "\(String(describing: applied))")
        },
        StoreCheck("a done job that comes again sends its follow-ups again, under the same ids") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let done = try await store.finish(try await store.grant(.stopCheck))
            guard case .settled(let again) = try await store.begin(.stopCheck, by: 2) else {
                throw ConformanceFailure("a done job was begun again")
            }
            let jobs = done.outgoing.filter { $0.destination == .jobs }.map(\.id)
            try expect(again.map(\.id) == jobs && !jobs.isEmpty, "\(again.map(\.id)) are not \(jobs)")
        },
    ]

    static let locking = [
        StoreCheck("a second image of an instance waits, and is told for whom") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            try await store.take(2)
            _ = try await store.grant(.stopCheck, of: 1)
            guard case .settled(let outgoing) = try await store.begin(.stopCheck, of: 2, by: 2) else {
                throw ConformanceFailure("two images hold one instance")
            }
            try expect(outgoing.contains { if case .retry = $0.destination { true } else { false } }, "\(outgoing)")
            let state = try value(try await store.present(2).jobs[.stopCheck])
            try expect(state.waiting?.reason.contains("img-1") == true && state.attempt == 1, "\(state)")
        },
        StoreCheck("images of different instances do not wait for each other") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            try await store.take(2, instance: "i-web2")
            _ = try await store.grant(.stopCheck, of: 1)
            _ = try await store.grant(.stopCheck, of: 2)
        },
        StoreCheck("locks are let go when everything is captured") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            for job in [Job.stopCheck, .systemDisk, .dataDisk(try value(DeviceName("/dev/vdb")))] {
                let held = try await store.locks().count
                try expect(job == .stopCheck || held == 3, "\(held) locks before \(job)")
                try await store.finish(try await store.grant(job))
            }
            let locks = try await store.locks()
            try expect(locks.isEmpty, "\(locks)")
        },
        StoreCheck("locks are let go when the image fails") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            let jobLease = try await store.grant(.stopCheck)
            let failure = StepFailure(.permanent, .failedPrecondition, "no")
            try await store.tell(.failed(.stopCheck, fence: jobLease.fence, failure, discarded: true))
            try await store.tell(.deadLettered(.stopCheck, attempt: 1, failure))
            let locks = try await store.locks()
            try expect(locks.isEmpty, "\(locks)")
            try await store.take(2)
            _ = try await store.grant(.stopCheck, of: 2)
        },
    ]
}
