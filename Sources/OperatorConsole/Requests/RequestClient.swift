import ImageCore
import Logging
import Operations

/// Asks for something on an owner's behalf: the request goes into the outbox, a worker sends and answers it like any
/// upstream's, and the answer is read from the store. The console has no right to write to the broker (decision 0034).
struct RequestClient: Sendable {
    enum Outcome: Sendable {
        /// By the parser or by a worker.
        case rejected(Rejection)
        case accepted(Answer)
        /// It is on its way, and no answer came in time.
        case sent
    }

    /// How often the store is asked for the answer.
    private static let askEvery = Duration.milliseconds(100)

    let store: any RequestStore & OutboxStore
    let time: any Timekeeper
    /// How long an answer is waited for: a worker sweeps each 5 s, and then it is quick.
    let timeout: Duration

    /// - Parameters:
    ///   - identity: asked again with the same one, nothing is done twice.
    ///   - fields: what the operation takes beside owner and request id.
    ///   - who: the account that asks.
    /// - Throws: `Problem` when the store is out of reach.
    func ask(
        _ operation: Operation,
        _ identity: RequestIdentity,
        _ fields: [String: JSONValue],
        by who: String,
        _ logger: Logger
    ) async throws -> Outcome {
        let bytes = Request.encode(fields, owner: identity.owner.text, requestID: identity.requestID.text)
        let request: Request
        do {
            request = try Request.parse(operation, contentType: "application/json", messageID: nil, body: bytes)
        } catch {
            return .rejected(error.rejection)
        }
        let message = Self.message(operation, identity, String(decoding: bytes, as: UTF8.self))
        do throws(StoreError) {
            try await store.put(message, at: time.now())
        } catch {
            throw Problem(error)
        }
        var facts: Logger.Metadata = [
            "by": "\(who)", "operation": "\(operation.rawValue)", "owner": "\(identity.owner)",
            "request": "\(identity.requestID)",
        ]
        if case .string(let image)? = fields["imageId"] { facts["image.id"] = "\(image)" }
        // Of two under one id the first is sent. What was sent meanwhile is compared with its answer.
        if let first = try? await store.waiting(as: message), !Self.asks(first, for: request) {
            facts["code"] = "\(Rejection.otherRequest.code.rawValue)"
            logger.notice("operator request not sent", metadata: facts)
            return .rejected(.otherRequest)
        }
        logger.notice("operator request sent", metadata: facts)
        guard let answer = await answer(to: request) else {
            logger.notice("operator request not answered yet", metadata: facts)
            return .sent
        }
        facts["status"] = "\(answer.status.rawValue)"
        if let code = answer.code { facts["code"] = "\(code.rawValue)" }
        logger.notice("operator request answered", metadata: facts)
        return answer.rejection.map { .rejected($0) } ?? .accepted(answer)
    }

    /// - Returns: `nil` when there is none in time; a conflict when the id was used for something else.
    private func answer(to request: Request) async -> Answer? {
        let wait = AnswerWait(store: store, time: time, every: Self.askEvery, timeout: timeout)
        // It is sent; that the store is away now must not look as if it were not.
        return (try? await wait.answer(to: request.identity))?.answer(to: request.fingerprint)
    }

    /// What waits in the outbox under a request's id, whatever it asks for; `nil` when it was sent.
    static func waiting(
        _ identity: RequestIdentity,
        in outbox: some OutboxStore
    ) async throws(StoreError) -> OutgoingMessage? {
        try await outbox.waiting(as: message(.describe, identity, ""))
    }

    private static func asks(_ message: OutgoingMessage, for request: Request) -> Bool {
        let asked = Operation(rawValue: message.routingKey).flatMap {
            try? Request.parse($0, contentType: message.contentType, messageID: nil, body: Array(message.body.utf8))
        }
        return asked?.fingerprint == request.fingerprint
    }

    private static func message(_ operation: Operation, _ identity: RequestIdentity, _ body: String) -> OutgoingMessage
    {
        var message = OutgoingMessage(
            // Two owners may use the same request id.
            id: "\(identity.owner)/\(identity.requestID)",
            destination: .requests,
            routingKey: operation.rawValue,
            body: body
        )
        message.isVouchedFor = true
        return message
    }

    static func newRequestID() -> RequestID { RequestID(known: "console-" + Hex.text(RandomBytes.next(16))) }
}
