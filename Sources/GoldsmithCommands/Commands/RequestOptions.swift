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
    /// - Parameter fields: what the operation takes beside owner and request id. It is judged where every request is.
    func ask(
        _ operation: Operation,
        _ fields: [String: JSONValue],
        _ shared: SharedOptions
    ) async throws -> (answer: Answer, settings: Settings) {
        let settings = try await shared.settings([.owner: owner])
        let owner = try await settings.owner()
        let sender = try await RequestSender(settings)
        let answer = try await sender.send(
            operation,
            fields,
            id: requestId ?? RequestSender.newRequestID(),
            owner: owner
        )
        return (answer, settings)
    }
}
