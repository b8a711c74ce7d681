import ImageCore
import Logging

/// Sends what a dead process left in the outbox, and resends what a broker lost or a human purged; deletes orphaned
/// resources.
struct Sweeper {
    let context: WorkerContext
    let inspector: any QueueInspector

    private static let batch = 500

    func run() async {
        let began = context.time.uptime()
        var orphansDue = began + context.options.orphansEvery
        var reportDue = began + context.options.reportEvery
        await report(since: began)
        while (try? await context.time.sleep(for: context.options.sweepEvery)) != nil {
            do throws(StoreError) {
                try await sweep()
                if context.time.uptime() >= reportDue {
                    reportDue = context.time.uptime() + context.options.reportEvery
                    await report(since: began)
                }
                if context.time.uptime() >= orphansDue {
                    orphansDue = context.time.uptime() + context.options.orphansEvery
                    try await sweepOrphans()
                }
            } catch {
                context.logger.warning("sweep failed", metadata: ["error": "\(error)"])
            }
        }
        do throws(StoreError) {
            try await context.store.signOff(context.options.id)
        } catch {
            context.logger.warning("worker did not sign off", metadata: ["error": "\(error)"])
        }
    }

    /// Says that this worker is there: one small row.
    private func report(since began: Duration) async {
        let options = context.options
        let now = context.time.machine.now()
        let tools = context.telemetry.tools
        var report = WorkerReport(
            worker: options.id,
            identity: options.identity,
            lanes: options.lanes.map(\.description),
            concurrency: options.concurrency,
            startedAt: now + (began - context.time.uptime()),
            at: now
        )
        report.faults = tools.faults
        let paused = options.lanes.filter { tools.hindrance(of: $0) != nil }.map(\.description)
        if !paused.isEmpty { report.pausedLanes = paused }
        if context.telemetry.isStopping { report.isDraining = true }
        do throws(StoreError) {
            try await context.store.report(report)
        } catch {
            context.logger.warning("worker did not report", metadata: ["error": "\(error)"])
        }
    }

    /// A worker that was paused past its lease and killed right after it woke may have made a resource that clean-up
    /// had already found gone. A resource that carries an image's name and is not in its ledger is an orphan.
    ///
    /// The inventory is taken first: a resource is written in the ledger before it is made, so one that exists and is
    /// not in the ledger has been struck from it for good. What was published meanwhile, a launched instance, is no
    /// longer where the inventory saw it, and `delete` leaves instances alone. What belongs to an image this store does
    /// not know is left alone: it may be another store's.
    func sweepOrphans() async throws(StoreError) {
        let resources: [Resource]
        do throws(StepFailure) {
            resources = try await context.driver.inventory()
        } catch {
            context.logger.warning("inventory not taken", metadata: ["error": "\(error.message)"])
            return
        }
        for (id, found) in Dictionary(grouping: resources, by: \.imageID).sorted(by: { $0.key < $1.key }) {
            guard let image = try await context.store.image(id) else { continue }
            let owned = Set(image.ledger.map(\.resource.id))
            for orphan in found where !owned.contains(orphan.id) {
                context.logger.warning("orphaned resource deleted", metadata: ["resource": "\(orphan.id)"])
                do throws(StepFailure) {
                    try await context.driver.delete(orphan)
                    context.telemetry.deletedOrphan()
                } catch {
                    context.logger.warning("orphaned resource not deleted", metadata: ["error": "\(error.message)"])
                }
            }
        }
    }

    func sweep() async throws(StoreError) {
        try await context.time.follow(context.store)
        let now = context.time.now()
        let left = try await context.store.unsent(
            before: Timestamp(microseconds: now.microseconds - context.options.unsentAfter.microseconds),
            after: now + StoredTime.tolerance,
            limit: Self.batch
        )
        await context.send(left.messages)
        try await moveBehind(left.unreadable, at: now)
        let past = Timestamp(microseconds: now.microseconds - context.options.retention.microseconds)
        let forgotten = try await context.store.forget(before: past, limit: Self.batch)
        if forgotten > 0 {
            context.logger.info("old answers and images forgotten", metadata: ["count": "\(forgotten)"])
        }

        let overdue = try await context.store.overdue(at: now, limit: Self.batch)
        guard !overdue.isEmpty else { return }
        // A job whose queue is not empty may just be waiting its turn: sending it again would only make the queue
        // longer.
        var backlogs: [Lane: Int?] = [:]
        for image in overdue {
            let lanes = Set(
                image.jobs.filter {
                    $0.value.phase == .waiting && StoredTime.isOverdue($0.value.expectedAt, at: now)
                }.keys.map { image.lane(of: $0) }
            )
            for lane in lanes where backlogs[lane] == nil { backlogs[lane] = await inspector.backlog(of: lane) }
            let leases = try await context.store.leases(of: image.id)
            // Not `now`: sending what was left may have taken long.
            let present = context.time.now()
            let leased = leases.filter { $0.isAlive(at: present) }.map(\.job)
            // Unknown counts as full: nothing is sent again on a guess.
            let queued = image.jobs.keys.filter { job in
                let lane = image.lane(of: job)
                return lanes.contains(lane) && backlogs[lane] != 0
            }
            let applied = try await context.store.apply(
                .overdue(alive: Set(leased), queued: Set(queued)),
                to: image.id,
                in: context.transitionContext()
            )
            guard let applied, !applied.outgoing.isEmpty else { continue }
            context.logger.warning(
                "lost messages sent again",
                metadata: ["image.id": "\(image.id)", "count": "\(applied.outgoing.count)"]
            )
            context.telemetry.resent(applied.outgoing.count)
            await context.send(applied.outgoing)
        }
    }

    private func moveBehind(_ rows: [UnreadableRow], at now: Timestamp) async throws(StoreError) {
        guard let first = rows.first else { return }
        context.logger.error(
            "unsent messages in rows that cannot be read",
            metadata: [
                "count": "\(rows.count)", "first": "\(first)",
                "advice": "repair the rows or delete them: nothing else sends their messages",
            ]
        )
        try await context.store.moveBehind(rows, at: now)
    }
}
