import ImageCore

/// Looks at store and queues at intervals, so that a request for metrics or health waits for neither.
struct Sampler {
    let context: WorkerContext
    let store: any StoreReader
    let inspector: any LaneInspector

    /// Until the task is cancelled.
    func run() async {
        repeat { await sample() } while (try? await context.time.sleep(for: context.options.sampleEvery)) != nil
    }

    func sample() async {
        let statistics: Result<StoreStatistics, StoreError>
        do throws(StoreError) {
            statistics = .success(try await store.statistics(at: context.time.now()))
        } catch {
            statistics = .failure(error)
        }
        context.telemetry.note(statistics, now: context.time.now(), at: context.time.uptime())
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
}
