/// Names one dead letter: the image's id for a failed job, else `msg-` and the beginning of its message's checksum.
public struct DeadLetterID: Identifier {
    public let text: String
    public init(known text: String) { self.text = text }
}

/// What only a human can judge: a job that failed for good, or a message that no consumer could handle.
///
/// One thing is one dead letter, however often it arrives: a replayed job that fails again opens its own dead letter
/// again, with the count of its replays. So nothing is replayed in a circle without being noticed.
public struct DeadLetter: Codable, Equatable, Sendable {
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A job that failed for good and made its image Error.
        case dead
        /// A message that no handler could use, or a clean-up that has given up.
        case parked
        /// A message that no queue was bound for.
        case unrouted
    }

    public enum State: String, Codable, Sendable, CaseIterable {
        /// Waits for a human.
        case open
        /// Replayed. If it comes back, it is open again.
        case replayed
        /// Judged, and left as it is.
        case discarded
        /// A failed job whose image is no longer in Error, without a replay of ours.
        case settled
    }

    public var id: DeadLetterID
    public var kind: Kind
    public var state: State = .open
    /// What dead letters are grouped by: an `ErrorCode`, or one of the words in `Cause`.
    public var cause: String
    /// What happened, in one sentence.
    public var reason: String
    public var advice: String?
    public var step: Step?
    public var job: Job?
    public var image: ImageID?
    public var owner: Owner?
    /// Attempts the job has had; absent for messages that are no job.
    public var attempts: Int?
    /// How often it has come here, from 1. A crash between two writes may count one arrival twice.
    public var arrivals = 1
    /// How often it was replayed.
    public var replays = 0
    public var firstAt: Timestamp
    public var lastAt: Timestamp

    /// Causes of messages beside the error codes.
    public enum Cause {
        /// Handed to workers too often without an answer.
        public static let deliveryLimit = "DELIVERY_LIMIT"
        /// Its time to live was over before a worker took it.
        public static let expired = "EXPIRED"
        /// The broker dropped it from a queue that was too long.
        public static let tooMany = "QUEUE_TOO_LONG"
        /// A consumer refused it.
        public static let refused = "REFUSED"
        /// The broker put it here, and says no reason, or one that is not known.
        public static let unknown = "UNKNOWN"
        /// The connection to the broker ends whenever it is published.
        public static let endsConnection = "ENDS_CONNECTION"
        public static let unrouted = "UNROUTED"
        /// Not a message of ours, or of another store's images.
        public static let foreign = "NOT_OURS"
        /// Larger than any message of ours, so that its body is not kept with the dead letter.
        public static let tooLarge = "TOO_LARGE"
    }

    /// How often a dead letter may be replayed before `--force` is needed.
    public static let replayLimit = 3
}

extension DeadLetter {
    /// The dead letter of an image in Error; `nil` when it is not, or was only cancelled.
    public init?(ofFailed image: Image) {
        guard image.status == .error, let failure = image.failure, let job = failure.job else { return nil }
        self.init(
            id: DeadLetterID(known: image.id.text),
            kind: .dead,
            cause: failure.cause.code.rawValue,
            reason: failure.cause.message,
            advice: failure.cause.advice,
            step: job.step,
            job: job,
            image: image.id,
            owner: image.owner,
            attempts: failure.attempts,
            firstAt: failure.at,
            lastAt: failure.at
        )
    }

    /// The dead letter of a message that was parked or that no queue took.
    /// - Parameters:
    ///   - reason: why it was put away; `nil` when the broker did it by itself.
    ///   - death: what the broker says of it then, if anything.
    ///   - whereabouts: for a message whose body is too large to be kept: where it is now, in a sentence.
    public init(
        _ id: DeadLetterID,
        _ kind: Kind,
        of message: KeptMessage,
        reason: String?,
        death: Death? = nil,
        whereabouts: String? = nil,
        at now: Timestamp
    ) {
        let job = JobMessage(parsing: message.body)
        var told: (cause: String, reason: String) =
            switch (kind, reason) {
            case (.unrouted, _):
                (Cause.unrouted, "no queue takes the routing key '\(PlainText.word(message.routingKey))'")
            case (_, let reason?): Self.told(reason)
            case (_, nil): Self.told(death)
            }
        if let whereabouts {
            let isKnown = kind == .unrouted || reason != nil || death != nil
            told = (Cause.tooLarge, isKnown ? "\(whereabouts); \(told.reason)" : whereabouts)
        }
        self.init(
            id: id,
            kind: kind,
            cause: told.cause,
            reason: told.reason,
            advice: job?.failure?.advice,
            step: job?.job.step ?? Lane(message.routingKey)?.step,
            job: job?.job,
            image: job?.imageId,
            owner: job == nil ? Self.owner(of: message.body) : nil,
            attempts: job?.attempt,
            firstAt: now,
            lastAt: now
        )
    }

    /// The owner that a message which is no job names, as far as it can be read.
    private static func owner(of body: [UInt8]) -> Owner? {
        guard body.count <= Request.maximumBodyBytes, case .object(let fields)? = JSONValue(parsing: body),
            case .string(let text)? = fields["owner"]
        else { return nil }
        return Owner(text)
    }

    private static func told(_ death: Death?) -> (cause: String, reason: String) {
        guard let death else { return (Cause.unknown, "the broker put it here, and does not say why") }
        let cause =
            switch death.reason {
            case .expired: Cause.expired
            case .maxLength: Cause.tooMany
            case .rejected: Cause.refused
            case .deliveryLimit: Cause.deliveryLimit
            case .other: Cause.unknown
            }
        return (cause, death.sentence)
    }

    /// A reason is `CODE: message`, or a sentence of a handler to which the message means nothing.
    private static func told(_ reason: String) -> (cause: String, reason: String) {
        let parts = reason.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return (Cause.foreign, PlainText.sentence(reason)) }
        let word = String(parts[0])
        guard word == Cause.endsConnection || ErrorCode(rawValue: word) != nil else {
            return (Cause.foreign, PlainText.sentence(reason))
        }
        return (word, PlainText.sentence(String(parts[1])))
    }

    /// The request by which a dead letter's image is tried again. The same for the same replay, so that it is made
    /// once, however often it is sent.
    public var retryRequest: RequestIdentity? {
        guard kind == .dead, let owner, let id = RequestID("\(id)/replay/\(replays)") else { return nil }
        return RequestIdentity(owner: owner, requestID: id)
    }

    /// The message of that request.
    public var retryMessage: OutgoingMessage? {
        guard let retryRequest, let image else { return nil }
        let request = ImageRequest(requestID: retryRequest.requestID, owner: retryRequest.owner, imageID: image)
        var message = OutgoingMessage(
            id: retryRequest.requestID.text,
            destination: .requests,
            routingKey: Operation.retry.rawValue,
            correlationID: image.text,
            body: String(decoding: Request.retry(request).encoded, as: UTF8.self)
        )
        message.isVouchedFor = true
        return message
    }

    /// What has come back, beside what is known of it.
    public mutating func comesAgain(as other: DeadLetter) {
        state = .open
        (cause, reason, advice) = (other.cause, other.reason, other.advice)
        (step, job, attempts) = (other.step, other.job, other.attempts)
        arrivals += 1
        lastAt = other.lastAt
    }
}

/// One line of a dead letter's history.
public struct DeadLetterEvent: Codable, Equatable, Sendable {
    public enum Action: String, Codable, Sendable {
        case arrived
        case replayed
        case discarded
        /// A replay was answered with a refusal; the dead letter is open again.
        case refused
    }

    public var at: Timestamp
    /// A person (`alice@ops1`), or `goldsmith`.
    public var who: String
    public var action: Action
    public var note: String?

    public init(at: Timestamp, who: String, action: Action, note: String? = nil) {
        (self.at, self.who, self.action, self.note) = (at, who, action, note)
    }
}
