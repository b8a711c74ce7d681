extension Image {
    /// What a job does while a worker has it, in a few words; `nil` when its bytes say enough.
    public func activity(of job: Job, _ progress: CopyProgress?) -> String? {
        switch job {
        case .stopCheck: plan.looksFirst ? "looking into the guest" : "checking the instance"
        case .systemDisk where plan.seal != nil: "copying, and sealing the copy"
        case .systemDisk where plan.guestChecks == .fix: "copying, and repairing the guest's files"
        case .systemDisk where plan.secretScan != nil: "copying, and searching the copy for secrets"
        case .systemDisk where plan.guestWork(on: .system).looks: "copying, and looking into the guest"
        case .systemDisk, .dataDisk, .convert, .replicate:
            progress.map { $0.totalBytes > 0 } == true ? nil : "measuring what to copy"
        case .bootProof: "starting the image"
        case .launch(let instance):
            jobs[job]?.output == .built
                ? "putting \(instance) in its place"
                : progress.map { $0.totalBytes > 0 } == true ? nil : "measuring what to copy"
        case .cleanUp: "deleting"
        }
    }

    /// Why a job of the plan that is not open yet is not: what must be done before it.
    public func precondition(of job: Job) -> String? {
        guard jobs[job] == nil, !plan.firstJobs.contains(job) else { return nil }
        if status == .replicating, job.step == .replicate, let location = job.location,
            let other = awaited(by: location, in: ReplicaTree(plan))
        {
            return "after the replica at \(other)"
        }
        return job.step == .bootProof ? "after the first replica" : job.step.stage?.precondition
    }
}

extension JobState {
    /// Whether it waits for a moment, with a reason: a failure before, or what it waits for.
    public var isHeldBack: Bool { phase == .waiting && (waiting != nil || lastFailure != nil) }

    /// Why it waits; `nil` while nothing holds it back.
    public var reason: String? {
        guard isHeldBack else { return nil }
        if let waiting { return waiting.reason }
        return lastFailure.map { "\($0.code.rawValue): \($0.message)" }
    }
}
