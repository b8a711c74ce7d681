public import Logging

/// Publishes with confirms over one connection, which it opens with the first message and reopens when it breaks.
///
/// Calls may overlap freely: up to ``AMQPOptions/publishWindow`` messages are on their way at once, in order of the
/// calls. A message whose confirm was lost with its connection is sent again, so it may arrive twice: give it a
/// message ID. A publish cannot be cancelled, but always ends by ``AMQPOptions/publishTimeout``.
public final class AMQPPublisher: Sendable {
    private let core: PublisherCore

    /// Starts the publisher's thread. It connects with the first message.
    ///
    /// - Parameters:
    ///   - endpoint: where the broker is, and as whom to log in.
    ///   - name: shown by the broker's tools as the connection's name.
    ///   - options: times and limits.
    ///   - logger: gets a warning when a connection is lost, and when the broker blocks publishing.
    public init(endpoint: AMQPEndpoint, name: String, options: AMQPOptions = .init(), logger: Logger) {
        core = PublisherCore(endpoint: endpoint, name: name, options: options, logger: logger)
    }

    /// Returns when the broker has taken the message over: it is in every queue it was routed to, and on disk there if it is
    /// persistent and the queue is durable.
    ///
    /// - Throws: see <doc:Publishing> for what each error means; ``AMQPError/isRetriable`` and
    ///   ``AMQPError/isAboutMessage`` say what to do.
    public func publish(_ publication: AMQPPublication) async throws(AMQPError) {
        guard let result = await publish([publication]).first else { return }
        try result.get()
    }

    /// Sends all and waits for all; one result per publication, in order. One that fails does not stop the others.
    public func publish(_ publications: [AMQPPublication]) async -> [Result<Void, AMQPError>] {
        let batch = PublishBatch(count: publications.count)
        guard !publications.isEmpty else { return [] }
        core.post(publications, batch)
        return await batch.results()
    }

    /// Whether the broker has blocked this connection (memory or disk alarm). Messages wait meanwhile.
    public var isBlocked: Bool { core.isBlocked }

    /// What its thread last noted of the connection.
    public var connectionHealth: AMQPConnectionHealth { core.connectionHealth }

    /// Fails what is not confirmed yet with ``AMQPError/Kind/closed``, and every later publish.
    public func close() async { await core.close() }
}
