/// A queue that workers serve: a step and, for the jobs that need the files of one host, that host.
///
/// As text `intake`, `replicate`, `replicate@h1`. This is how lanes stand in routing keys, names of queues, settings,
/// reports and metrics; a lane of no host has the name of its step alone.
public enum Lane: Hashable, Sendable, CustomStringConvertible {
    case intake
    case job(Step, on: HostName? = nil)
    case deadLetters
    /// Messages only a human can judge: written down as dead letters.
    case parked
    /// Messages no queue was bound for: written down as dead letters.
    case unrouted

    public var step: Step? { if case .job(let step, _) = self { step } else { nil } }
    public var host: HostName? { if case .job(_, let host) = self { host } else { nil } }

    package var isForHumans: Bool { self == .parked || self == .unrouted }

    public var description: String {
        switch self {
        case .intake: "intake"
        case .job(let step, nil): step.rawValue
        case .job(let step, let host?): "\(step.rawValue)@\(host)"
        case .deadLetters: "dead-letters"
        case .parked: "parked"
        case .unrouted: "unrouted"
        }
    }

    /// `nil` for what is no lane's name.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2 {
            guard let step = Step(rawValue: parts[0]), let host = HostName(parts[1]) else { return nil }
            self = .job(step, on: host)
        } else if let step = Step(rawValue: text) {
            self = .job(step)
        } else {
            switch text {
            case "intake": self = .intake
            case "dead-letters": self = .deadLetters
            case "parked": self = .parked
            case "unrouted": self = .unrouted
            default: return nil
            }
        }
    }
}

/// The lanes of an installation: those of no host, and each step's on each of its hosts.
public struct LaneList: Equatable, Sendable {
    /// In order, each once.
    public let hosts: [HostName]
    public let all: [Lane]

    public init(hosts: [HostName] = []) {
        self.hosts = Set(hosts).sorted()
        let places: [HostName?] = [nil] + self.hosts
        all = Self.around(places.flatMap { host in Step.allCases.map { Lane.job($0, on: host) } })
    }

    /// What a worker serves by default: the jobs of its own host, or those of no host, and what any
    /// worker can do.
    public static func served(on host: HostName?) -> [Lane] { around(Step.allCases.map { .job($0, on: host) }) }

    private static func around(_ jobs: [Lane]) -> [Lane] { [.intake] + jobs + [.deadLetters, .parked, .unrouted] }

    /// Whether a lane must be served although nothing waits in it. In an installation with hosts, jobs of no host are
    /// those of images from before it had any.
    public func needsWorker(_ lane: Lane) -> Bool { hosts.isEmpty || lane.step == nil || lane.host != nil }
}

extension [WorkerStatus] {
    /// How many living workers take work from a lane, by their reports.
    public func count(serving lane: Lane) -> Int {
        filter { !$0.isGone && $0.report.servedLanes.contains(lane.description) }.count
    }
}
