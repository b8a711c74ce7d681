/// What becomes of a request that a worker cannot judge at the moment.
///
/// An answer is recorded and good forever, so only what is about the request may become one. What is the worker's or
/// the compute system's own trouble makes the request wait, without an answer.
public enum RequestDeferral: Equatable, Sendable {
    case wait(RetryDelay)
    /// It has waited for too long: a human gets it, and the requester an answer that is not recorded.
    case giveUp

    /// - Parameters:
    ///   - waited: the sum of its delays so far. No clock has a part in it, so none that is set can end the wait.
    ///   - policy: its `waitDeadline` bounds the wait.
    public init(waited: Duration, policy: RetryPolicy) {
        switch waited {
        case _ where waited > policy.waitDeadline: self = .giveUp
        case ..<Duration.seconds(30): self = .wait(.seconds5)
        case ..<Duration.seconds(600): self = .wait(.seconds30)
        default: self = .wait(.minutes2)
        }
    }
}

extension ErrorCode {
    /// Whether a refusal with this code is about the request, so that it may be recorded as its answer.
    public var isAboutTheRequest: Bool {
        switch self {
        case .invalidArgument, .outOfRange, .duplicate, .failedPrecondition, .notFound, .permissionDenied,
            .quotaExceeded, .conflict:
            true
        case .cancelled, .unavailable, .bootFailed, .bootNotProven, .secretsFound, .internal: false
        }
    }
}
