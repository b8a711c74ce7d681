/// What requests change, and what they were answered. Every function is one transaction.
public protocol RequestStore: Sendable {
    /// The first answer to this request, if there was one.
    func answer(to identity: RequestIdentity) async throws(StoreError) -> RecordedAnswer?

    /// Reserves quota, keeps the image, queues its first job and records the answer: all of it or nothing.
    /// A request that was answered meanwhile gets that answer; one over quota is rejected, and that is recorded.
    func accept(
        _ request: CreateRequest,
        as image: ImageID,
        plan: Plan,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Carries out a command for an existing image, or refuses it (`Image.refusal`), and records the answer.
    /// - Parameter request: what was asked; `command` is what it means.
    func grant(
        _ command: ImageCommand,
        for image: ImageID,
        asked request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Makes a new image of an existing one: quota, the source's tie, the image and its first job, and the answer.
    func convert(
        _ request: ConvertRequest,
        as image: ImageID,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Records the answer to a request that changes nothing, in case the request is repeated.
    func record(
        _ answer: Answer,
        to request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// Records that a request was refused.
    func reject(
        _ identity: RequestIdentity,
        fingerprint: String,
        _ rejection: Rejection,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome

    /// A request was denied and is not recorded. If a replay asked for it, its dead letter is open again.
    func denied(_ identity: RequestIdentity, _ rejection: Rejection, at now: Timestamp) async throws(StoreError)

    /// Sets what an owner may hold. What the owner holds already stays.
    func setQuota(of owner: Owner, to limits: QuotaLimits) async throws(StoreError)
}

public struct RecordedAnswer: Equatable, Sendable {
    public var answer: Answer
    /// What was asked, to tell a repetition from another request under the same id.
    public var fingerprint: String

    public init(answer: Answer, fingerprint: String) {
        self.answer = answer
        self.fingerprint = fingerprint
    }

    /// The answer to `fingerprint` under this identity: the first one, or a conflict.
    public func answer(to fingerprint: String) -> Answer {
        fingerprint == self.fingerprint
            ? answer
            : .rejected(.otherRequest)
    }
}

extension Rejection {
    /// For a request under the id of another.
    public static let otherRequest = Rejection(
        .conflict,
        "this request id was used for a different request; use a new one",
        field: "requestId"
    )
}

/// A request's answer, and the messages that were put into the outbox for it.
public struct RequestOutcome: Equatable, Sendable {
    public var answer: Answer
    public var outgoing: [OutgoingMessage]
    /// Whether `outgoing` is in the outbox. Default true.
    public var isKept = true

    public init(answer: Answer, outgoing: [OutgoingMessage]) {
        self.answer = answer
        self.outgoing = outgoing
    }
}
