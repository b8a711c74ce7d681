public import ImageCore
import PrometheusMetrics

/// What handlers report of their work.
extension WorkerTelemetry {
    func begins(_ job: Job) {
        registry.add(to: WorkerMetrics.jobsBegun, job.step.rawValue)
        registry.add(to: WorkerMetrics.jobsRunning, job.step.rawValue)
    }

    /// Work has ended; `ended(_:_:)` reports its outcome.
    func rests(_ job: Job, after duration: Duration) {
        registry.add(-1, to: WorkerMetrics.jobsRunning, job.step.rawValue)
        registry.observe(duration / .seconds(1), in: WorkerMetrics.jobSeconds, job.step.rawValue)
    }

    func ended(_ job: Job, _ outcome: AttemptOutcome) {
        registry.add(to: WorkerMetrics.jobsEnded, job.step.rawValue, outcome.rawValue)
    }

    func copied(_ bytes: Int64, for job: Job) {
        registry.add(Double(max(0, bytes)), to: WorkerMetrics.copiedBytes, job.step.rawValue)
    }

    func answered(_ operation: Operation, _ code: ErrorCode?) {
        registry.add(to: WorkerMetrics.requests, operation.rawValue, code?.rawValue ?? "OK")
    }

    func published(_ report: PublishReport, of count: Int, in duration: Duration) {
        registry.add(Double(report.confirmed.count), to: WorkerMetrics.published, "confirmed")
        registry.add(Double(count - report.confirmed.count), to: WorkerMetrics.published, "unconfirmed")
        registry.add(Double(report.refused.count), to: WorkerMetrics.setAside)
        registry.observe(duration / .seconds(1), in: WorkerMetrics.publishSeconds)
    }

    /// Counts spans by the outcome of their export: `exported`, `failed` or `dropped`.
    public func exported(_ count: Int, _ outcome: String) {
        registry.add(Double(count), to: WorkerMetrics.spans, outcome)
    }

    /// Notes a call of the store that has ended.
    public func called(_ call: StoreCall) {
        let outcome = call.failure?.rawValue ?? "ok"
        registry.observe(call.duration / .seconds(1), in: WorkerMetrics.storeSeconds, call.operation.rawValue, outcome)
        if call.repeats > 0 {
            registry.add(Double(call.repeats), to: WorkerMetrics.storeRepeats, call.operation.rawValue)
        }
    }

    func called(_ call: DriverOperation, _ failure: StepFailure?, in duration: Duration) {
        let code = failure?.code.rawValue ?? "OK"
        registry.observe(duration / .seconds(1), in: WorkerMetrics.driverSeconds, call.rawValue, code)
    }

    func parked() { registry.add(to: WorkerMetrics.parked) }
    func resent(_ count: Int) { registry.add(Double(count), to: WorkerMetrics.resent) }
    func deletedOrphan() { registry.add(to: WorkerMetrics.orphans) }
}
