import ImageCore

extension FuzzTarget {
    /// An upstream's request: a line with the operation, one with the content type, one with the message id, the body. An
    /// empty line is an absent property.
    static let requests = FuzzTarget(name: "requests") { input throws(BrokenPromise) in
        var lines = Lines(input)
        let operation = Operation(rawValue: lines.next()) ?? .create
        let (contentType, messageID) = (lines.next(), lines.next())
        let message = RequestInput(
            operation: operation,
            contentType: contentType.isEmpty ? nil : contentType,
            messageID: messageID.isEmpty ? nil : messageID,
            body: lines.remainder
        )
        // Looked for in whatever comes, and never found in what has been read: there each key stands once.
        _ = JSONValue.repeatedKey(in: message.body)
        if let value = JSONValue(parsing: message.body) {
            try promise(JSONValue.repeatedKey(in: CanonicalJSON.bytes(value)) == nil, "a key is found twice")
        }
        let outcome = message.outcome
        try promise(outcome == message.outcome, "the same request is answered differently")
        switch outcome {
        case .success(let request): try checkAccepted(request, message)
        case .failure(let refused): try checkRefused(refused, message)
        }
    }
}

private struct RequestInput {
    var operation: Operation
    var contentType: String?
    var messageID: String?
    var body: [UInt8]

    var outcome: Result<Request, UnusableRequest> {
        do throws(UnusableRequest) {
            return .success(
                try Request.parse(operation, contentType: contentType, messageID: messageID, body: body)
            )
        } catch {
            return .failure(error)
        }
    }

    /// The same JSON, spelt in the one way we spell it.
    var respelt: RequestInput? {
        guard let value = JSONValue(parsing: body) else { return nil }
        var copy = self
        copy.body = CanonicalJSON.bytes(value)
        return copy
    }
}

private func checkAccepted(_ request: Request, _ message: RequestInput) throws(BrokenPromise) {
    let identity = request.identity
    try promise(Owner(identity.owner.text) == identity.owner, "an owner that is none")
    try promise(RequestID(identity.requestID.text) == identity.requestID, "a request id that is none")

    guard let respelt = message.respelt else { throw BrokenPromise("understood, but not JSON") }
    guard case .success(let again) = respelt.outcome, again.fingerprint == request.fingerprint else {
        throw BrokenPromise("another spelling of the same JSON is another request")
    }
    // What was understood, written out in full, is understood as the same.
    var full = message
    full.body = CanonicalJSON.bytes(request.asJSON)
    guard case .success(let same) = full.outcome, same == request, same.fingerprint == request.fingerprint else {
        throw BrokenPromise("parsed, written and parsed again it is another request")
    }
    try promise(request.operation == message.operation, "it is another operation")
    guard case .create(let create) = request else { return }
    let stored = try? CanonicalJSON.decode(CreateRequest.self, from: CanonicalJSON.bytes(create))
    try promise(stored == create, "the request cannot be stored")
    try promise(create.name.utf8.count <= 128 && create.details.utf8.count <= 1024, "unbounded text")
    try promise(create.labels.count <= 32 && create.labels.allSatisfy { $1.utf8.count <= 252 }, "unbounded labels")
}

private func checkRefused(_ refused: UnusableRequest, _ message: RequestInput) throws(BrokenPromise) {
    let rejection = refused.rejection
    switch rejection.code {
    case .invalidArgument, .outOfRange, .duplicate, .failedPrecondition: break
    default: throw BrokenPromise("refused with \(rejection.code.rawValue)")
    }
    guard let field = rejection.field else { throw BrokenPromise("refused without a field") }
    // The longest is a disk's unknown field: 64 scalars of at most four bytes behind its path.
    try promiseShowable(field, atMost: 300, "the field's name")
    try promiseShowable(rejection.message, atMost: 1024, "the message")

    // A key that stands twice is a matter of spelling.
    if let respelt = message.respelt, respelt.body.count <= Request.maximumBodyBytes,
        JSONValue.repeatedKey(in: message.body) == nil
    {
        guard case .failure(let again) = respelt.outcome, again == refused else {
            throw BrokenPromise("another spelling of the same JSON is refused differently")
        }
    }
    guard let identity = refused.identity else { return }
    let event = CloudEvent(rejected: rejection, of: identity, at: Timestamp(microseconds: 0))
    let answer = Answer.rejected(rejection)
    let address = ReplyAddress(queue: "q", correlationID: nil)
    for outgoing in [event.outgoing(), answer.outgoing(to: address, for: identity, under: nil)] {
        try promise(outgoing.id.utf8.count <= 255 && outgoing.routingKey.utf8.count <= 255, "it cannot be published")
    }
    try promise(event.outgoing().routingKey.split(separator: ".").count == 3, "a topic with a word too many")
    let told = try? CanonicalJSON.decode(Answer.self, from: CanonicalJSON.bytes(answer))
    try promise(told == answer && told?.rejection == rejection, "the answer cannot be stored")
}
