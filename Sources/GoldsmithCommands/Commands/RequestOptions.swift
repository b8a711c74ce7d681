import ArgumentParser
import ImageCore

/// What every request on behalf of an owner takes.
struct RequestOptions: ParsableArguments {
    @Option(help: "The owner asked for. Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?
    @Option(help: "The idempotency key: the same id and the same request are done once. Default: a new one.")
    var requestId: String?
}

extension RequestOptions {
    /// Sends one request and waits for its answer.
    /// - Parameter body: what the operation takes beside owner and request id.
    func ask(
        _ operation: Operation,
        _ body: some Encodable,
        _ shared: SharedOptions
    ) async throws -> (answer: Answer, settings: Settings) {
        let settings = try await shared.settings([.owner: owner])
        let request = Envelope(
            requestId: requestId ?? RequestSender.newRequestID(),
            owner: try await settings.owner().text,
            body: body
        )
        let sender = try await RequestSender(settings)
        let answer = try await sender.send(operation, request, id: request.requestId, owner: request.owner)
        return (answer, settings)
    }
}

/// A request as it goes over the wire. What it holds is judged where every request is judged, not here.
struct Envelope<Body: Encodable>: Encodable {
    var requestId: String
    var owner: String
    var body: Body

    private enum Keys: String, CodingKey {
        case requestId
        case owner
    }

    func encode(to encoder: any Encoder) throws {
        try body.encode(to: encoder)
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(requestId, forKey: .requestId)
        try container.encode(owner, forKey: .owner)
    }
}
