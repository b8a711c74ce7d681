/// How a message became a dead letter, as the broker says in its headers.
public struct Death: Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        /// Its time to live was over before it was handed out.
        case expired
        /// Its queue was too long.
        case maxLength
        /// Its consumer refused it.
        case rejected
        /// It was handed out too often without being settled.
        case deliveryLimit
        /// A word that this version does not know, as it came.
        case other(String)

        public init(_ word: String) {
            switch word {
            case "expired": self = .expired
            case "maxlen": self = .maxLength
            case "rejected": self = .rejected
            case "delivery_limit": self = .deliveryLimit
            case let word: self = .other(word)
            }
        }
    }

    public var reason: Reason
    /// The queue it was in.
    public var queue: String

    public init(_ reason: Reason, in queue: String) {
        self.reason = reason
        self.queue = queue
    }

    /// The newest death, which is why a message is where it is.
    /// - Parameters:
    ///   - entries: of `x-death`: RabbitMQ puts the newest first.
    ///   - last: of `x-last-death-reason` and `x-last-death-queue`, which RabbitMQ 4 adds. On another broker a sender may
    ///     have copied them from elsewhere, so they count only when `entries` has the same.
    ///   - first: of `x-first-death-…`, for a message whose `x-death` is missing.
    public static func newest(of entries: [Death], last: Death?, first: Death?) -> Death? {
        if let last, entries.contains(last) { return last }
        return entries.first ?? last ?? first
    }

    /// Whether it lay in a queue, so that no worker has had a hand in it.
    public var isUnserved: Bool {
        switch reason {
        case .expired, .maxLength: true
        case .rejected, .deliveryLimit, .other: false
        }
    }

    /// What happened, in a sentence about "it".
    public var sentence: String {
        let place = PlainText.word(queue)
        return switch reason {
        case .expired: "it expired in the queue \(place) before a worker took it"
        case .maxLength: "the broker dropped it from the queue \(place), which was too long"
        case .rejected: "a consumer of the queue \(place) refused it"
        case .deliveryLimit: "it was handed to workers too often without an answer; it may have ended them"
        case .other(let word):
            "the broker took it out of the queue \(place), for a reason that is not known here: '\(PlainText.word(word))'"
        }
    }
}
