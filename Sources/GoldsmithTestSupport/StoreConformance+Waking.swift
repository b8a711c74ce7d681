import ImageCore
import SQLAccess

extension StoreConformance {
    static let waking = [
        StoreCheck("whoever lets go of an instance wakes who asked for it next, and nobody else") { fixture in
            let store = try await fixture.store()
            for number in 1...3 { try await store.take(number) }
            _ = try await store.grant(.stopCheck, of: 1)
            // The last one looks first.
            for number in [3, 2] { try await store.isHeldUp(number) }
            let captures = try await store.capture(1)
            try expect(captures.woken == [Given.image(2)], "\(captures)")
            let state = try value(try await store.present(2).jobs[.stopCheck])
            try expect(state.waiting == nil && state.attempt == 1 && state.dueAt == Given.at(0), "\(state)")
            try await store.isHeldUp(3)
            _ = try await store.grant(.stopCheck, of: 2)
            let last = try await store.capture(2)
            try expect(last.woken == [Given.image(3)], "\(last)")
        },
        StoreCheck("an image that comes later does not overtake one that has not begun") { fixture in
            let store = try await fixture.store()
            try await store.take(1)
            try await store.take(2)
            try await store.isHeldUp(2)
            let locks = try await store.locks()
            try expect(locks.isEmpty, "\(locks)")
            _ = try await store.grant(.stopCheck, of: 1)
        },
        StoreCheck("an image that fails or is cancelled wakes the next, and one that only waits wakes nobody") {
            fixture in
            let store = try await fixture.store()
            for number in 1...4 { try await store.take(number) }
            let jobLease = try await store.grant(.stopCheck, of: 1)
            for number in 2...4 { try await store.isHeldUp(number) }
            let left = try await store.cancelled(2)
            try expect(left.woken.isEmpty, "\(left)")
            let failure = StepFailure(.permanent, .failedPrecondition, "no")
            try await store.tell(.failed(.stopCheck, fence: jobLease.fence, failure, discarded: true))
            let failed = try await store.tell(.deadLettered(.stopCheck, attempt: 1, failure)).outgoing
            try expect(failed.woken == [Given.image(3)], "\(failed)")
            // Woken, and gone before it begins.
            let gone = try await store.cancelled(3)
            try expect(gone.woken == [Given.image(4)], "\(gone)")
            _ = try await store.grant(.stopCheck, of: 4)
        },
        StoreCheck("an image that is tried again goes to the end of the line") { fixture in
            let store = try await fixture.store()
            for number in 1...3 { try await store.take(number) }
            _ = try await store.grant(.stopCheck, of: 1)
            _ = try await store.cancelled(2)
            let again = ImageRequest(requestID: RequestID(known: "again"), owner: Given.owner, imageID: Given.image(2))
            _ = try await store.ask(.retry, for: 2, .retry(again))
            try await store.isHeldUp(3)
            let captures = try await store.capture(1)
            try expect(captures.woken == [Given.image(3)], "\(captures)")
        },
        StoreCheck("a message that comes round after its image was woken changes nothing") { fixture in
            let store = try await fixture.store()
            for number in 1...2 { try await store.take(number) }
            _ = try await store.grant(.stopCheck, of: 1)
            try await store.isHeldUp(2)
            try await store.capture(1)
            let jobLease = try await store.grant(.stopCheck, of: 2)
            guard case .busy = try await store.begin(.stopCheck, of: 2, by: 2) else {
                throw ConformanceFailure("a second copy is not kept off")
            }
            try await store.finish(jobLease)
            guard case .settled = try await store.begin(.stopCheck, of: 2, by: 2) else {
                throw ConformanceFailure("a done check begins again")
            }
            let holders = Set(try await store.locks().map(\.image))
            try expect(holders == [Given.image(2)], "\(holders)")
        },
        StoreCheck("an image that an older version took in takes its place when it comes") { fixture in
            let store = try await fixture.store()
            for number in 1...2 { try await store.take(number) }
            _ = try await fixture.database().write { (connection) throws(SQLError) in
                try connection.execute("DELETE FROM lock_line")
            }
            _ = try await store.grant(.stopCheck, of: 1)
            try await store.isHeldUp(2)
            let captures = try await store.capture(1)
            try expect(captures.woken == [Given.image(2)], "\(captures)")
        },
        StoreCheck("of many that begin, end and are cancelled at once, in several processes, nobody is forgotten") {
            fixture in
            var stores: [any ImageStore] = []
            for _ in 0..<4 { stores.append(try await fixture.store()) }
            let processes = stores
            try await processes[0].setQuota(of: Given.owner, to: QuotaLimits(images: 100, snapshots: 100))
            for number in 1...12 { try await processes[0].take(number) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...12 {
                    group.addTask {
                        let first = JobMessage(imageId: Given.image(number), job: .stopCheck, attempt: 1)
                        try await work(on: first, processes, number)
                    }
                    if number % 3 == 0 {
                        group.addTask {
                            for message in try await processes[number % 4].cancelled(number).jobs {
                                try await work(on: message, processes, number)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            // Nothing came back from the retry queues: an image that was not woken is still Pending.
            let pending = try await processes[0].images(ImageQuery(status: .pending))
            try expect(pending.isEmpty, "\(pending.map(\.id)) are forgotten")
            let locks = try await processes[0].locks()
            try expect(locks.isEmpty, "\(locks)")
        },
    ]

    /// Does a job and everything that it makes due at once.
    private static func work(on message: JobMessage, _ stores: [any ImageStore], _ number: Int) async throws {
        let store = stores[number % stores.count]
        var next: [JobMessage] = []
        switch try await store.begin(Given.claim(message, by: number), in: Given.context()) {
        case .granted(let jobLease, _): next = try await store.finish(jobLease).outgoing.jobs
        case .settled(let outgoing): next = outgoing.jobs
        case .busy, .unknownImage: break
        }
        for message in next where message.job.step != .replicate && message.job.step != .cleanUp {
            try await work(on: message, stores, number + 1)
        }
    }
}

extension [OutgoingMessage] {
    /// The jobs that are due now.
    fileprivate var jobs: [JobMessage] {
        filter { $0.destination == .jobs }.compactMap { JobMessage(parsing: [UInt8]($0.body.utf8)) }
    }

    /// The images whose stop-checks should begin.
    fileprivate var woken: [ImageID] { jobs.filter { $0.job == .stopCheck }.map(\.imageId) }
}

extension ImageStore {
    /// Looks whether it is an image's turn, which it must not be.
    fileprivate func isHeldUp(_ number: Int) async throws {
        guard case .settled(let outgoing) = try await begin(.stopCheck, of: number, by: 2) else {
            throw ConformanceFailure("image \(number) is not held up")
        }
        try expect(outgoing.contains { $0.destination == .retry(.seconds30) }, "\(outgoing)")
    }

    /// Ends the stop-check that has begun, and captures everything.
    /// - Returns: what the last capture sends.
    @discardableResult
    fileprivate func capture(_ number: Int) async throws -> [OutgoingMessage] {
        let fence = try value(try await present(number).jobs[.stopCheck]).fence
        try await tell(.succeeded(.stopCheck, fence: fence, .checked([])), image: Given.image(number))
        try await finish(try await grant(.systemDisk, of: number))
        return try await finish(try await grant(.dataDisk(try value(DeviceName("/dev/vdb"))), of: number)).outgoing
    }

    fileprivate func cancelled(_ number: Int) async throws -> [OutgoingMessage] {
        let body = ImageRequest(
            requestID: RequestID(known: "cancel-\(number)"),
            owner: Given.owner,
            imageID: Given.image(number)
        )
        return try await ask(.cancel, for: number, .cancel(body)).outgoing
    }
}
