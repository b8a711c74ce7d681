/// A system that others use for such work. It does four durable steps an item, set up as its documentation advises for
/// throughput; `Benchmarks/peers` has the programs.
enum Peer: String, CaseIterable, Sendable {
    case dramatiq
    case celery
    case dbos
    case procrastinate

    var name: String {
        switch self {
        case .dramatiq: "Dramatiq"
        case .celery: "Celery"
        case .dbos: "DBOS"
        case .procrastinate: "Procrastinate"
        }
    }

    /// Goldsmith's store beside which it stands: its own is RabbitMQ alone, or PostgreSQL alone.
    var counterpart: StoreKind {
        switch self {
        case .dramatiq, .celery: .sqlite
        case .dbos, .procrastinate: .postgresql
        }
    }

    /// How many times its items a second are hoped for.
    var target: Double {
        switch self {
        case .dramatiq: 1.5
        case .celery, .dbos: 4
        case .procrastinate: 3
        }
    }

    /// What Goldsmith does with an item, and this leaves to its user.
    var lacks: [String] {
        switch self {
        case .dramatiq:
            [
                "state of an item (results need Redis or Memcached)",
                "fan-in (groups with callbacks need Redis or Memcached)",
                "compensation", "exactly one answer",
            ]
        case .celery:
            [
                "state of an item (needs a result backend)", "fan-in (chords need a result backend)",
                "compensation (error callbacks only)", "exactly one answer",
            ]
        case .dbos: ["compensation (only what the workflow's own code does)"]
        case .procrastinate:
            [
                "state of an item (only of each job)", "fan-in", "compensation",
                "exactly one answer (after a crash a job may defer the next one twice)",
            ]
        }
    }
}

extension Measurements {
    /// Items a second of one system, and what it took.
    struct Throughput: Sendable {
        var itemsPerSecond: Double
        /// Processor time of the workers an item; nil if it was not measured.
        var milliseconds: Double?
        var setup: String?
    }

    private enum Contender: Hashable {
        case rawLimit
        case goldsmith(StoreKind)
        case peer(Peer)

        static let all = [rawLimit] + StoreKind.allCases.map(goldsmith) + Peer.allCases.map(peer)

        var name: String {
            switch self {
            case .rawLimit: "raw limit"
            case .goldsmith(.sqlite): "Goldsmith, SQLite"
            case .goldsmith(.postgresql): "Goldsmith, PostgreSQL"
            case .peer(let peer): peer.name
            }
        }
    }

    /// Goldsmith, the raw limit and the peers, each alone with servers of its own, one after the other.
    ///
    /// Items are queued while the workers stand still, so that the cost of publishing is not measured.
    /// - Returns: of several rounds, the medians.
    func peers(_ items: Int, rounds: Int, workers: Int, programs: PeerPrograms) async throws -> [Line] {
        var measured: [Contender: [Throughput]] = [:]
        for _ in 0..<rounds {
            for contender in Contender.all {
                Bench.tell("measuring \(contender.name)")
                measured[contender, default: []].append(
                    try await throughput(of: contender, items, workers: workers, programs)
                )
            }
        }
        let medians = measured.mapValues { runs in
            runs.sorted { $0.itemsPerSecond < $1.itemsPerSecond }[runs.count / 2]
        }
        return Contender.all.flatMap { Self.lines($0, medians) }
    }

    private func throughput(
        of contender: Contender,
        _ items: Int,
        workers: Int,
        _ programs: PeerPrograms
    ) async throws -> Throughput {
        switch contender {
        case .rawLimit:
            try await measure(.sqlite, workers: 0) { arena, _ in
                // It is quick: fewer would be over before the broker is warm.
                let rate = try await rawLimit.measure(max(items, 20_000), on: arena.broker, in: arena.folder)
                return Throughput(itemsPerSecond: rate, setup: "C; 4 quorum queues, confirms, window 256")
            }
        case .goldsmith(let store): try await goldsmith(items, store, workers: workers)
        case .peer(let peer):
            try await measure(peer.counterpart, workers: 0) { arena, _ in
                try await programs.run(peer, items, on: arena)
            }
        }
    }

    private func goldsmith(_ items: Int, _ store: StoreKind, workers: Int) async throws -> Throughput {
        let intakeLimit = max(items * 2, 100_000)
        return try await measure(store, workers: workers) {
            $0.intakeLimit = intakeLimit
        } _: { arena, upstream in
            let warmUp = items / 20 + 1
            _ = try await upstream.run(0..<warmUp)
            arena.haltWorkers()
            try await upstream.publish(warmUp..<warmUp + items)
            let (started, used) = (ContinuousClock.now, arena.workerSeconds)
            arena.continueWorkers()
            try await upstream.waitForAvailable(items)
            return Throughput(
                itemsPerSecond: Double(items) / (ContinuousClock.now - started).inSeconds,
                milliseconds: (arena.workerSeconds - used) / Double(items) * 1000,
                setup: "images of 4 jobs; quorum queues, confirms; \(workers) worker\(workers == 1 ? "" : "s"), "
                    + "concurrency \(concurrency)"
            )
        }
    }

    private static func lines(_ contender: Contender, _ medians: [Contender: Throughput]) -> [Line] {
        guard let own = medians[contender], let sqlite = medians[.goldsmith(.sqlite)] else { return [] }
        let (name, rate) = (contender.name, own.itemsPerSecond)
        var line: Line
        switch contender {
        case .rawLimit:
            line = Line(name: name, value: rate, unit: "items/s")
            line.lacks = ["state of an item", "fan-in", "compensation", "any answer"]
        case .goldsmith(.sqlite):
            let ratio = rate / (medians[.rawLimit]?.itemsPerSecond ?? rate)
            line = Line(name: name, value: rate, unit: "items/s", ratio: ratio, atLeast: 0.12, "of the raw limit")
            line.lacks = []
        case .goldsmith(.postgresql):
            let ratio = rate / sqlite.itemsPerSecond
            line = Line(name: name, value: rate, unit: "items/s", ratio: ratio, atLeast: 0.5, "of SQLite")
            line.lacks = []
        case .peer(let peer):
            let ours = medians[.goldsmith(peer.counterpart)] ?? sqlite
            let ratio = ours.itemsPerSecond / rate
            let target = "Goldsmith ≥ \(peer.target.short) times it"
            line = Line(
                name: name,
                value: rate,
                unit: "items/s",
                ratio: ratio,
                target: target,
                isMet: ratio >= peer.target
            )
            line.lacks = peer.lacks
        }
        line.setup = own.setup
        let time = own.milliseconds.map { milliseconds in
            Line(name: "\(name): processor time of the workers", value: milliseconds, unit: "ms/item")
        }
        return [line] + (time.map { [$0] } ?? [])
    }
}
