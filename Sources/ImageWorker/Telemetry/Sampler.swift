import ImageCore

/// Looks at store and queues at intervals, so that whoever asks for metrics or health waits for neither.
struct Sampler {
    let context: WorkerContext
    let store: any StoreGauge
    let gauge: any LaneGauge

    /// Until the task is cancelled.
    func run() async {
        repeat { await sample() } while (try? await context.time.sleep(for: context.options.sampleEvery)) != nil
    }

    func sample() async {
        let census: Result<StoreCensus, StoreError>
        do throws(StoreError) {
            census = .success(try await store.census(at: context.time.now()))
        } catch {
            census = .failure(error)
        }
        context.telemetry.note(census, now: context.time.now(), at: context.time.uptime())
        for lane in context.options.lanes {
            let status = await gauge.status(of: lane)
            context.telemetry.note(
                status,
                of: lane,
                prefetch: context.options.concurrency(of: lane),
                at: context.time.uptime()
            )
        }
    }
}
