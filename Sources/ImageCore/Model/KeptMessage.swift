import FoundationEssentials

/// A message as it came, kept with its dead letter so that it can be sent again.
public struct KeptMessage: Equatable, Sendable {
    public var routingKey: String
    public var contentType: String?
    public var messageID: String?
    public var correlationID: String?
    public var replyTo: String?
    /// The trace in which it was sent. Absent without a trace.
    public var trace: TraceContext?
    /// As it came; empty when it was too large to be kept.
    public var body: [UInt8]
    /// The size of a body that was too large to be kept. Absent: the body is here.
    public var bodyBytes: Int?

    /// The largest body that is kept: no message of the contract is larger, so that no handler would take one.
    public static let bodyLimit = Request.maximumBodyBytes

    public init(
        routingKey: String,
        contentType: String?,
        messageID: String?,
        correlationID: String?,
        replyTo: String?,
        trace: TraceContext? = nil,
        body: [UInt8]
    ) {
        self.routingKey = routingKey
        self.contentType = contentType
        self.messageID = messageID
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.trace = trace
        self.body = body
    }

    /// The body for people and for publishing; `nil` when it is not UTF-8, or is not here.
    public var text: String? { bodyBytes == nil ? String(validating: body, as: UTF8.self) : nil }

    /// The same without its body, of which only the size is left.
    public var withoutBody: KeptMessage {
        var kept = self
        (kept.body, kept.bodyBytes) = ([], body.count)
        return kept
    }

    /// Why there is no `replay`.
    public static let notReplayableReason =
        "there is no queue to put it back into: its routing key is no operation and no step, it is no text, or it is too large"

    private static let replayMark = "/replay/"

    /// Whether a message's id was given to it by `replay`.
    public func isReplayID(_ id: String) -> Bool { id.hasPrefix("msg-") && id.contains(Self.replayMark) }

    /// The message that replays it: to the exchange its routing key belongs to. `nil` when that is no
    /// operation and no step, or the body is no text: it would only come back.
    ///
    /// No user vouches for a request that is put back. Its sender's rights are unknown by then, and it must not get the
    /// rights of the person who puts it back.
    /// - Parameter number: which replay this is, from 1.
    public func replay(_ number: Int, of deadLetter: DeadLetterID) -> OutgoingMessage? {
        guard let text else { return nil }
        let id = "\(deadLetter)\(Self.replayMark)\(number)"
        var message: OutgoingMessage
        if Lane(routingKey)?.step != nil {
            message = OutgoingMessage(
                id: id,
                destination: .jobs,
                routingKey: routingKey,
                contentType: contentType ?? "",
                correlationID: correlationID,
                body: text
            )
        } else if Operation(rawValue: routingKey) != nil {
            message = OutgoingMessage(
                // It stands in for a missing request id, so what came with the request stays.
                id: messageID ?? id,
                destination: .requests,
                routingKey: routingKey,
                contentType: contentType ?? "",
                correlationID: correlationID,
                replyTo: replyTo,
                body: text
            )
        } else {
            return nil
        }
        message.trace = trace
        return message
    }
}

/// As JSON: the body as text where it is one, else in base 64.
extension KeptMessage: Codable {
    private enum CodingKeys: String, CodingKey {
        case routingKey, contentType, messageId, correlationId, replyTo, trace, text, base64, bodyBytes
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let body: [UInt8]
        let bodyBytes = try fields.decodeIfPresent(Int.self, forKey: .bodyBytes)
        if bodyBytes != nil {
            body = []
        } else if let text = try fields.decodeIfPresent(String.self, forKey: .text) {
            body = Array(text.utf8)
        } else {
            body = Array(try fields.decode(Data.self, forKey: .base64))
        }
        self.init(
            routingKey: try fields.decode(String.self, forKey: .routingKey),
            contentType: try fields.decodeIfPresent(String.self, forKey: .contentType),
            messageID: try fields.decodeIfPresent(String.self, forKey: .messageId),
            correlationID: try fields.decodeIfPresent(String.self, forKey: .correlationId),
            replyTo: try fields.decodeIfPresent(String.self, forKey: .replyTo),
            trace: try fields.decodeIfPresent(TraceContext.self, forKey: .trace),
            body: body
        )
        self.bodyBytes = bodyBytes
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(routingKey, forKey: .routingKey)
        try fields.encodeIfPresent(contentType, forKey: .contentType)
        try fields.encodeIfPresent(messageID, forKey: .messageId)
        try fields.encodeIfPresent(correlationID, forKey: .correlationId)
        try fields.encodeIfPresent(replyTo, forKey: .replyTo)
        try fields.encodeIfPresent(trace, forKey: .trace)
        if let bodyBytes {
            try fields.encode(bodyBytes, forKey: .bodyBytes)
        } else if let text {
            try fields.encode(text, forKey: .text)
        } else {
            try fields.encode(Data(body), forKey: .base64)
        }
    }
}
