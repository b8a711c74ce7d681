@testable import ImageCore

/// A broker and workers around one image, small enough that every order of events can be tried.
///
/// Harsher than the real ones: there are no leases, so two attempts of a job may run side by side.
struct World {
    struct Message: Hashable {
        var job: Job
        var attempt: Int
        var isDeadLetter = false
    }

    struct Attempt: Hashable {
        var job: Job
        var number: Int
        var fence: Int64
    }

    /// How many faults may still happen.
    struct Budget: Hashable {
        var duplicates = 0
        var failures = 0
        var crashes = 0
        var losses = 0
        var cancels = 0
        /// Not a fault: how often its owner wants to know whether it boots.
        var proofs = 0
    }

    private(set) var image: Image
    private(set) var messages: Set<Message> = []
    /// Attempts whose workers will report.
    private(set) var running: Set<Attempt> = []
    /// Attempts whose workers are taken for dead. They may report yet, or never.
    private(set) var silent: Set<Attempt> = []
    /// What has been created and not been deleted.
    private(set) var existing: Set<ResourceID> = []
    var budget: Budget
    private(set) var problems: [String] = []
    private var sent: Set<Message> = []

    static let policy: RetryPolicy = {
        var policy = RetryPolicy()
        policy.attempts = 2
        policy.cleanUpAttempts = 2
        return policy
    }()

    init(disks: Int, locations: Int, pulled: Bool = false, bootProof: BootTerms? = nil, budget: Budget = .init()) {
        let plan = Sample.plan(disks: disks, locations: locations, pulled: pulled, bootProof: bootProof)
        let accepted = Sample.accepted(plan)
        image = accepted.image
        self.budget = budget
        problems = MachineRules.brokenRules(in: image)
        take(accepted.effects)
    }

    /// Whether nothing more will happen by itself.
    var isAtRest: Bool { messages.isEmpty && running.isEmpty && image.wakeAt == nil }

    /// What must hold once nothing more will happen.
    var unfinished: [String] {
        var left: [String] = []
        if !image.status.isEnd { left.append("at rest in \(image.status)") }
        let parked = Set(image.jobs.filter { $0.key.step == .cleanUp && $0.value.phase == .failed }.map(\.key))
        let expected = image.ledger.filter {
            $0.isAdopted && image.status == .available || parked.contains(.cleanUp($0.resource.id))
        }
        if Set(expected.map(\.resource.id)) != Set(image.ledger.map(\.resource.id)) {
            left.append("ledger holds rubbish")
        }
        if !existing.isSubset(of: expected.map(\.resource.id)) { left.append("something is left behind: \(existing)") }
        return left
    }

    // MARK: What happens

    @discardableResult
    mutating func apply(_ event: Event, at now: Timestamp = Sample.now) -> Transition {
        let before = image
        if case .began(let job, _, _, _) = event { image.fence = nextFence(for: job) }
        let numbered = image
        let transition = image.apply(event, in: TransitionContext(now: now, policy: Self.policy))
        if !transition.isMoved, image.fence == numbered.fence { image.fence = before.fence }
        problems += MachineRules.broken(by: transition, of: event, from: before, to: image)
            .map { "\($0) (\(event))" }
        follow(event, transition)
        let repeats = if case .overdue = event { true } else { !transition.isMoved }
        // Only replications that waited for a silent host are new then.
        let opened = Set(image.jobs.keys).subtracting(before.jobs.keys).filter { $0.step == .replicate }
        take(transition.effects, areRepeated: repeats, except: repeats ? opened : [])
        return transition
    }

    private mutating func follow(_ event: Event, _ transition: Transition) {
        switch event {
        case .began(let job, let number, _, _):
            guard transition.isMoved else { return }
            running.insert(Attempt(job: job, number: number, fence: image.fence))
            if let entry = image.ledger.last, entry.fence == image.fence { existing.insert(entry.resource.id) }
        case .succeeded(.cleanUp(let resource), _, _): existing.remove(resource)
        case .failed(let job, let fence, _, discarded: true), .interrupted(let job, let fence, discarded: true):
            guard let resource = image.plan.resource(for: job, of: image.id, fence: fence) else { return }
            existing.remove(resource.id)
        default: break
        }
        let ledger = Set(image.ledger.map(\.resource.id))
        if !existing.isSubset(of: ledger) { problems.append("not in the ledger: \(existing.subtracting(ledger))") }
    }

    private mutating func take(_ effects: [Effect], areRepeated: Bool = false, except new: Set<Job> = []) {
        for effect in effects {
            let message: Message
            switch effect {
            case .enqueue(let job, let attempt, _): message = Message(job: job, attempt: attempt)
            case .deadLetter(let job, let attempt, _):
                message = Message(job: job, attempt: attempt, isDeadLetter: true)
            case .park, .announce, .joinLine, .takeLocks, .releaseLocks, .releaseQuota, .indexShares, .recordDeadLetter,
                .tell:
                continue
            }
            if areRepeated, !sent.contains(message), !new.contains(message.job) {
                problems.append("repeats what was never sent: \(message)")
            }
            messages.insert(message)
            sent.insert(message)
        }
    }

    /// Each job has numbers of its own, of which the first one without a trace is given: so orders of events that
    /// differ in nothing but numbers are one state.
    private func nextFence(for job: Job) -> Int64 {
        let proofs = image.plan.locations.map { Job.bootProof($0) }
        let jobs: [Job] = [.stopCheck] + image.plan.captureJobs + image.plan.replicateJobs + proofs
        let cleaned = image.ledger.first { .cleanUp($0.resource.id) == job }
        let first = 16 * (jobs.firstIndex(of: job).map { Int64($0 + 1) } ?? 100 + (cleaned?.fence ?? 0))
        var taken = Set(running.union(silent).filter { $0.job == job }.map(\.fence))
        taken.formUnion(image.ledger.filter { $0.job == job }.map(\.fence))
        taken.insert(image.jobs[job]?.fence ?? 0)
        let isTaken = { (fence: Int64) in
            if taken.contains(fence) { return true }
            guard let resource = image.plan.resource(for: job, of: image.id, fence: fence) else { return false }
            return image.jobs[.cleanUp(resource.id)] != nil
        }
        return (first...).first { !isTaken($0) }.map { $0 - 1 } ?? first
    }

    mutating func report(_ problem: String) { problems.append(problem) }
    mutating func remove(_ message: Message) { messages.remove(message) }
    mutating func put(_ message: Message) { messages.insert(message) }

    mutating func silence(_ attempt: Attempt) {
        running.remove(attempt)
        silent.insert(attempt)
    }

    mutating func forget(_ attempt: Attempt) {
        running.remove(attempt)
        silent.remove(attempt)
    }

    // MARK: Telling states apart

    /// All that the future depends on. Times and the numbers of lines are left out.
    struct Key: Hashable {
        struct JobKey: Hashable {
            var phase: JobState.Phase
            var attempt: Int
            var fence: Int64
            /// Who comes after it in the tree of replicas waits no longer.
            var isHeldBack: Bool
        }

        struct EntryKey: Hashable {
            var fence: Int64
            var isAdopted: Bool
            var exists: Bool
        }

        var status: ImageStatus
        var verdict: BootVerdict?
        var jobs: [Job: JobKey]
        var ledger: Set<EntryKey>
        var messages: Set<Message>
        var running: Set<Attempt>
        var silent: Set<Attempt>
        var budget: Budget
    }

    var key: Key {
        Key(
            status: image.status,
            verdict: image.bootProof?.verdict,
            jobs: Dictionary(
                uniqueKeysWithValues: image.jobs.map { job, state in
                    let isOpen = state.phase == .waiting
                    // Another proof counts on.
                    let counts = isOpen || budget.proofs > 0 && job.step == .bootProof
                    let fence = isOpen ? state.fence : 0
                    let isHeldBack = isOpen && image.plan.host != nil && job.step == .replicate && state.isHeldBack
                    let attempt = counts ? state.attempt : 0
                    return (job, .init(phase: state.phase, attempt: attempt, fence: fence, isHeldBack: isHeldBack))
                }
            ),
            ledger: Set(
                image.ledger.map {
                    .init(fence: $0.fence, isAdopted: $0.isAdopted, exists: existing.contains($0.resource.id))
                }
            ),
            messages: messages,
            running: running,
            silent: silent,
            budget: budget
        )
    }
}
