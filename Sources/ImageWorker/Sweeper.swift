import ImageCore
import Logging

/// Sends what a dead process left in the outbox, and once more what a broker lost or somebody purged.
struct Sweeper {
    let context: WorkerContext
    let gauge: any QueueGauge

    private static let batch = 500

    func run() async {
        while (try? await context.time.sleep(for: context.options.sweepEvery)) != nil {
            do throws(StoreError) {
                try await sweep()
            } catch {
                context.logger.warning("sweep failed", metadata: ["error": "\(error)"])
            }
        }
    }

    func sweep() async throws(StoreError) {
        let now = context.time.now()
        let left = try await context.store.unsent(
            before: Timestamp(microseconds: now.microseconds - context.options.unsentAfter.microseconds),
            limit: Self.batch
        )
        await context.send(left)

        let overdue = try await context.store.overdue(at: now, limit: Self.batch)
        guard !overdue.isEmpty else { return }
        // A job whose queue is not empty may just be waiting its turn: sending it again would only make the queue longer.
        var backlogs: [Step: Int?] = [:]
        for image in overdue {
            let steps = Set(
                image.jobs.filter { $0.value.expectedAt <= now && $0.value.phase == .waiting }.keys.map(\.step)
            )
            for step in steps where backlogs[step] == nil { backlogs[step] = await gauge.backlog(of: step) }
            guard steps.allSatisfy({ backlogs[$0] == 0 }) else { continue }
            let alive = try await context.store.leases(of: image.id).filter { $0.expiresAt > now }
            let applied = try await context.store.apply(
                .overdue(alive: Set(alive.map(\.job))),
                to: image.id,
                in: context.circumstances()
            )
            guard let applied, !applied.outgoing.isEmpty else { continue }
            context.logger.warning(
                "messages of an image were lost, sent again",
                metadata: ["image.id": "\(image.id)", "count": "\(applied.outgoing.count)"]
            )
            await context.send(applied.outgoing)
        }
    }
}
