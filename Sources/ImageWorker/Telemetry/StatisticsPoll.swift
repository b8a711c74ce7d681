import ImageCore

/// Looks at store and queues at intervals, so that a request for metrics or health waits for neither.
struct StatisticsPoll {
    let context: WorkerContext
    let store: any StoreReader
    let inspector: any LaneInspector

    /// Until the task is cancelled.
    func run() async {
        repeat { await poll() } while (try? await context.time.sleep(for: context.options.pollEvery)) != nil
    }

    func poll() async {
        let statistics: Result<StoreStatistics, StoreError>
        do throws(StoreError) {
            statistics = .success(try await store.statistics(at: context.time.now()))
        } catch {
            statistics = .failure(error)
        }
        context.telemetry.note(statistics, now: context.time.now(), at: context.time.uptime())
        context.telemetry.note(laneWorkers: await laneWorkers())
        for lane in context.options.lanes {
            let status = await inspector.status(of: lane)
            context.telemetry.note(
                status,
                of: lane,
                prefetch: context.options.concurrency(of: lane),
                at: context.time.uptime()
            )
        }
    }

    /// How many workers serve each lane; `nil` when the store does not tell. A lane that needs none is left out while
    /// nothing waits in it.
    private func laneWorkers() async -> [Lane: Int]? {
        let workers: [WorkerStatus]
        do throws(StoreError) { workers = try await context.store.workers() } catch { return nil }
        let installation = context.options.installation
        var counts: [Lane: Int] = [:]
        for lane in installation.all {
            let count = workers.count(serving: lane)
            if count == 0, !installation.needsWorker(lane) {
                guard let status = await inspector.status(of: lane), status.ready > 0 else { continue }
            }
            counts[lane] = count
        }
        return counts
    }
}
