public struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// Out of reach, busy, full, not allowed or restarting: the same call may work later.
        case unavailable
        /// The database gave a reason that this program does not know. The same call may work later.
        case unknown
        /// The database never takes what it was given: a fault of the program, or of tables that were changed by hand.
        case refused
        /// What was read is not what was written, or the schema is not ours. A human is needed.
        case unreadable
        /// The database says that its own data is damaged. A human is needed.
        case damaged

        /// Whether the same call may work later.
        public var mayPass: Bool {
            switch self {
            case .unavailable, .unknown: true
            case .refused, .unreadable, .damaged: false
            }
        }
    }

    public var kind: Kind
    public var message: String
    /// What can be done about it, where more is known than the kind.
    public var advice: String?

    public init(_ kind: Kind, _ message: String, advice: String? = nil) {
        self.kind = kind
        self.message = message
        self.advice = advice
    }

    public var description: String { "store \(kind.rawValue): \(message)" + (advice.map { "; \($0)" } ?? "") }
}
