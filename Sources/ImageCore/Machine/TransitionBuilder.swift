extension Image {
    /// What is gathered while one event is handled.
    struct TransitionBuilder {
        let now: Timestamp
        let policy: RetryPolicy
        let jitter: Double
        let actor: String?
        var effects: [Effect] = []
        /// The outcome of the attempt that the event reports.
        var outcome: AttemptOutcome?

        init(_ context: TransitionContext) {
            now = context.now
            policy = context.policy
            jitter = context.jitter
            actor = context.actor
        }
    }
}
