/// A message to be published. The outbox stores it whole, so that any process can send it; an event and the jobs that
/// follow from it are in the journal.
public struct OutgoingMessage: Codable, Equatable, Sendable {
    /// The row in which the store keeps a message until the broker has it.
    public enum Row: Hashable, Sendable {
        /// A row of its own, whose key is `outboxKey`.
        case outbox
        /// The row of a line of an image's history, which is an event and the jobs that were opened with it.
        case journal(ImageID, sequence: Int64)
    }

    /// Which exchange. The configured prefix is added when it is sent, so that it is not frozen into stored rows.
    public enum Destination: Codable, Hashable, Sendable {
        /// Where upstreams put theirs: for what an operator asks for on an owner's behalf, or puts back.
        case requests
        case jobs
        case retry(RetryDelay)
        case dead
        case parking
        case events
        /// The default exchange: straight to the queue an upstream named in `reply_to`.
        case reply
    }

    /// Deterministic: the same fact has the same id however often it is emitted.
    public var id: String
    public var destination: Destination
    public var routingKey: String
    /// Empty for a message that goes on without one.
    public var contentType: String
    public var correlationID: String?
    /// Where the answer goes, for a request that had such a place when it came.
    public var replyTo: String?
    /// Whether the broker's user who sends it vouches for it, as an upstream does: for a request of an operator's own,
    /// and never for one that another program has written. Absent: no.
    public var isVouchedFor: Bool?
    /// The attempt, for jobs: counted in our own header, since brokers differ in how they count theirs.
    public var attempt: Int?
    /// Why it is here, for dead letters and parked messages: in a header, so that it can be read without the body.
    public var reason: String?
    /// Goes into the headers of Trace Context. Absent without a trace.
    public var trace: TraceContext?
    public var body: String
    /// Not part of the message: it is not stored with it, nor sent. Default: the outbox.
    public var row = Row.outbox

    private enum CodingKeys: String, CodingKey {
        case id, destination, routingKey, contentType, correlationID, replyTo, isVouchedFor, attempt, reason, trace,
            body
    }

    /// How often the sweeper offers a reply, about ten seconds apart.
    public static let replyTries = 20

    /// The age at which the sweeper takes a message in the outbox for left behind, and sends it.
    public static let leftBehindAfter = Duration.seconds(10)

    /// What makes two messages in the outbox the same one. More than the id: one job may go to its queue and then to a
    /// retry delay, and one request may be answered to two senders.
    public var outboxKey: String {
        let path =
            switch destination {
            case .retry(let delay): delay.rawValue
            case .requests: "requests"
            case .jobs, .dead, .parking, .events, .reply: ""
            }
        return [id, path, isMandatory ? "" : routingKey, correlationID ?? ""].joined(separator: " ")
    }

    /// The message without its body, which stores keep beside it.
    public var envelope: OutgoingMessage {
        var envelope = self
        envelope.body = ""
        return envelope
    }

    /// Whether one row holds both, which is marked only when both are sent.
    public func sharesRow(with other: Self) -> Bool { row != .outbox && row == other.row }

    /// Whether it is an error that no queue takes the message. Events may have no subscriber, and an upstream may have
    /// stopped waiting for its answer.
    public var isMandatory: Bool {
        switch destination {
        case .requests, .jobs, .retry, .dead, .parking: true
        case .events, .reply: false
        }
    }

    public init(
        id: String,
        destination: Destination,
        routingKey: String,
        contentType: String = "application/json",
        correlationID: String? = nil,
        replyTo: String? = nil,
        attempt: Int? = nil,
        reason: String? = nil,
        body: String
    ) {
        self.id = id
        self.destination = destination
        self.routingKey = routingKey
        self.contentType = contentType
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.attempt = attempt
        self.reason = reason
        self.body = body
    }
}

/// Where an upstream wants its answer.
public struct ReplyAddress: Codable, Equatable, Sendable {
    public var queue: String
    public var correlationID: String?

    public init(queue: String, correlationID: String?) {
        self.queue = queue
        self.correlationID = correlationID
    }
}

/// A job as it stands in a queue, and a dead letter: a job with its failure.
public struct JobMessage: Codable, Equatable, Sendable {
    public var imageId: ImageID
    public var job: Job
    public var attempt: Int
    public var failure: StepFailure?

    public init(imageId: ImageID, job: Job, attempt: Int, failure: StepFailure? = nil) {
        self.imageId = imageId
        self.job = job
        self.attempt = attempt
        self.failure = failure
    }

    /// The largest job message that is looked at, in bytes. Ours take a few hundred.
    public static let maximumBytes = 64 * 1024

    /// `nil` for anything that is not one of our job messages.
    public init?(parsing body: [UInt8]) {
        guard body.count <= Self.maximumBytes else { return nil }
        if let message = Self.plain(body) {
            self = message
            return
        }
        guard let message = try? CanonicalJSON.decode(JobMessage.self, from: body), message.attempt >= 1 else {
            return nil
        }
        self = message
    }

    /// A job without a failure, as nearly all are, read without `Codable`'s cost.
    private static func plain(_ body: [UInt8]) -> JobMessage? {
        guard case .object(let fields)? = JSONValue(parsing: body), fields.count == 3,
            case .string(let image)? = fields["imageId"], let imageId = ImageID(image),
            case .string(let name)? = fields["job"], let job = Job(name),
            // A number as large as the next bound may have been rounded.
            case .number(let number)? = fields["attempt"], number < 0x1p53, let attempt = Int(exactly: number),
            attempt >= 1
        else { return nil }
        return JobMessage(imageId: imageId, job: job, attempt: attempt)
    }

    /// - Parameter host: the host of the job's lane.
    public func outgoing(to destination: OutgoingMessage.Destination, on host: HostName? = nil) -> OutgoingMessage {
        var id = "\(imageId)/\(job)/\(attempt)"
        if failure != nil { id += "/failed" }
        return OutgoingMessage(
            id: id,
            destination: destination,
            routingKey: Lane.job(job.step, on: host).description,
            correlationID: imageId.text,
            attempt: attempt,
            reason: failure.map { "\($0.code.rawValue): \($0.message)" },
            body: CanonicalJSON.text(self)
        )
    }
}

extension Effect {
    /// The message an effect sends, if it sends one.
    public func message(of image: Image) -> OutgoingMessage? {
        var message = untraced(image)
        message?.trace = image.trace
        return message
    }

    private func untraced(_ image: Image) -> OutgoingMessage? {
        switch self {
        case .enqueue(let job, let attempt, let delay):
            QueuedJob(job, attempt: attempt, after: delay, on: image.host(of: job)).message(of: image)
        case .deadLetter(let job, let attempt, let failure):
            JobMessage(imageId: image.id, job: job, attempt: attempt, failure: failure)
                .outgoing(to: .dead, on: image.host(of: job))
        case .park(let job, let attempt, let failure):
            JobMessage(imageId: image.id, job: job, attempt: attempt, failure: failure)
                .outgoing(to: .parking, on: image.host(of: job))
        case .announce(let line): CloudEvent(line, of: image).outgoing()
        case .joinLine, .takeLocks, .releaseLocks, .releaseQuota, .indexShares, .recordDeadLetter, .tell: nil
        }
    }
}

extension Answer {
    /// The reply to one request. Its id names the request, so that a requester can tell a second copy.
    /// - Parameter trace: where in a trace the request was answered.
    public func outgoing(
        to address: ReplyAddress,
        for identity: RequestIdentity?,
        under trace: TraceContext?
    ) -> OutgoingMessage {
        var message = OutgoingMessage(
            id: "reply/\(identity.map { "\($0.owner)/\($0.requestID)" } ?? "unknown")",
            destination: .reply,
            routingKey: address.queue,
            correlationID: address.correlationID,
            body: CanonicalJSON.text(self)
        )
        message.trace = trace
        return message
    }
}
