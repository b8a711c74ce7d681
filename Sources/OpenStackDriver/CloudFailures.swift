import ImageCore
import ImageDrivers
import OpenStackClient

extension StepFailure {
    /// What a cloud's refusal means for the work on `subject`.
    ///
    /// Whatever may have been done is found again by its marks, so that doubt is no reason not to try again.
    static func cloud(_ error: OpenStackError, _ subject: String) -> StepFailure {
        let said = "\(subject): the cloud answers \"\(PlainText.sentence(error.message))\""
        switch error.kind {
        case .cancelled: return .interrupted("The work on \(subject)")
        case .unreachable:
            return StepFailure(
                .throttled,
                .unavailable,
                "\(subject): the cloud cannot be reached (\(error.message)).",
                advice: "See whether its services run; `goldsmith doctor` tries them.",
                isFixedByAdvice: true
            )
        case .lostAnswer, .server, .malformed, .contentRefused:
            return StepFailure(
                .transient,
                .unavailable,
                "\(subject): no usable answer of the cloud (\(error.message))."
            )
        case .throttled: return StepFailure(.throttled, .unavailable, "\(said): too many requests.")
        case .unknownService:
            return StepFailure(
                .permanent,
                .failedPrecondition,
                "\(subject): \(error.message).",
                advice: OpenStackDriver.advice(error.kind),
                isFixedByAdvice: true
            )
        // It fails everything alike, and is no fault of this request's.
        case .unknownCredential:
            return StepFailure(
                .throttled,
                .unavailable,
                "\(subject): the cloud does not accept the application credential (\(PlainText.sentence(error.message))).",
                advice: OpenStackDriver.advice(error.kind),
                isFixedByAdvice: true
            )
        case .denied:
            return StepFailure(
                .permanent,
                .permissionDenied,
                "\(said).",
                advice: OpenStackDriver.advice(error.kind),
                isFixedByAdvice: true
            )
        case .notFound: return StepFailure(.permanent, .notFound, "\(said).")
        case .conflict: return StepFailure(.transient, .conflict, "\(said).")
        case .overLimit:
            return StepFailure(
                .permanent,
                .quotaExceeded,
                "\(said).",
                advice: "Delete what is not needed in the project, or have its quota raised.",
                isFixedByAdvice: true
            )
        case .refused: return StepFailure(.permanent, .failedPrecondition, "\(said).")
        }
    }
}

/// Asks a cloud, and says what its refusal means.
func asking<Value>(
    _ subject: String,
    _ body: () async throws(OpenStackError) -> Value
) async throws(StepFailure) -> Value {
    do throws(OpenStackError) { return try await body() } catch { throw .cloud(error, subject) }
}

/// - Returns: `nil` when there is none.
func unlessMissing<Value>(
    _ subject: String,
    _ body: () async throws(OpenStackError) -> Value
) async throws(StepFailure) -> Value? {
    do throws(OpenStackError) {
        return try await body()
    } catch  where error.kind == .notFound {
        return nil
    } catch {
        throw .cloud(error, subject)
    }
}

/// Looks again and again, after a quarter of a second first and five at last: a cloud notifies no project of what it has
/// done. A quarter of a second and a sixteenth of the time that it took, at most, pass before it is seen.
/// - Parameter look: `nil` while it has to be waited for.
/// - Throws: a transient failure after `limit`.
func waiting<Value>(
    for what: String,
    within limit: Duration,
    advice: String = "See the cloud's own logs of it.",
    _ look: () async throws(StepFailure) -> Value?
) async throws(StepFailure) -> Value {
    try await waiting(for: what, within: limit, advice: advice) { pause async throws(StepFailure) in
        do { try await Task.sleep(for: pause) } catch { throw .interrupted("The wait for \(what)") }
        return try await look()
    }
}

/// - Parameter look: gets how long it is to wait before it looks, so that several can wait for one look.
func waiting<Value>(
    for what: String,
    within limit: Duration,
    advice: String = "See the cloud's own logs of it.",
    _ look: (Duration) async throws(StepFailure) -> Value?
) async throws(StepFailure) -> Value {
    let clock = ContinuousClock()
    let end = clock.now + limit
    var pause = Duration.zero
    while true {
        if let value = try await look(pause) { return value }
        guard clock.now < end else {
            throw StepFailure(
                .transient,
                .unavailable,
                "\(what) did not come about within \(limit.components.seconds) s.",
                advice: advice
            )
        }
        pause = pause == .zero ? .milliseconds(250) : min(pause * 17 / 16, .seconds(5))
    }
}
