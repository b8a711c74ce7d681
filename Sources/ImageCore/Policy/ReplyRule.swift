import FoundationEssentials

/// Which queues answers are sent to.
///
/// An answer goes to the queue that `reply_to` names, through the default exchange, so a sender could name any queue of
/// the virtual host: one of ours, where the answer would be no message of its kind, or an address at which some brokers
/// end the connection of a client that publishes to it.
public struct ReplyRule: Equatable, Sendable {
    /// What the names of this installation's own queues begin with, before the first dot.
    public var prefix: String

    public init(prefix: String) { self.prefix = prefix }

    /// What the broker makes of `amq.rabbitmq.reply-to` when it takes a request over: this, and a token.
    static let directReply = "amq.rabbitmq.reply-to."
    /// The prefix of queues that the broker names.
    static let brokerNamed = "amq.gen-"

    /// Why no answer can go to `replyTo`; `nil` when one can, or when none is asked for.
    ///
    /// Whether this broker issued a direct reply-to cannot be checked: its token names a node by a number, and a
    /// broker may have many nodes. Only its form is judged.
    public func refusal(of replyTo: String?) -> Rejection? {
        guard let name = replyTo, !name.isEmpty else { return nil }
        let problem: String
        if name.unicodeScalars.contains("\u{FFFD}") {
            problem = "is no UTF-8"
        } else if name.hasPrefix("\(prefix).") {
            // The producer's own queues are there for answers.
            guard !name.hasPrefix("\(prefix).producer.") else { return nil }
            problem = "is a queue of Goldsmith's own"
        } else if name.hasPrefix("amq.") {
            if name.hasPrefix(Self.brokerNamed), name.utf8.count > Self.brokerNamed.utf8.count { return nil }
            if name.hasPrefix(Self.directReply), Self.isToken(name.dropFirst(Self.directReply.count)) { return nil }
            problem = "is no address that a broker gives out"
        } else {
            return nil
        }
        return Rejection(
            .invalidArgument,
            "reply_to '\(PlainText.word(name))' \(problem): no answer can be sent there",
            field: "reply_to"
        )
    }

    /// A process of a node in Erlang's own form, and mostly a key, both in base64.
    private static func isToken(_ token: Substring) -> Bool {
        let parts = token.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let process = Data(base64Encoded: String(first)), isProcess([UInt8](process))
        else { return false }
        guard parts.count == 2 else { return true }
        return Data(base64Encoded: String(parts[1])).map { !$0.isEmpty } == true
    }

    /// The version, a tag, the node's name as an atom, then numbers of a known length.
    private static func isProcess(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 4, bytes[0] == 131 else { return false }
        let numbers: Int
        switch bytes[1] {
        case 88: numbers = 12  // NEW_PID_EXT
        case 103: numbers = 9  // PID_EXT
        default: return false
        }
        let (begin, length): (Int, Int)
        switch bytes[2] {
        case 100, 118: (begin, length) = (5, Int(bytes[3]) << 8 | Int(bytes[4]))  // ATOM_EXT, ATOM_UTF8_EXT
        case 115, 119: (begin, length) = (4, Int(bytes[3]))  // SMALL_ATOM_EXT, SMALL_ATOM_UTF8_EXT
        default: return false
        }
        guard bytes.count == begin + length + numbers else { return false }
        return bytes[begin..<begin + length].contains(UInt8(ascii: "@"))
    }
}
