public import ImageCore
import SQLAccess

extension SQLImageStore {
    public func begin(_ claim: JobClaim, in context: TransitionContext) async throws(StoreError) -> BeginResult {
        let message = claim.message
        return try await write(for: .begin) { (transaction) throws(SQLError) in
            guard let (image, leases) = try transaction.imageToChangeWithLeases(message.imageId) else {
                return .unknownImage
            }
            // Others may have leased since the worker looked at its clock: one that stood still in between takes over
            // nothing.
            let isBelievable = leases.allSatisfy { $0.isBelievable(at: context.now) }
            let now = isBelievable ? context.now : try transaction.time()
            if image.jobs[message.job]?.phase == .waiting,
                let lease = leases.first(where: { $0.isAlive(at: now) && $0.blocks(message.job, of: image) })
            {
                let isGranted = try transaction.isGranted(lease, for: message.job, nonce: claim.nonce)
                guard isGranted else { return .busy(lease) }
                // What the first answer announced is in the journal.
                return .granted(JobLease(image, message, fence: lease.fence), outgoing: [])
            }
            // Its worker is dead, and an abandoned job is not taken over.
            for lease in leases where !lease.isAlive(at: now) && image.jobs[lease.job]?.phase == .abandoned {
                try transaction.endLease(lease.job, of: image.id, fence: lease.fence)
            }
            let line = image.needsLocks(for: message.job) ? try transaction.lockLineToChange(of: image.plan) : nil
            let event = Event.began(message.job, attempt: message.attempt, lockLine: line, lane: claim.lane)
            let applied = try transaction.apply(event, to: image, in: context)
            // Only an attempt that may go on has a fencing number of its own.
            let fence = applied.image.fence
            guard fence > image.fence else { return .settled(outgoing: applied.outgoing) }
            try transaction.grant(
                message.job,
                of: image.id,
                fence: fence,
                to: claim.worker,
                nonce: claim.nonce,
                at: now,
                for: claim.lease
            )
            return .granted(JobLease(applied.image, message, fence: fence), outgoing: applied.outgoing)
        }
    }

    public func renew(
        _ jobLease: JobLease,
        by worker: WorkerID,
        progress: CopyProgress?,
        until: Timestamp
    ) async throws(StoreError) -> Bool {
        try await write(for: .renew) { (transaction) throws(SQLError) in
            guard let image = try transaction.imageToChange(jobLease.image.id), let state = image.jobs[jobLease.job],
                state.phase == .waiting, state.fence == jobLease.fence
            else { return false }
            let changed = try transaction.connection.rowsChanged(
                by: """
                    UPDATE leases SET expires_at = $5, done_bytes = $6, total_bytes = $7
                    WHERE image_id = $1 AND job = $2 AND fence = $3 AND worker = $4
                    """,
                [
                    .text(image.id.text), .text(jobLease.job.description), .integer(jobLease.fence), .text(worker.text),
                    .integer(until.microseconds), SQLValue(progress?.doneBytes), SQLValue(progress?.totalBytes),
                ]
            )
            return changed == 1
        }
    }

    public func apply(
        _ event: Event,
        to image: ImageID,
        in context: TransitionContext
    ) async throws(StoreError) -> Applied? {
        try await write(for: .apply) { (transaction) throws(SQLError) in
            // An attempt mostly ends where it began.
            if let (job, fence) = event.endOfAttempt {
                if let applied = try transaction.applyUnread(event, to: image, in: context) {
                    try transaction.endLease(job, of: image, fence: fence)
                    return applied
                }
            }
            guard let present = try transaction.imageToChange(image) else { return nil }
            if let (job, fence) = event.endOfAttempt { try transaction.endLease(job, of: image, fence: fence) }
            return try transaction.apply(event, to: present, in: context)
        }
    }
}

extension JobLease {
    fileprivate init(_ image: Image, _ message: JobMessage, fence: Int64) {
        self.init(
            image: image,
            job: message.job,
            attempt: message.attempt,
            fence: fence,
            resource: image.ledger.first { $0.fence == fence }?.resource
        )
    }
}

extension Lease {
    /// Whether this live lease keeps `job` from beginning: its own, or that of the worker which still writes what the
    /// job is to delete.
    fileprivate func blocks(_ job: Job, of image: Image) -> Bool {
        if self.job == job { return true }
        guard case .cleanUp(let resource) = job,
            let entry = image.ledger.first(where: { $0.resource.id == resource })
        else { return false }
        return self.job == entry.job && fence == entry.fence
    }
}

extension Event {
    /// The job and fencing number of the attempt that ends with this event.
    fileprivate var endOfAttempt: (Job, Int64)? {
        switch self {
        case .succeeded(let job, let fence, _): (job, fence)
        case .failed(let job, let fence, _, _): (job, fence)
        case .interrupted(let job, let fence, _): (job, fence)
        case .began, .unlocked, .hindered, .rechecked, .replayed, .deadLettered, .overdue, .cancelled,
            .retried, .deletionConfirmed,
            .shared, .unshared, .converting, .conversionEnded, .snapshotsReturned, .launching, .proving:
            nil
        }
    }
}
