public import ImageCore
import Measures

/// What handlers tell of their work.
extension WorkerWatch {
    func begins(_ job: Job) {
        board.add(to: WorkerMeasures.jobsBegun, job.step.rawValue)
        board.add(to: WorkerMeasures.jobsRunning, job.step.rawValue)
    }

    /// Work has ended; what comes of it is told by `ended(_:_:)`.
    func rests(_ job: Job, after duration: Duration) {
        board.add(-1, to: WorkerMeasures.jobsRunning, job.step.rawValue)
        board.observe(duration / .seconds(1), in: WorkerMeasures.jobSeconds, job.step.rawValue)
    }

    func ended(_ job: Job, _ outcome: WorkerMeasures.Outcome) {
        board.add(to: WorkerMeasures.jobsEnded, job.step.rawValue, outcome.rawValue)
    }

    func copied(_ bytes: Int64, for job: Job) {
        board.add(Double(max(0, bytes)), to: WorkerMeasures.copiedBytes, job.step.rawValue)
    }

    func answered(_ operation: Operation, _ code: ErrorCode?) {
        board.add(to: WorkerMeasures.requests, operation.rawValue, code?.rawValue ?? "OK")
    }

    func published(_ report: PublishReport, of count: Int, in duration: Duration) {
        board.add(Double(report.confirmed.count), to: WorkerMeasures.published, "confirmed")
        board.add(Double(count - report.confirmed.count), to: WorkerMeasures.published, "unconfirmed")
        board.add(Double(report.refused.count), to: WorkerMeasures.setAside)
        board.observe(duration / .seconds(1), in: WorkerMeasures.publishSeconds)
    }

    /// Tells what became of spans that were to be sent: `exported`, `failed` or `dropped`.
    public func exported(_ count: Int, _ outcome: String) {
        board.add(Double(count), to: WorkerMeasures.spans, outcome)
    }

    /// Notes a call of the store that has ended.
    public func called(_ call: StoreCall) {
        let outcome = call.failure?.rawValue ?? "ok"
        board.observe(call.duration / .seconds(1), in: WorkerMeasures.storeSeconds, call.operation, outcome)
        if call.repeats > 0 {
            board.add(Double(call.repeats), to: WorkerMeasures.storeRepeats, call.operation)
        }
    }

    func called(_ call: MeasuredDriver.Call, _ failure: StepFailure?, in duration: Duration) {
        let code = failure?.code.rawValue ?? "OK"
        board.observe(duration / .seconds(1), in: WorkerMeasures.driverSeconds, call.rawValue, code)
    }

    func parked() { board.add(to: WorkerMeasures.parked) }
    func resent(_ count: Int) { board.add(Double(count), to: WorkerMeasures.resent) }
    func deletedOrphan() { board.add(to: WorkerMeasures.orphans) }
}
