import Foundation
import ImageCore
import SystemPackage

/// One run from the first server to the verdict.
struct ChaosRun: Sendable {
    private let plan: ChaosPlan
    private let folder: FilePath

    init(_ plan: ChaosPlan, in folder: FilePath) {
        self.plan = plan
        self.folder = folder
    }

    func verdict() async throws -> Verdict {
        let stage = try await Stage.set(plan, in: folder)
        do {
            let verdict = try await play(stage)
            await stage.strike()
            return verdict
        } catch {
            await stage.strike()
            throw error
        }
    }

    private func play(_ stage: Stage) async throws -> Verdict {
        let started = ContinuousClock.now
        let witness = try await Witness(try stage.broker.endpoint(), prefixes: stage.installations.map(\.prefix))
        let upstream = Upstream(try stage.broker.endpoint(), witness)
        let hands = hands(stage)
        let judge = Judge(stage: stage, upstream: upstream, witness: witness)
        let verdict = try await withThrowingTaskGroup(of: Verdict?.self) { group in
            for installation in stage.installations {
                group.addTask {
                    try await installation.pool.tend()
                    return nil
                }
            }
            group.addTask {
                try await witness.watch()
                return nil
            }
            group.addTask { try await report(started, upstream, witness, hands) }
            group.addTask {
                try await trouble(stage, upstream, hands)
                return try await settled(judge)
            }
            defer { group.cancelAll() }
            // All but the last task run until they are cancelled or fail.
            while let ended = try await group.next() {
                if let ended { return ended }
            }
            throw ChaosFailure("the run ended before its verdict")
        }
        await upstream.close()
        await witness.close()
        return complete(verdict, stage, hands, started)
    }

    private func hands(_ stage: Stage) -> [FaultHand] {
        let ofServers = stage.faults.filter { $0.isOfServers && $0 != .killLeader }
        let others = stage.faults.filter { !$0.isOfServers }
        var hands = [
            FaultHand(ofServers, on: stage, seed: plan.seed &+ 2, gapMilliseconds: 2000..<6000),
            FaultHand(others, on: stage, seed: plan.seed &+ 3, gapMilliseconds: 500..<3000),
        ]
        if plan.isCluster {
            // Every 20 seconds, of which it is away for about ten.
            hands.append(
                FaultHand(
                    [.killLeader],
                    on: stage,
                    seed: plan.seed &+ 4,
                    gapMilliseconds: 20_000..<20_001,
                    isFromBegin: true
                )
            )
        }
        return hands
    }

    /// The faults, while all requests are sent; then everything is made well again.
    private func trouble(_ stage: Stage, _ upstream: Upstream, _ hands: [FaultHand]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for hand in hands { group.addTask { try await hand.run() } }
            async let sent: Void = upstream.send(plan.asks, over: plan.time)
            try await Task.sleep(for: plan.time)
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
            Progress.say("the faults are over")
            try await stage.heal()
            try await sent
        }
    }

    /// Waits until nothing is wrong any more, or time is up.
    private func settled(_ judge: Judge) async throws -> Verdict {
        let deadline = ContinuousClock.now + plan.timeout
        while true {
            guard var verdict = try await verdict(of: judge, until: deadline) else { continue }
            if verdict.complaint == nil || ContinuousClock.now > deadline {
                let disks = try await DiskJudge(stage: judge.stage).judge()
                (verdict.compared, verdict.damagedFiles) = disks
                return verdict
            }
            Progress.say("not yet: \(verdict.complaint ?? "")")
            try await Task.sleep(for: .seconds(5))
        }
    }

    /// - Returns: `nil` when the store was out of reach: a connection that a fault has broken is found broken only when
    ///   it is used.
    private func verdict(of judge: Judge, until deadline: ContinuousClock.Instant) async throws -> Verdict? {
        do {
            return try await judge.verdict()
        } catch let error as StoreError where error.kind == .unavailable && ContinuousClock.now < deadline {
            Progress.say("not yet: \(error)")
            try await Task.sleep(for: .seconds(1))
            return nil
        }
    }

    private func complete(
        _ verdict: Verdict,
        _ stage: Stage,
        _ hands: [FaultHand],
        _ started: ContinuousClock.Instant
    ) -> Verdict {
        var verdict = verdict
        for (fault, count) in hands.flatMap(\.done) { verdict.faults[fault.rawValue, default: 0] += count }
        verdict.store = stage.stores.name
        verdict.nodes = stage.broker.nodes.count
        verdict.seed = plan.seed
        verdict.seconds = Int((ContinuousClock.now - started).components.seconds)
        return verdict
    }

    private func report(
        _ started: ContinuousClock.Instant,
        _ upstream: Upstream,
        _ witness: Witness,
        _ hands: [FaultHand]
    ) async throws -> Verdict? {
        while true {
            try await Task.sleep(for: .seconds(5))
            let seen = witness.seen
            let now = hands.compactMap { $0.now?.rawValue }.joined(separator: " and ")
            let faults = hands.flatMap { $0.done.values }.reduce(0, +)
            Progress.say(
                "\((ContinuousClock.now - started).components.seconds) s: \(upstream.confirmedCount) requests confirmed, "
                    + "\(seen.answers.count) answered, \(seen.available) images available, \(seen.errors) in error; "
                    + "\(faults) faults\(now.isEmpty ? "" : ", now \(now)")"
            )
        }
    }
}
