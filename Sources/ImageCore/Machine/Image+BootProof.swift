/// The boot proof of an image: when it begins, what its outcome means, and that nothing is Available before it which wants
/// it first.
///
/// The plan's own is part of the creation. An Available image can be proven again at any location, one proof at a time:
/// that is a report, and the image stays Available whatever was seen.
extension Image {
    /// The proof that is still to end. There is never more than one.
    var openProof: (Job, JobState)? {
        jobs.first { $0.key.step == .bootProof && $0.value.phase == .waiting }.map { ($0.key, $0.value) }
    }

    /// Begins the proof once a replica is verified: the first, so that it runs beside the other replications.
    mutating func openBootProof(in builder: inout TransitionBuilder) {
        guard plan.wantsBootProof, status == .replicating, !jobs.keys.contains(where: { $0.step == .bootProof }),
            let location = plan.locations.first(where: { jobs[.replicate($0)]?.phase == .done })
        else { return }
        open(.bootProof(location), in: &builder)
    }

    /// Begins a proof that its owner wants of an Available image.
    mutating func prove(at location: LocationName, in builder: inout TransitionBuilder) -> Ignored? {
        guard status == .available else { return .atItsEnd(status) }
        guard jobs[.replicate(location)]?.phase == .done else { return .notWanted }
        guard openProof == nil else { return .alreadyDone }
        let job = Job.bootProof(location)
        let earlier = jobs[job]?.attempt ?? 0
        jobs[job] = nil
        open(job, after: earlier, in: &builder)
        return nil
    }

    /// Whether a stage whose own jobs are done may end.
    func allowsEnd(of stage: CreationStage) -> Bool {
        switch stage {
        case .check, .capture: true
        case .replicate:
            status == .replicating
                && (plan.bootProof?.mode != .require
                    || jobs.contains { $0.key.step == .bootProof && $0.value.phase == .done })
        }
    }

    /// A worker has reported what it saw.
    mutating func judge(_ job: Job, _ seen: BootObservation, in builder: inout TransitionBuilder) {
        guard let location = job.location else { return }
        conclude(job, BootRecord(seen, at: location, builder.now, by: builder.actor), in: &builder)
        if jobs[job]?.phase == .failed { builder.outcome = .failed }
    }

    /// The verdict is written down. Where an image in creation does not count with it, the job has failed, and takes the
    /// path of every failed job.
    mutating func conclude(_ job: Job, _ record: BootRecord, in builder: inout TransitionBuilder) {
        bootProof = record
        announce(.imageBootProof, job, reason: "\(record.verdict.rawValue): \(record.reason)", in: &builder)
        if status == .replicating, let refusal = plan.bootProof?.refusal(of: record) {
            retireFence(of: job)
            return failForGood(job, refusal, in: &builder)
        }
        jobs[job]?.phase = .done
        jobs[job]?.lastFailure = nil
        jobs[job]?.waiting = nil
        announce(.stepDone, job, in: &builder)
        advance(past: job, in: &builder)
    }
}
