/// What a worker needs beside the broker and the store. Each is found out by trying it.
public enum WorkerTool: Codable, Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Starting any child process at all.
    case childProcess
    /// `qemu-img`, which makes and copies disks.
    case diskProgram
    /// The data folder: instances can be listed, images and snapshots written.
    case storage
    case location(LocationName)
    /// Looking into guests' disks, where that is switched on.
    case guestLook
    /// The cloud that the instances are in.
    case cloud

    /// The kind, which is few enough for a metric's label.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case childProcess = "child-process"
        case diskProgram = "qemu-img"
        case storage
        case locations
        case guestLook = "guest-look"
        case cloud
    }

    public var kind: Kind {
        switch self {
        case .childProcess: .childProcess
        case .diskProgram: .diskProgram
        case .storage: .storage
        case .location: .locations
        case .guestLook: .guestLook
        case .cloud: .cloud
        }
    }

    public var description: String {
        switch self {
        case .childProcess: "child processes"
        case .diskProgram: "qemu-img"
        case .storage: "the data folder"
        case .location(let name): "location \(name)"
        case .guestLook: "the look into guests"
        case .cloud: "the cloud"
        }
    }

    public static func < (left: WorkerTool, right: WorkerTool) -> Bool {
        (left.rank, left.description) < (right.rank, right.description)
    }

    /// One explains the next: without child processes there is no `qemu-img` either.
    private var rank: Int {
        switch self {
        case .childProcess: 0
        case .diskProgram: 1
        case .storage: 2
        case .location: 3
        case .guestLook: 4
        case .cloud: 5
        }
    }
}

/// A tool that failed its trial.
public struct ToolFault: Codable, Equatable, Sendable {
    public var tool: WorkerTool
    /// Why, fit to stand behind a colon.
    public var reason: String
    /// What a human on the worker's host can do about it.
    public var advice: String?

    public init(_ tool: WorkerTool, _ reason: String, advice: String? = nil) {
        (self.tool, self.reason, self.advice) = (tool, reason, advice)
    }

    /// A sentence without its full stop.
    public var sentence: String { "\(tool) cannot be used: \(reason)" }
}

/// What a worker can do, by the last trial of its tools.
///
/// A worker takes no work that it is known to be unable to do: the work waits, or goes to another worker.
public struct Readiness: Equatable, Sendable {
    /// Sorted, the one that explains others first.
    public let faults: [ToolFault]

    public init(_ faults: [ToolFault] = []) {
        self.faults = faults.sorted { $0.tool < $1.tool }
    }

    public var isReady: Bool { faults.isEmpty }

    /// Why requests cannot be judged here; `nil` when they can.
    public var hindranceOfIntake: ToolFault? { first(of: [.childProcess, .diskProgram, .storage, .cloud]) }

    /// Why no job of a step can be done here, whichever it is.
    public func hindrance(of step: Step) -> ToolFault? {
        switch step {
        case .stopCheck, .systemDisk, .dataDisk, .bootProof, .launch:
            first(of: [.childProcess, .diskProgram, .storage, .cloud])
        // A location that is away is for the driver to answer for: the contract says how such an image ends.
        case .convert, .replicate: first(of: [.storage, .cloud])
        // It waits by itself for its own place, and clean-ups at other places must not wait for that.
        case .cleanUp: nil
        }
    }

    /// Why a job that has begun must look into a guest, and cannot here. Under `warn` an image is made without the
    /// look.
    public func hindrance(of job: Job, in plan: Plan) -> ToolFault? {
        switch job {
        case .stopCheck: plan.looksFirst ? first(of: [.guestLook]) : nil
        case .systemDisk: plan.requiresLook && !plan.looksFirst ? first(of: [.guestLook]) : nil
        case .dataDisk, .convert, .replicate, .bootProof, .launch, .cleanUp: nil
        }
    }

    private func first(of kinds: Set<WorkerTool.Kind>) -> ToolFault? {
        faults.first { kinds.contains($0.tool.kind) }
    }

    /// How long after a trial the next one is due: soon while something fails, so that a worker recovers by itself.
    public var nextTrial: Duration { isReady ? Self.whenReady : Self.whenFaulty }
    static let whenReady = Duration.seconds(60)
    static let whenFaulty = Duration.seconds(10)
    /// A trial that takes longer than this counts as failed: a file system that hangs answers never.
    public static let longestTrial = Duration.seconds(90)
}

extension StepFailure {
    /// A job that this worker cannot do and another may.
    public init(_ fault: ToolFault) {
        self.init(.throttled, .unavailable, fault.sentence, advice: fault.advice, isFixedByAdvice: fault.advice != nil)
    }
}
