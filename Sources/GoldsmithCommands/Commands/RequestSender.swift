import AMQPClient
import FoundationEssentials
import ImageCore
import ImageWorker
import Logging
import Operations
import RabbitMQTransport

/// Puts a request on the broker as an upstream would, and reads the recorded answer from the store.
struct RequestSender {
    private let settings: Settings
    private let store: any ImageStore
    private let publisher: AMQPPublisher
    private let exchange: String
    private let user: String

    /// How long to wait for an answer before reporting that no worker seems to run.
    private static let timeout = Duration.seconds(60)

    init(_ settings: Settings) async throws(CommandFailure) {
        self.settings = settings
        store = try await settings.openStore()
        var options = AMQPOptions()
        options.publishTimeout = .seconds(15)
        let endpoint = try await settings.endpoint()
        user = endpoint.user
        publisher = AMQPPublisher(
            endpoint: endpoint,
            name: "goldsmith request",
            options: options,
            logger: try await settings.logger("goldsmith", level: .error)
        )
        exchange = try await settings.topology().requests
    }

    static func newRequestID() -> String { UUID().uuidString.lowercased() }

    /// - Returns: the answer, when it was not a rejection.
    func send(
        _ operation: Operation,
        _ fields: [String: JSONValue],
        id: String,
        owner: Owner
    ) async throws(CommandFailure) -> Answer {
        guard let requestID = RequestID(id) else {
            throw CommandFailure(.usage, "--request-id is not valid: \(RequestID.sentence)")
        }
        let message = AMQPMessage(
            body: Request.encode(fields, owner: owner.text, requestID: id),
            contentType: "application/json",
            messageID: id,
            appID: "goldsmith",
            userID: user
        )
        do {
            try await publisher.publish(
                AMQPPublication(exchange: exchange, routingKey: operation.rawValue, message: message)
            )
        } catch {
            let isBlocked = publisher.isBlocked
            await publisher.close()
            guard isBlocked else { throw CommandFailure(error) }
            throw CommandFailure(
                .unavailable,
                "the broker takes no messages: a memory or disk alarm blocks publishers",
                advice: """
                    there, `rabbitmq-diagnostics alarms` names it; this request may still be taken when it clears, so ask \
                    again with --request-id \(id)
                    """
            )
        }
        await publisher.close()
        // One that cannot be read is refused by the worker, under no fingerprint of its own.
        let request = try? Request.parse(
            operation,
            contentType: message.contentType,
            messageID: message.messageID,
            body: message.body
        )
        let identity = RequestIdentity(owner: owner, requestID: requestID)
        let answer = try await answer(to: identity, request?.fingerprint)
        if let rejection = answer.rejection { throw CommandFailure(rejection, of: operation) }
        return answer
    }

    /// - Parameter fingerprint: of what was asked: the id may have been used for something else.
    private func answer(
        to identity: RequestIdentity,
        _ fingerprint: String?
    ) async throws(CommandFailure) -> Answer {
        let wait = AnswerWait(store: store, time: SystemTime(), every: .milliseconds(50), timeout: Self.timeout)
        let recorded = try await stored { () async throws(StoreError) in try await wait.answer(to: identity) }
        if let recorded { return fingerprint.map { recorded.answer(to: $0) } ?? recorded.answer }
        throw CommandFailure(
            .unavailable,
            "the broker has the request, but no worker has answered it yet",
            advice: """
                it waits: what a worker cannot judge now is taken up again by itself, and this request can be repeated with \
                --request-id \(identity.requestID). `goldsmith worker list` says what workers cannot do. Is one running that \
                serves 'intake', and may the broker's user '\(user)' ask for this owner \
                (\(SettingKey.upstreams.environmentName) of the workers)? `goldsmith queue list` shows its consumers
                """
        )
    }
}
