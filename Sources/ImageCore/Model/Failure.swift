/// The stable codes of the contract with upstream. Never renamed, only added to.
public enum ErrorCode: String, Codable, Sendable, CaseIterable {
    case invalidArgument = "INVALID_ARGUMENT"
    case outOfRange = "OUT_OF_RANGE"
    case duplicate = "DUPLICATE"
    case failedPrecondition = "FAILED_PRECONDITION"
    case notFound = "NOT_FOUND"
    case permissionDenied = "PERMISSION_DENIED"
    case quotaExceeded = "QUOTA_EXCEEDED"
    case conflict = "CONFLICT"
    case cancelled = "CANCELLED"
    case unavailable = "UNAVAILABLE"
    /// A machine started from the image did not boot, and the request wanted proof that it does.
    /// Secrets were found on the captured system disk, and the request refuses them (`secretScan`).
    case secretsFound = "SECRETS_FOUND"
    case bootFailed = "BOOT_FAILED"
    /// It is not known whether the image boots, and the request wanted proof that it does.
    case bootNotProven = "BOOT_NOT_PROVEN"
    case `internal` = "INTERNAL"
}

/// A request that cannot be taken: what is wrong, in which field, and under which stable code.
public struct Rejection: Error, Codable, Equatable, Sendable {
    public var code: ErrorCode
    public var message: String
    /// The field of the request's body, for example `dataDisks[1].device`; `nil` when no single field is to blame.
    public var field: String?

    public init(_ code: ErrorCode, _ message: String, field: String? = nil) {
        self.code = code
        self.message = message
        self.field = field
    }
}

/// Why a step could not be done, in the words of the code that tried it. The error carries its own advice.
public struct StepFailure: Error, Codable, Equatable, Sendable {
    public enum Disposition: String, Codable, Sendable {
        /// May work next time: retried after a delay, one attempt used.
        case transient
        /// Will not work next time either: the image fails at once.
        case permanent
        /// Asked to come back later: retried after a delay, no attempt used.
        case throttled
    }

    public var disposition: Disposition
    public var code: ErrorCode
    /// What happened, in one sentence for the image's owner.
    public var message: String
    /// What the owner can do about it.
    public var advice: String?
    /// Whether the job works once a human has followed `advice`. `told` adds what happens then, because it
    /// knows whether the job is still tried. Absent: no.
    public var isFixedByAdvice: Bool?
    /// Whether it is certain that the attempt made nothing, so that nothing is left to delete. Absent: not certain.
    public var madeNothing: Bool?

    public init(
        _ disposition: Disposition,
        _ code: ErrorCode,
        _ message: String,
        advice: String? = nil,
        isFixedByAdvice: Bool? = nil,
        madeNothing: Bool? = nil
    ) {
        self.disposition = disposition
        self.code = code
        self.message = message
        self.advice = advice
        self.isFixedByAdvice = isFixedByAdvice
        self.madeNothing = madeNothing
    }

    /// The text for people: the advice says what happens once it is followed.
    /// - Parameter isFinal: whether the job is given up, so that it is tried again only on request.
    public func told(of job: Job, isFinal: Bool) -> StepFailure {
        guard isFixedByAdvice == true, let advice else { return self }
        var told = self
        told.isFixedByAdvice = nil
        let action = advice.hasSuffix(".") ? String(advice.dropLast()) : advice
        told.advice = isFinal ? "\(action), then \(job.step.anotherTry)." : "\(action); it is tried again by itself."
        return told
    }

    /// A job whose workers keep dying.
    public static func killer(_ job: Job, _ times: Int) -> StepFailure {
        StepFailure(
            .permanent,
            .internal,
            "\(job) was begun \(times) times by workers that were never heard of again; it may have ended them",
            advice: "look into the workers' logs for this image"
        )
    }
}
