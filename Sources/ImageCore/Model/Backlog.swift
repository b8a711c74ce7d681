/// How much of one kind of work is waiting, as the store knows it. What is not known is left out, never guessed.
public struct Backlog: Codable, Equatable, Sendable {
    /// Jobs that are due and that no worker has.
    public var due = 0
    /// Jobs that a worker has.
    public var running = 0
    /// Jobs that wait in the retry queues.
    public var waitingForRetry = 0
    /// When the job that has waited longest was due.
    public var oldestDueAt: Timestamp?

    public init() {}

    private mutating func addDue(_ dueAt: Timestamp?) {
        due += 1
        guard let dueAt else { return }
        oldestDueAt = min(oldestDueAt ?? dueAt, dueAt)
    }

    /// What waits in each lane of jobs, and for the dead-letter handler. A lane without open jobs is absent.
    /// - Parameters:
    ///   - images: those with open jobs.
    ///   - leases: of all workers; expired ones do not count.
    public static func of(
        _ images: [Image],
        leases: [Lease],
        at now: Timestamp
    ) -> [Lane: Backlog] {
        var lanes: [Lane: Backlog] = [:]
        var working: [ImageID: Set<Job>] = [:]
        for lease in leases where lease.isAlive(at: now) { working[lease.image, default: []].insert(lease.job) }
        for image in images {
            for (job, state) in image.jobs {
                let lane = image.lane(of: job)
                switch state.phase {
                case .waiting where working[image.id]?.contains(job) == true:
                    lanes[lane, default: Backlog()].running += 1
                case .waiting where (state.dueAt ?? now) > now:
                    lanes[lane, default: Backlog()].waitingForRetry += 1
                case .waiting: lanes[lane, default: Backlog()].addDue(state.dueAt)
                case .failed where image.hasPendingDeadLetter(job):
                    lanes[.deadLetters, default: Backlog()].addDue(state.dueAt)
                case .failed, .done, .abandoned: break
                }
            }
        }
        return lanes
    }
}
