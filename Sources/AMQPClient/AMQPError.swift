/// Why an AMQP call failed. Never contains a password.
public struct AMQPError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it is. A new version may have more: give a `switch` a `default`.
    public enum Kind: String, Sendable, Hashable {
        /// The URL cannot be used as it is, or a TLS file cannot be read.
        case invalidEndpoint
        /// No connection could be made: address, TCP, TLS or handshake.
        case connectionFailed
        /// The broker refused the user, the password or the virtual host.
        case authenticationFailed
        /// An established connection broke before the call was answered.
        case connectionLost
        /// The deadline passed. A publish which timed out may still reach its queue.
        case timedOut
        /// No queue is bound for a mandatory message. The broker did not keep it.
        case unroutable
        /// The broker answered basic.nack, for example because a queue is full (`x-overflow: reject-publish`).
        case rejectedByBroker
        /// The connection ended each time this message was offered, at last while no other was on its way: the message is
        /// the cause. ``AMQPError/code`` is that of the last end. It is not offered again by itself.
        case endsConnection
        /// The broker closed the channel; ``AMQPError/code`` is its reply code (403, 404, 405, 406 …).
        case channelClosed
        /// A header table, an argument table or a short string does not fit in its frame. Nothing was sent.
        case tableTooBig
        /// The body is bigger than ``AMQPOptions/maximumBodyBytes``. Nothing was sent.
        case messageTooBig
        /// The object was closed by its owner.
        case closed
    }

    /// What went wrong, for programs.
    public let kind: Kind
    /// The broker's AMQP reply code (positive), librabbitmq's status (negative), or 0.
    public let code: Int
    /// What went wrong, for people: one line, often the broker's own words. Not a promise.
    public let text: String

    /// An error as this library makes them; for tests of what handles them.
    public init(_ kind: Kind, code: Int = 0, _ text: String) {
        self.kind = kind
        self.code = code
        self.text = text
    }

    /// Whether the same call may succeed later without anything being changed.
    public var isRetriable: Bool {
        switch kind {
        case .connectionFailed, .connectionLost, .timedOut, .rejectedByBroker: true
        // 5xx are the broker's own troubles; 4xx tell that the request itself is wrong.
        case .channelClosed: code >= 500
        case .invalidEndpoint, .authenticationFailed, .unroutable, .tableTooBig, .messageTooBig, .endsConnection,
            .closed:
            false
        }
    }

    /// Whether the message itself is why it was not published, so that offering it again changes nothing.
    public var isAboutMessage: Bool {
        switch kind {
        case .tableTooBig, .messageTooBig, .endsConnection: true
        // 406: too large for this broker, another user's name, an expiration that is no number.
        case .channelClosed: code == 406
        case .invalidEndpoint, .connectionFailed, .authenticationFailed, .connectionLost, .timedOut, .unroutable,
            .rejectedByBroker, .closed:
            false
        }
    }

    /// Kind, code (unless it is 0) and text in one line.
    public var description: String {
        code == 0 ? "\(kind.rawValue): \(text)" : "\(kind.rawValue) (\(code)): \(text)"
    }
}
