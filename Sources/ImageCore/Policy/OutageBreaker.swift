/// Tells an outage from one image's bad luck: when the last jobs of a step all failed alike, and belong to different
/// images, it is the system behind the driver that fails.
///
/// While it is open, a transient failure counts as throttled: the job waits in the retry queues without using an
/// attempt. So an outage of an hour does not drive every image to Error. Each job that comes back is a probe; one
/// success closes it.
public struct OutageBreaker: Equatable, Sendable {
    /// How many different images must have failed alike in a row. Default 5.
    public var threshold: Int
    private var cause: ErrorCode?
    private var images: Set<ImageID> = []

    public init(threshold: Int = 5) { self.threshold = threshold }

    public var isOpen: Bool { images.count >= threshold }

    public mutating func succeeded() {
        cause = nil
        images = []
    }

    /// Notes a failure.
    /// - Returns: the failure to report, which is no fault of the job while the breaker is open.
    public mutating func failed(_ image: ImageID, _ failure: StepFailure) -> StepFailure {
        guard failure.disposition == .transient else { return failure }
        if failure.code != cause {
            cause = failure.code
            images = []
        }
        // Enough to know; the set must not grow with the backlog.
        if !isOpen { images.insert(image) }
        guard isOpen else { return failure }
        var held = failure
        held.disposition = .throttled
        held.message = "every job of this step fails: \(failure.message)"
        return held
    }
}
