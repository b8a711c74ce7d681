/// Who is there and who is not, as operators are told of it everywhere.
public struct RollCall: Sendable {
    /// How long a worker that went silent is news, counted from its last sign. Afterwards others have its work, and it is
    /// only listed, so that an alarm that nobody can do anything about hides none that somebody can.
    public static let newsFor = Duration.seconds(600)

    public let alive: [WorkerStanding]
    /// Gone, and to be looked at: lately, or nobody alive serves one of its lanes.
    public let missed: [WorkerStanding]
    /// Gone, and made up for by others.
    public let past: [WorkerStanding]

    public init(_ standings: [WorkerStanding]) {
        alive = standings.filter { !$0.isGone }
        let served = Set(alive.flatMap(\.report.servedLanes))
        let isMissed = { (standing: WorkerStanding) in
            standing.silence <= Self.newsFor || !served.isSuperset(of: standing.report.lanes)
        }
        let gone = standings.filter(\.isGone)
        missed = gone.filter(isMissed)
        past = gone.filter { !isMissed($0) }
    }
}
