/// The boot proof of an image: when it begins, what its outcome means, and that nothing is Available before it which wants
/// it first.
extension Image {
    /// The proof that is still to end.
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

    /// The verdict is written down. Where the image does not count with it, the job has failed, and takes the path of
    /// every failed job.
    mutating func conclude(_ job: Job, _ record: BootRecord, in builder: inout TransitionBuilder) {
        bootProof = record
        announce(.imageBootProof, job, reason: "\(record.verdict.rawValue): \(record.reason)", in: &builder)
        if let refusal = plan.bootProof?.refusal(of: record) {
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
