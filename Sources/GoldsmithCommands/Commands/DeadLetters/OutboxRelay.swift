import AMQPClient
import Foundation
import Glibc
import ImageCore
import ImageWorker
import Logging
import RabbitMQTransport

/// Sends what a command has put into the outbox, at once rather than when a worker next looks there.
struct OutboxRelay {
    private let publisher: AMQPPublisher
    private let sender: BrokerPublisher
    private let store: any OutboxStore

    init(_ settings: Settings, _ store: any OutboxStore) async throws(CommandFailure) {
        let logger = try await settings.logger("goldsmith", level: .error)
        var options = AMQPOptions()
        options.publishTimeout = .seconds(15)
        let endpoint = try await settings.endpoint()
        publisher = AMQPPublisher(
            endpoint: endpoint,
            name: "goldsmith replay",
            options: options,
            logger: logger
        )
        sender = BrokerPublisher(
            publisher: publisher,
            topology: try await settings.topology(),
            user: endpoint.user,
            time: SystemTime(),
            logger: logger
        )
        self.store = store
    }

    /// - Returns: whether the broker has them all. What it has not stays in the outbox.
    func send(_ messages: [OutgoingMessage]) async -> Bool {
        // What the broker refuses for good stays, too: a worker sets it aside.
        let confirmed = await sender.publish(messages).confirmed
        // If this fails, a worker sends them once more, and every consumer knows duplicates.
        try? await store.markSent(confirmed)
        return confirmed.count == messages.count
    }

    func close() async { await publisher.close() }
}

/// The person at the terminal.
enum Operator {
    /// `alice@ops1`. With sudo, its caller.
    static var name: String {
        let user =
            ProcessInfo.processInfo.environment["SUDO_USER"]
            ?? getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid-\(getuid())"
        return PlainText.word(user) + "@" + WorkerID.host
    }
}
