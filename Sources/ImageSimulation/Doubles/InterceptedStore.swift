public import ImageCore

/// A store whose calls can be held up, made to fail, or be the last of their process.
public struct InterceptedStore: ImageStore {
    private let store: any ImageStore
    private let interceptor: Interceptor

    public init(_ store: any ImageStore, _ interceptor: @escaping Interceptor) {
        self.store = store
        self.interceptor = interceptor
    }

    private func judge(_ name: String, _ moment: PortCall.Moment) async throws(StoreError) {
        switch await interceptor(PortCall(name: "store." + name, moment: moment)) {
        case .pass, .fail: break
        // Not "unavailable": a dead process does not try again.
        case .dead: throw StoreError(.refused, "the process is dead")
        case .unavailable: throw StoreError(.unavailable, "out of reach")
        }
    }

    /// - Parameter subject: what tells calls of one function apart.
    private func call<Value>(
        _ operation: StoreOperation,
        _ subject: String? = nil,
        _ body: () async throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let name = operation.rawValue + (subject.map { " \($0)" } ?? "")
        try await judge(name, .before)
        let value = try await body()
        try await judge(name, .after)
        return value
    }

    public func answer(to identity: RequestIdentity) async throws(StoreError) -> RecordedAnswer? {
        try await call(.answer) { () async throws(StoreError) in try await store.answer(to: identity) }
    }

    public func accept(
        _ request: CreateRequest,
        as image: ImageID,
        plan: Plan,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await call(.accept) { () async throws(StoreError) in
            try await store.accept(request, as: image, plan: plan, reply: reply, in: context)
        }
    }

    public func grant(
        _ command: ImageCommand,
        for image: ImageID,
        asked request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await call(.grant, "\(command.operation.rawValue)") { () async throws(StoreError) in
            try await store.grant(command, for: image, asked: request, reply: reply, in: context)
        }
    }

    public func convert(
        _ request: ConvertRequest,
        as image: ImageID,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await call(.convert) { () async throws(StoreError) in
            try await store.convert(request, as: image, reply: reply, in: context)
        }
    }

    public func record(
        _ answer: Answer,
        to request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await call(.record) { () async throws(StoreError) in
            try await store.record(answer, to: request, reply: reply, in: context)
        }
    }

    public func denied(_ identity: RequestIdentity, _ rejection: Rejection, at now: Timestamp) async throws(StoreError)
    {
        try await call(.denied) { () async throws(StoreError) in
            try await store.denied(identity, rejection, at: now)
        }
    }

    public func reject(
        _ identity: RequestIdentity,
        fingerprint: String,
        _ rejection: Rejection,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await call(.reject) { () async throws(StoreError) in
            try await store.reject(identity, fingerprint: fingerprint, rejection, reply: reply, in: context)
        }
    }

    public func begin(_ claim: JobClaim, in context: TransitionContext) async throws(StoreError) -> BeginResult {
        try await call(.begin, "\(claim.message.job)") { () async throws(StoreError) in
            try await store.begin(claim, in: context)
        }
    }

    public func renew(
        _ jobLease: JobLease,
        by worker: WorkerID,
        progress: CopyProgress?,
        until: Timestamp
    ) async throws(StoreError) -> Bool {
        try await call(.renew) { () async throws(StoreError) in
            try await store.renew(jobLease, by: worker, progress: progress, until: until)
        }
    }

    public func apply(
        _ event: Event,
        to image: ImageID,
        in context: TransitionContext
    ) async throws(StoreError) -> Applied? {
        try await call(.apply) { () async throws(StoreError) in
            try await store.apply(event, to: image, in: context)
        }
    }

    public func time() async throws(StoreError) -> Timestamp {
        try await call(.time) { () async throws(StoreError) in try await store.time() }
    }

    public func unsent(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) async throws(StoreError) -> UnsentMessages {
        try await call(.unsent) { () async throws(StoreError) in
            try await store.unsent(before: moment, after: future, limit: limit)
        }
    }

    public func markSent(_ messages: [OutgoingMessage]) async throws(StoreError) {
        try await call(.markSent) { () async throws(StoreError) in try await store.markSent(messages) }
    }

    public func markUnsent(_ messages: [OutgoingMessage], at now: Timestamp) async throws(StoreError) {
        try await call(.markUnsent) { () async throws(StoreError) in try await store.markUnsent(messages, at: now) }
    }

    public func moveBehind(_ rows: [UnreadableRow], at now: Timestamp) async throws(StoreError) {
        try await call(.moveBehind) { () async throws(StoreError) in try await store.moveBehind(rows, at: now) }
    }

    public func overdue(at now: Timestamp, limit: Int) async throws(StoreError) -> [Image] {
        try await call(.overdue) { () async throws(StoreError) in try await store.overdue(at: now, limit: limit) }
    }

    public func leases(of image: ImageID) async throws(StoreError) -> [Lease] {
        try await call(.leases) { () async throws(StoreError) in try await store.leases(of: image) }
    }

    public func forget(before moment: Timestamp, limit: Int) async throws(StoreError) -> Int {
        try await call(.forget) { () async throws(StoreError) in
            try await store.forget(before: moment, limit: limit)
        }
    }

    public func keep(_ deadLetter: DeadLetter, _ message: KeptMessage, at now: Timestamp) async throws(StoreError) {
        try await call(.keep) { () async throws(StoreError) in try await store.keep(deadLetter, message, at: now) }
    }

    public func report(_ report: WorkerReport) async throws(StoreError) {
        try await call(.report) { () async throws(StoreError) in try await store.report(report) }
    }

    public func signOff(_ worker: WorkerID) async throws(StoreError) {
        try await call(.signOff) { () async throws(StoreError) in try await store.signOff(worker) }
    }

    public func deadLetters(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetter] {
        try await store.deadLetters(query)
    }
    public func deadLetterGroups(_ query: DeadLetterQuery) async throws(StoreError) -> [DeadLetterGroup] {
        try await store.deadLetterGroups(query)
    }
    public func deadLetter(_ id: DeadLetterID) async throws(StoreError) -> DeadLetterFile? {
        try await store.deadLetter(id)
    }
    public func replay(
        _ id: DeadLetterID,
        by who: String,
        isForced: Bool,
        sentBy sender: OutboxSender,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult {
        try await store.replay(id, by: who, isForced: isForced, sentBy: sender, at: now)
    }
    public func discard(
        _ id: DeadLetterID,
        by who: String,
        note: String?,
        at now: Timestamp
    ) async throws(StoreError) -> DeadLetterResult {
        try await store.discard(id, by: who, note: note, at: now)
    }
    public func workers() async throws(StoreError) -> [WorkerStatus] { try await store.workers() }
    public func leases() async throws(StoreError) -> [Lease] { try await store.leases() }
    public func openImages(limit: Int) async throws(StoreError) -> [Image] { try await store.openImages(limit: limit) }
    public func image(_ id: ImageID) async throws(StoreError) -> Image? { try await store.image(id) }
    public func images(_ query: ImageQuery) async throws(StoreError) -> [Image] { try await store.images(query) }
    public func journal(
        of image: ImageID,
        after sequence: Int64,
        limit: Int
    ) async throws(StoreError) -> [Announcement] {
        try await store.journal(of: image, after: sequence, limit: limit)
    }
    public func locks() async throws(StoreError) -> [Lock] { try await store.locks() }
    public func quota(of owner: Owner) async throws(StoreError) -> QuotaUsage { try await store.quota(of: owner) }
    public func setQuota(of owner: Owner, to limits: QuotaLimits) async throws(StoreError) {
        try await store.setQuota(of: owner, to: limits)
    }
    public func imageCounts() async throws(StoreError) -> [ImageStatus: Int] { try await store.imageCounts() }
    public func quotas(limit: Int) async throws(StoreError) -> [QuotaUsage] { try await store.quotas(limit: limit) }
    public func statistics(at now: Timestamp) async throws(StoreError) -> StoreStatistics {
        try await store.statistics(at: now)
    }
    public func put(_ request: OutgoingMessage, at now: Timestamp) async throws(StoreError) {
        try await store.put(request, at: now)
    }
    public func waiting(as request: OutgoingMessage) async throws(StoreError) -> OutgoingMessage? {
        try await store.waiting(as: request)
    }
}
