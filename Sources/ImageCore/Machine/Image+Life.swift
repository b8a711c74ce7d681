/// What happens to an image after its creation has ended: another try, sharing, conversion, launching, deletion.
///
/// `refusal(of:by:limits:)` says whether a command is allowed. The caller asks it in the transaction that applies the
/// event, and takes what `ImageCommand.needs(of:)` names. The functions here are safe for an image in any state.
extension Image {
    // MARK: Another try

    /// From the stop check on, with everything captured again; or from the replication on, while every capture is still
    /// whole because no clean-up has begun to delete one: then nothing is read from the instance any more.
    mutating func tryAgain(in builder: inout TransitionBuilder) -> Ignored? {
        guard status == .error else { return .atItsEnd(status) }
        let isCaptured = plan.captureJobs.allSatisfy { isStillWhole($0) }
        countAttempts()
        for job in jobs.keys where job.step.isForward {
            let isKept = isCaptured && (plan.firstJobs.contains(job) || isStillWhole(job))
            if !isKept { jobs[job] = nil }
        }
        if isCaptured {
            for entry in ledger where entry.isAdopted { jobs[.cleanUp(entry.resource.id)] = nil }
        }
        if quota == .none { quota = plan.quota }
        if let source = plan.conversion?.source {
            references.borrowsFrom = source
            builder.effects.append(.tell(source, .converting(into: id)))
        }
        failure = nil
        bootProof = nil
        cleaned = []
        let reason = "tried again"
        if isCaptured {
            enter(.replicate, reason: reason, in: &builder)
        } else {
            status = .pending
            announce(.imagePending, reason: reason, in: &builder)
            for job in plan.firstJobs { open(job, in: &builder) }
        }
        return nil
    }

    /// Whether what a job has made is all there: done, and no clean-up of it has ever begun.
    private func isStillWhole(_ job: Job) -> Bool {
        jobs[job]?.phase == .done && ledger.contains { $0.job == job && $0.isAdopted }
    }

    mutating func disown(_ resource: ResourceID) {
        for index in ledger.indices where ledger[index].resource.id == resource { ledger[index].isAdopted = false }
    }

    // MARK: Sharing

    mutating func share(with owners: [Owner], in builder: inout TransitionBuilder) -> Ignored? {
        guard status == .available else { return .atItsEnd(status) }
        let new = Set(owners).subtracting(references.sharedWith)
        guard !new.isEmpty else { return .alreadyDone }
        references.sharedWith = (references.sharedWith + new).sorted()
        builder.effects.append(.indexShares(references.sharedWith))
        announce(.imageShared, reason: "with " + new.sorted().map(\.text).joined(separator: ", "), in: &builder)
        return nil
    }

    mutating func unshare(from owners: [Owner], in builder: inout TransitionBuilder) -> Ignored? {
        let gone = Set(owners).intersection(references.sharedWith)
        guard !gone.isEmpty else { return .alreadyDone }
        references.sharedWith.removeAll { gone.contains($0) }
        builder.effects.append(.indexShares(references.sharedWith))
        announce(.imageUnshared, reason: "from " + gone.sorted().map(\.text).joined(separator: ", "), in: &builder)
        return nil
    }

    // MARK: Conversion, seen from the source

    mutating func lend(to image: ImageID, in builder: inout TransitionBuilder) -> Ignored? {
        guard status == .available, references.conversion == nil else { return .atItsEnd(status) }
        references.conversion = image
        if !references.borrowers.contains(image) { references.borrowers.append(image) }
        announce(.imageConverting, reason: "into \(image)", in: &builder)
        return nil
    }

    mutating func endConversion(into image: ImageID, succeeded: Bool) -> Ignored? {
        guard references.conversion == image else { return .notWanted }
        references.conversion = nil
        if !succeeded { references.borrowers.removeAll { $0 == image } }
        return nil
    }

    /// A snapshot that two images use is deleted with the last of them, if that one's deletion says so.
    mutating func returnSnapshots(from image: ImageID, deleted: Bool, in builder: inout TransitionBuilder) -> Ignored? {
        guard references.borrowers.contains(image) else { return .notWanted }
        references.borrowers.removeAll { $0 == image }
        if deleted, references.borrowers.isEmpty, status == .deleting || status == .deleted {
            return beginDeletion(snapshots: true, in: &builder)
        }
        return nil
    }

    // MARK: Launching

    mutating func launch(_ launch: Launch, in builder: inout TransitionBuilder) -> Ignored? {
        guard status == .available else { return .atItsEnd(status) }
        let job = Job.launch(launch.instanceID)
        guard !isLaunching(launch.instanceID) else { return .alreadyDone }
        forgetDoneLaunches()
        forgetLaunch(job)
        // An instance of this id that was launched before exists no more: the request was checked against that.
        references.launches.removeAll { $0.instanceID == launch.instanceID }
        references.launches.append(launch)
        open(job, in: &builder)
        return nil
    }

    /// Whether a launch under this id has not come to its end: it runs, or it failed and its dead letter is still to come.
    func isLaunching(_ instance: InstanceID) -> Bool {
        let job = Job.launch(instance)
        switch jobs[job]?.phase {
        case .waiting: return true
        case .failed: return hasPendingDeadLetter(job)
        case .done, .abandoned, nil: return false
        }
    }

    func launch(of job: Job) -> Launch? {
        guard case .launch(let instance) = job else { return nil }
        return references.launches.first { $0.instanceID == instance }
    }

    /// The disks of a new instance are built. The machine decides here which attempt's disks count, before the instance
    /// is published: so no late attempt can publish one for a launch that has failed meanwhile.
    mutating func goOn(_ job: Job, fence: Int64, in builder: inout TransitionBuilder) {
        jobs[job]?.output = .built
        jobs[job]?.waiting = nil
        jobs[job]?.lastFailure = nil
        adopt(job, fence: fence, in: &builder)
        retireFence(of: job)
        jobs[job]?.publish()
        enqueue(job, after: nil, in: &builder)
    }

    /// The instance is its owner's now, and no resource of the image.
    mutating func publish(_ instance: InstanceID, in builder: inout TransitionBuilder) {
        ledger.removeAll { $0.job == .launch(instance) && $0.isAdopted }
    }

    /// Only an image on local disks has to know which of its instances exist: it cannot be deleted before them.
    private mutating func forgetDoneLaunches() {
        for launch in references.launches where jobs[.launch(launch.instanceID)]?.phase == .done {
            forgetLaunch(.launch(launch.instanceID))
            if plan.systemDisk.kind == .cloud { references.launches.removeAll { $0.instanceID == launch.instanceID } }
        }
        for job in jobs.keys where job.step == .launch && jobs[job]?.phase == .failed && launch(of: job) == nil {
            forgetLaunch(job)
        }
    }

    private mutating func forgetLaunch(_ job: Job) {
        guard let attempt = jobs[job]?.attempt else { return }
        launchAttempts = max(launchAttempts ?? 0, attempt)
        jobs[job] = nil
    }

    mutating func abandonLaunch(of instance: InstanceID, in builder: inout TransitionBuilder) {
        references.launches.removeAll { $0.instanceID == instance }
        for entry in ledger where entry.job == .launch(instance) { open(.cleanUp(entry.resource.id), in: &builder) }
    }

    // MARK: Deletion

    mutating func delete(snapshots: Bool, in builder: inout TransitionBuilder) -> Ignored? {
        switch status {
        case .pending, .replicating, .deleting: return .atItsEnd(status)
        case .available, .error: break
        case .deleted:
            guard snapshots, !ledger.isEmpty, references.borrowers.isEmpty else { return .alreadyDone }
        }
        if let source = references.borrowsFrom {
            references.borrowsFrom = nil
            builder.effects.append(.tell(source, .snapshotsReturned(by: id, deleted: snapshots)))
        }
        // What is being cleaned up after a failure goes in any case.
        return beginDeletion(snapshots: snapshots || status == .error, in: &builder)
    }

    private mutating func beginDeletion(snapshots: Bool, in builder: inout TransitionBuilder) -> Ignored? {
        let areSnapshotsKept = !snapshots || !references.borrowers.isEmpty
        if status != .deleting {
            status = .deleting
            if let (proof, _) = openProof { jobs[proof]?.phase = .abandoned }
            announce(.imageDeleting, in: &builder)
        }
        for entry in ledger where !(areSnapshotsKept && entry.resource.kind == .snapshot && entry.isAdopted) {
            let job = Job.cleanUp(entry.resource.id)
            // A parked clean-up gets all its attempts again.
            if jobs[job]?.phase == .failed { jobs[job] = nil }
            open(job, in: &builder)
        }
        finishDeletion(in: &builder)
        return nil
    }

    /// Deleted once everything that is to go is gone. What its owner keeps still counts.
    mutating func finishDeletion(in builder: inout TransitionBuilder) {
        guard status == .deleting, ledger.allSatisfy({ jobs[.cleanUp($0.resource.id)] == nil }) else { return }
        status = .deleted
        let kept = QuotaUse(images: 0, snapshots: min(quota.snapshots, ledger.count))
        let released = QuotaUse(images: quota.images, snapshots: quota.snapshots - kept.snapshots)
        if released != .none { builder.effects.append(.releaseQuota(released)) }
        quota = kept
        announce(.imageDeleted, in: &builder)
    }

    /// Whether nothing is left of it but its history.
    public var isForgettable: Bool { status == .deleted && ledger.isEmpty && references.borrowers.isEmpty }
}
