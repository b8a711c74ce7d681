/// What can happen to an image after its request was accepted.
public enum Event: Equatable, Sendable {
    /// A worker begins an attempt of a job. Grants the next fencing number and writes the ledger.
    ///
    /// A stop-check whose image is not the next in its instance's line is deferred instead, and uses no attempt. A job
    /// that came by another lane than its own is sent to its own.
    /// - Parameters:
    ///   - attempt: the attempt its message was sent for.
    ///   - lockLine: the line of the instance, for a job that needs the locks (`Image.needsLocks(for:)`).
    ///   - lane: the lane its message came by; `nil` when that is its own.
    case began(Job, attempt: Int, lockLine: LockLine? = nil, lane: Lane? = nil)
    case succeeded(Job, fence: Int64, JobOutput)
    /// - Parameter discarded: whether the worker has already deleted what the attempt left.
    case failed(Job, fence: Int64, StepFailure, discarded: Bool)
    /// An attempt stopped without being at fault: its worker shut down. No attempt is used.
    case interrupted(Job, fence: Int64, discarded: Bool)
    /// The instance and its disks are free, and this image is the next that asked for them.
    case unlocked
    /// The worker that got the job cannot do it, and another may. No attempt is used.
    case hindered(Job, StepFailure)
    /// A worker has the job, or none has room for it: its message goes through the retry queues meanwhile.
    case rechecked(Job, after: RetryDelay)
    /// A human put a parked clean-up back: it begins again, with all its attempts.
    case replayed(Job)
    /// A job's dead letter arrived: from ourselves (out of attempts) or from the broker (it kept killing workers).
    case deadLettered(Job, attempt: Int, StepFailure)
    /// The owner asked for it to stop.
    case cancelled
    /// The owner wants an image in Error to be tried again. What that needs (`ImageCommand.needs`) is taken.
    case retried
    /// The owner confirmed the deletion.
    case deletionConfirmed(snapshots: Bool)
    case shared([Owner])
    case unshared([Owner])
    /// A new image is being converted from this one.
    case converting(into: ImageID)
    /// That image's creation has ended.
    case conversionEnded(ImageID, succeeded: Bool)
    /// An image that was converted from this one no longer uses its data-disk snapshots.
    /// - Parameter deleted: whether its owner wanted them deleted with it.
    case snapshotsReturned(by: ImageID, deleted: Bool)
    case launching(Launch)
    /// The owner wants to know whether the replica at a location boots.
    case proving(at: LocationName)
    /// Time has passed in which nothing was heard of the open jobs. Those with a live lease are named, and those whose
    /// message may still be in its queue.
    case overdue(alive: Set<Job>, queued: Set<Job> = [])
}

/// The consequences of an event. The store writes all of them in the transaction that keeps the new state.
public enum Effect: Equatable, Sendable {
    /// Queue a job: at once, or after a retry delay.
    case enqueue(Job, attempt: Int, after: RetryDelay?)
    /// Send a job that is out of attempts down the dead-letter path.
    case deadLetter(Job, attempt: Int, StepFailure)
    /// A clean-up that cannot be done: park it for a human, loudly.
    case park(Job, attempt: Int, StepFailure)
    /// Tell the world, and write the line into the image's journal.
    case announce(Announcement)
    /// Take the last place among those that wait for the instance and its disks, unless the image has one.
    case joinLine
    /// Lock the instance and its disks, and leave the line.
    case takeLocks
    /// Release the instance and its disks, or the place in their line. The image that may have them now (`LockLine.next`)
    /// gets `unlocked` in the same transaction.
    case releaseLocks
    case releaseQuota(QuotaUse)
    /// Keep the index by which owners find what is shared with them: exactly these have it now.
    case indexShares([Owner])
    /// Write down that a human must judge why the image failed.
    case recordDeadLetter(DeadLetter)
    /// Apply an event to another image, in the same transaction.
    case tell(ImageID, Event)
}

/// One line of an image's history.
public struct Announcement: Codable, Equatable, Sendable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case imagePending = "image.pending"
        case imageReplicating = "image.replicating"
        case imageAvailable = "image.available"
        case imageError = "image.error"
        case imageBootProof = "image.boot-proof"
        case imageCleaned = "image.cleaned"
        case imageShared = "image.shared"
        case imageUnshared = "image.unshared"
        case imageConverting = "image.converting"
        case imageDeleting = "image.deleting"
        case imageDeleted = "image.deleted"
        case stepStarted = "step.started"
        case stepRetrying = "step.retrying"
        case stepWaiting = "step.waiting"
        case stepInterrupted = "step.interrupted"
        case stepDone = "step.done"
        case stepFailed = "step.failed"
    }

    public var kind: Kind
    /// From 1 per image; consumers order and deduplicate by it.
    public var sequence: Int64
    public var at: Timestamp
    public var status: ImageStatus
    public var job: Job?
    public var attempt: Int?
    public var failure: StepFailure?
    public var reason: String?
    /// The worker, or the user that requested it.
    public var actor: String?
    /// What a done job has made, in bytes, and how long its attempt took.
    public var bytes: Int64?
    public var milliseconds: Int64?
    /// The launch it is about. Absent: it concerns the image's owner.
    public var launch: Launch?
}

/// The answer of the machine to an event. None of them is an error: messages come twice, late and out of order.
public enum Transition: Equatable, Sendable {
    /// The state changed (or, for `overdue`, the wait was renewed).
    case moved([Effect], AttemptOutcome? = nil)
    /// Nothing to do any more. The effects are the follow-ups that are still open. They are emitted again, because the
    /// worker that committed this job may have died before its messages left.
    case ignored(Ignored, [Effect], AttemptOutcome? = nil)

    public var effects: [Effect] {
        switch self {
        case .moved(let effects, _), .ignored(_, let effects, _): effects
        }
    }

    /// The outcome of the attempt that the event reports; `nil` for an event that reports none.
    public var outcome: AttemptOutcome? {
        switch self {
        case .moved(_, let outcome), .ignored(_, _, let outcome): outcome
        }
    }

    public var isMoved: Bool { if case .moved = self { true } else { false } }
}

/// Why an event changed nothing.
public enum Ignored: Equatable, Sendable {
    /// The job is done; this is a duplicate.
    case alreadyDone
    /// The image's creation has ended, or it never had this job.
    case notWanted
    /// A later attempt holds the job: this worker was too slow, and its output must not be used.
    case superseded
    /// The job's files are on another host: its message goes to the lane of that one.
    case elsewhere
    /// Too late to cancel.
    case atItsEnd(ImageStatus)
}
