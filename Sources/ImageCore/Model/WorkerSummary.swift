/// Which workers are there and which are missing, as operators see it everywhere.
public struct WorkerSummary: Sendable {
    /// How long a worker that went silent is shown at most for what it held, counted from its last sign.
    public static let newsFor = Duration.seconds(600)

    public let alive: [WorkerStatus]
    /// Gone, and to be looked at: not all of its jobs are taken over, or one of its lanes is not served.
    public let missed: [WorkerStatus]
    /// Gone, and made up for by others: only their number is news, for containers are replaced every day.
    public let past: [WorkerStatus]

    /// - Parameter leases: of all workers. One that was taken over is its new worker's.
    public init(_ statuses: [WorkerStatus], leases: [Lease]) {
        alive = statuses.filter { !$0.isGone }
        let served = Set(alive.flatMap(\.report.servedLanes))
        let holders = Set(leases.map(\.worker))
        let isMissed = { (status: WorkerStatus) in
            !served.isSuperset(of: status.report.lanes)
                || holders.contains(status.report.worker) && status.silence <= Self.newsFor
        }
        let gone = statuses.filter(\.isGone)
        missed = gone.filter(isMissed)
        past = gone.filter { !isMissed($0) }
    }
}
