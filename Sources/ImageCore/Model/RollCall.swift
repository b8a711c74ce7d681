/// Who is there and who is not, as operators are told of it everywhere.
public struct RollCall: Sendable {
    /// How long a worker that went silent is shown at most for what it held, counted from its last sign.
    public static let newsFor = Duration.seconds(600)

    public let alive: [WorkerStanding]
    /// Gone, and to be looked at: nobody has taken over all that it did, or nobody alive serves one of its lanes.
    public let missed: [WorkerStanding]
    /// Gone, and made up for by others: only their number is news, for containers are replaced every day.
    public let past: [WorkerStanding]

    /// - Parameter leases: everybody's. One that was taken over is its new worker's.
    public init(_ standings: [WorkerStanding], leases: [Lease]) {
        alive = standings.filter { !$0.isGone }
        let served = Set(alive.flatMap(\.report.servedLanes))
        let holders = Set(leases.map(\.worker))
        let isMissed = { (standing: WorkerStanding) in
            !served.isSuperset(of: standing.report.lanes)
                || holders.contains(standing.report.worker) && standing.silence <= Self.newsFor
        }
        let gone = standings.filter(\.isGone)
        missed = gone.filter(isMissed)
        past = gone.filter { !isMissed($0) }
    }
}
