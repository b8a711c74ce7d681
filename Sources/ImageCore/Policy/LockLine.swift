/// The images of one instance: the one that holds it with its disks, and those that wait, in the order of acceptance.
///
/// No image overtakes: each waits for all before it, also for one that has not begun yet.
public struct LockLine: Equatable, Sendable {
    /// The image that is captured at present.
    public private(set) var holder: ImageID?
    /// Those that are to come, the next one first.
    public private(set) var waiting: [ImageID]

    public init(holder: ImageID? = nil, waiting: [ImageID] = []) {
        self.holder = holder
        self.waiting = waiting
    }

    /// Whom an image has to wait for; `nil` when it holds the locks or may take them.
    public func obstacle(for image: ImageID) -> ImageID? {
        let first = holder ?? waiting.first
        return first == image ? nil : first
    }

    /// The image that may take the locks now.
    public var next: ImageID? { holder == nil ? waiting.first : nil }

    /// The line after an image has released the locks, or its place.
    public func without(_ image: ImageID) -> LockLine {
        LockLine(holder: holder == image ? nil : holder, waiting: waiting.filter { $0 != image })
    }
}

extension Image {
    /// Whether a job begins only when the image's turn in the line has come.
    public func needsLocks(for job: Job) -> Bool { job == .stopCheck && jobs[job]?.phase == .waiting }

    /// Another image is captured, or comes before.
    mutating func waitForLocks(
        _ job: Job,
        behind obstacle: ImageID,
        in line: LockLine,
        _ builder: inout TransitionBuilder
    ) {
        // An older version has given it no place.
        if !line.waiting.contains(id) { builder.effects.append(.joinLine) }
        let reason = "instance \(plan.instanceID) is held by the making of image \(obstacle)"
        if hasWaitedTooLong(job, builder) {
            giveUp(
                job,
                StepFailure(.permanent, .conflict, "waited too long: \(reason)", advice: "ask again when it is free"),
                in: &builder
            )
        } else {
            // The image before wakes it. This is only for the case that the message is lost.
            wait(job, reason: reason, after: .seconds30, in: &builder)
        }
    }

    /// Whether its stop-check goes round the retry queues and has never begun: as soon as the image may have the locks, it
    /// is to begin at once.
    public var waitsForItsTurn: Bool {
        guard let state = jobs[.stopCheck], state.phase == .waiting else { return false }
        return state.waiting != nil && state.lastFailure == nil
    }

    /// The message in the retry queues still arrives, as a duplicate.
    mutating func unlock(in builder: inout TransitionBuilder) -> Ignored? {
        guard waitsForItsTurn else { return .notWanted }
        jobs[.stopCheck]?.waiting = nil
        enqueue(.stopCheck, after: nil, in: &builder)
        return nil
    }
}
