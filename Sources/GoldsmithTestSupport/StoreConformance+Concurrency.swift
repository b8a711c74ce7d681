import ImageCore
import ImageStore
import SQLAccess

extension StoreConformance {
    static let concurrency = [
        StoreCheck("two tasks race for the last place: one is accepted") { fixture in
            let store = try await fixture.store()
            try await race(store, store)
        },
        StoreCheck("two processes race for the last place: one is accepted") { fixture in
            try await race(try await fixture.store(), try await fixture.store())
        },
        StoreCheck("the same request twice at once makes one image") { fixture in
            let stores = [try await fixture.store(), try await fixture.store()]
            let answers = try await all(8) { number in
                try await stores[number % 2].accept(
                    Given.request(),
                    as: Given.image(number),
                    plan: try Given.plan(),
                    reply: nil,
                    in: Given.context()
                ).answer
            }
            let isOne = answers.allSatisfy { $0 == answers[0] && $0.status == .accepted }
            let images = try await stores[0].images(ImageQuery())
            try expect(isOne && images.count == 1, "\(answers)")
        },
        StoreCheck("a job is granted to one of many who ask at once") { fixture in
            let stores = [try await fixture.store(), try await fixture.store()]
            try await stores[0].take()
            let grants = try await all(8) { number in
                guard case .granted = try await stores[number % 2].begin(.stopCheck, by: number) else { return 0 }
                return 1
            }
            try expect(grants.reduce(0, +) == 1, "\(grants)")
        },
        StoreCheck("one instance is locked by one of many images that begin at once") { fixture in
            let stores = [try await fixture.store(), try await fixture.store()]
            for number in 1...5 { try await stores[0].take(number) }
            let grants = try await all(5) { number in
                guard case .granted = try await stores[number % 2].begin(.stopCheck, of: number + 1) else { return 0 }
                return 1
            }
            try expect(grants.reduce(0, +) == 1, "\(grants)")
        },
        StoreCheck("several processes at once lose nothing") { fixture in
            var stores: [any ImageStore] = []
            for _ in 0..<4 { stores.append(try await fixture.store()) }
            let processes = stores
            try await processes[0].setQuota(of: Given.owner, to: QuotaLimits(images: 1000, snapshots: 1000))
            _ = try await all(40) { number in
                let store = processes[number % processes.count]
                let image = number + 1
                try await store.take(image, instance: "i-\(image)")
                let other = processes[(number + 1) % processes.count]
                try await other.finish(try await other.grant(.stopCheck, of: image))
                if number % 2 == 0 { _ = try await store.cancel(image, request: image) }
            }
            let images = try await stores[0].images(ImageQuery(limit: 1000))
            let failed = images.count { $0.status == .error }
            try expect(images.count == 40 && failed == 20, "\(images.count) images, \(failed) cancelled")
            let quota = try await stores[3].quota(of: Given.owner).used
            try expect(quota == QuotaUse(images: 20, snapshots: 20), "\(quota)")
            for image in images {
                let journal = try await stores[1].journal(of: image.id, after: 0)
                try expect(journal.map(\.sequence) == Array(1...image.sequence), "\(image.id): \(journal)")
            }
        },
        StoreCheck("an attempt ends in the newest state, also when another process has moved the image") { fixture in
            let (one, other) = (try await fixture.store(), try await fixture.store())
            try await one.take()
            try await one.finish(try await one.grant(.stopCheck))
            let device = try value(Given.plan().dataDisks.first).device
            let mine = try await one.grant(.dataDisk(device))
            try await other.finish(try await other.grant(.systemDisk, by: 2))
            let applied = try await one.finish(mine)
            try expect(applied.image.status == .replicating, "\(applied.image.status)")
            let image = try await other.present()
            try expect(image.captures.count == 2, "\(image.captures)")
            let journal = try await one.journal(of: image.id, after: 0)
            try expect(journal.map(\.sequence) == Array(1...image.sequence), "\(journal.map(\.sequence))")
            let leases = try await one.leases(of: image.id)
            try expect(leases.isEmpty, "\(leases)")
        },
        StoreCheck("a cancelled task can still write down where it stopped") { fixture in
            let store = try await fixture.store()
            try await store.take()
            let jobLease = try await store.grant(.stopCheck)
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                try await store.tell(.interrupted(.stopCheck, fence: jobLease.fence, discarded: true))
                return try await store.present()
            }
            task.cancel()
            let image = try await task.value
            let journal = try await store.journal(of: image.id, after: 0)
            try expect(journal.last?.kind == .stepInterrupted, "\(journal)")
        },
    ]

    static let statements = [
        StoreCheck("whichever statement fails, nothing of its transaction stays") { fixture in
            let database = FailingDatabase(try await fixture.database())
            let store = try await SQLImageStore(on: database)
            try await store.take(1)
            try await store.finish(try await store.grant(.stopCheck))
            let jobLease = try await store.grant(.systemDisk)
            let clean = try await fixture.store()
            // An event that touches every table: the image, its journal, messages, locks, leases, quota.
            try await everyFailure(of: database, clean) {
                try await store.tell(
                    .failed(
                        .systemDisk,
                        fence: jobLease.fence,
                        StepFailure(.permanent, .internal, "x"),
                        discarded: true
                    )
                )
            }
            try await everyFailure(of: database, clean) {
                try await store.tell(.deadLettered(.systemDisk, attempt: 1, StepFailure(.permanent, .internal, "x")))
            }
            let image = try await clean.present()
            try expect(image.status == .error && image.quota == .none, "\(image.status)")
            try await everyFailure(of: database, clean) { try await store.take(2) }
            try await everyFailure(of: database, clean) { _ = try await store.begin(.stopCheck, of: 2) }
        },
        StoreCheck("an image of two disks and one location takes few statements") { fixture in
            let database = FailingDatabase(try await fixture.database())
            let store = try await SQLImageStore(on: database)
            let before = database.statements
            var sent = try await store.take().outgoing
            let jobs = try Given.plan().captureJobs + [.replicate(LocationName(known: "east"))]
            for job in [.stopCheck] + jobs {
                guard case .granted(let jobLease, let outgoing) = try await store.begin(job) else {
                    throw ConformanceFailure("\(job) is not granted")
                }
                sent += outgoing + (try await store.finish(jobLease).outgoing)
            }
            // A worker marks what it has sent in a tenth of a second.
            try await store.markSent(sent)
            let image = try await store.present()
            let taken = database.statements - before
            // What is measured in docs/performance.md; more than this is a step back.
            try expect(image.status == .available && taken <= 53, "\(image.status) after \(taken) statements")
        },
        StoreCheck("parameters are bound by their numbers, not by their order in the text") { fixture in
            let database = try await fixture.database()
            let rows = try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE probe (a TEXT NOT NULL, b TEXT NOT NULL)")
                try connection.execute("INSERT INTO probe (b, a) VALUES ($2, $1)", ["one", "two"])
                try connection.execute("UPDATE probe SET b = $2 WHERE a = $1", ["one", "three"])
                return try connection.query("SELECT a, b FROM probe WHERE b = $2 AND a = $1", ["one", "three"])
            }
            try expect(rows == [SQLRow(["a": "one", "b": "three"])], "\(rows)")
        },
        StoreCheck("values come back as they were written, by their columns' names") { fixture in
            let database = try await fixture.database()
            let texts = ["", "a", "é\n\"", String(repeating: "日本", count: 5_000)]
            let numbers: [Int64?] = [0, .min, .max, nil]
            let answers = try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE probe (n BIGINT PRIMARY KEY, t TEXT NOT NULL, i BIGINT)")
                for (index, (text, number)) in zip(texts, numbers).enumerated() {
                    try connection.execute(
                        "INSERT INTO probe (i, t, n) VALUES ($3, $2, $1)",
                        [SQLValue(index), .text(text), SQLValue(number)]
                    )
                }
                return try connection.query([
                    SQLQuery("SELECT t, i FROM probe ORDER BY n", []),
                    SQLQuery("SELECT i, t FROM probe WHERE n = $1", [1], forUpdate: true),
                    SQLQuery("SELECT t FROM probe WHERE n = $1", [99]),
                ])
            }
            let rows = zip(texts, numbers).map { SQLRow(["t": .text($0), "i": SQLValue($1)]) }
            try expect(answers == [rows, [rows[1]], []], "\(answers.map(\.count))")
        },
        StoreCheck("a database that a newer program wrote is refused, and left alone") { fixture in
            _ = try await fixture.store()
            let database = try await fixture.database()
            _ = try await database.write { (connection) throws(SQLError) in
                try connection.execute("UPDATE schema_version SET version = 999")
            }
            do {
                _ = try await fixture.store()
                throw ConformanceFailure("it was opened")
            } catch let error as StoreError {
                try expect(error.kind == .unreadable && error.message.contains("newer"), "\(error)")
            }
            let rows = try await database.read { (connection) throws(SQLError) in
                try connection.query("SELECT version FROM schema_version")
            }
            try expect(rows == [SQLRow(["version": 999])], "\(rows)")
        },
        StoreCheck("many processes may open a database that does not exist yet") { fixture in
            let stores = try await all(6) { _ in try await fixture.store() }
            try await stores[0].take()
            for store in stores { _ = try await store.present() }
        },
    ]

    private static func race(_ first: any ImageStore, _ second: any ImageStore) async throws {
        try await first.setQuota(of: Given.owner, to: QuotaLimits(images: 1, snapshots: 15))
        let answers = try await all(6) { number in
            try await (number % 2 == 0 ? first : second).take(number, instance: "i-\(number)").answer
        }
        try expect(answers.count { $0.status == .accepted } == 1, "\(answers)")
        try expect(answers.count { $0.code == .quotaExceeded } == 5, "\(answers)")
        let quota = try await second.quota(of: Given.owner)
        try expect(quota.used.images == 1, "\(quota)")
    }

    /// Runs `body` at once for every number below `count`.
    private static func all<Value: Sendable>(
        _ count: Int,
        _ body: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: Value.self) { group in
            for number in 0..<count { group.addTask { try await body(number) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// Fails each statement of `body` in turn; it must change nothing, until none is left to fail and it succeeds.
    private static func everyFailure(
        of database: FailingDatabase,
        _ clean: any ImageStore,
        _ body: () async throws -> Void
    ) async throws {
        for number in 1...200 {
            let before = try await state(of: clean)
            database.fail(at: number)
            do {
                try await body()
            } catch let error as StoreError {
                let after = try await state(of: clean)
                try expect(after == before, "statement \(number) failed (\(error)), and something stayed")
                continue
            }
            try expect(database.isArmed && number > 3, "statement \(number) failed, and nobody noticed")
            return database.disarm()
        }
    }

    /// All there is, as text.
    private static func state(of store: any ImageStore) async throws -> [String] {
        var state = [CanonicalJSON.text(try await store.waiting()), CanonicalJSON.text(try await store.locks())]
        state.append(CanonicalJSON.text(try await store.quota(of: Given.owner)))
        for image in try await store.images(ImageQuery()).sorted(by: { $0.id < $1.id }) {
            state.append(CanonicalJSON.text(image))
            state.append(CanonicalJSON.text(try await store.journal(of: image.id, after: 0)))
            state.append(CanonicalJSON.text(try await store.leases(of: image.id)))
        }
        for number in 1...3 {
            let identity = RequestIdentity(owner: Given.owner, requestID: RequestID(known: "r\(number)"))
            state.append(CanonicalJSON.text(try await store.answer(to: identity)?.answer))
        }
        return state
    }
}
