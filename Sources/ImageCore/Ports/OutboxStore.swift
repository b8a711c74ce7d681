/// The messages that a transaction wrote and the broker has not yet confirmed, in the outbox or with a line of the
/// journal, and the requests of a process that may not write to the broker itself. Every function is one transaction.
public protocol OutboxStore: Sendable {
    /// Messages that were written before `moment`, or by a clock that was wrong after `future`, and are still here;
    /// oldest first.
    /// - Parameter limit: of rows; all messages of a row come together.
    func unsent(
        before moment: Timestamp,
        after future: Timestamp,
        limit: Int
    ) async throws(StoreError) -> UnsentMessages
    /// Notes that the broker has these messages. They are all messages of their rows.
    func markSent(_ messages: [OutgoingMessage]) async throws(StoreError)
    /// Moves messages that were not confirmed behind the others, so that a message that no queue takes delays nothing
    /// else. A reply is dropped after `OutgoingMessage.replyTries` tries: a client that still wants it asks again.
    func markUnsent(_ messages: [OutgoingMessage], at now: Timestamp) async throws(StoreError)
    /// Moves rows that cannot be read behind the others, so that any number of them delays nothing else.
    func moveBehind(_ rows: [UnreadableRow], at now: Timestamp) async throws(StoreError)

    // MARK: Requests

    /// Puts a request into the outbox. The next sweep of a worker sends it, within `sweepEvery`. A request whose id is
    /// already there is the same request and is not added twice.
    func put(_ request: OutgoingMessage, at now: Timestamp) async throws(StoreError)
    /// The message in the outbox with this one's id; `nil` once it was sent.
    func waiting(as request: OutgoingMessage) async throws(StoreError) -> OutgoingMessage?
}

extension OutboxStore {
    /// Messages that were written before `moment` and are still here, oldest first; rows that cannot be read are left out.
    public func unsent(before moment: Timestamp, limit: Int) async throws(StoreError) -> [OutgoingMessage] {
        try await unsent(before: moment, after: Timestamp(microseconds: .max), limit: limit).messages
    }
}

/// What waits to be sent.
public struct UnsentMessages: Equatable, Sendable {
    /// The oldest first.
    public var messages: [OutgoingMessage]
    /// How many rows were found, including unreadable ones.
    public var rows: Int
    /// Their messages wait until an operator repairs or deletes the rows.
    public var unreadable: [UnreadableRow]

    public init(messages: [OutgoingMessage], rows: Int, unreadable: [UnreadableRow]) {
        self.messages = messages
        self.rows = rows
        self.unreadable = unreadable
    }
}

/// A row with messages that the store cannot read: it was damaged, or written by another program.
public struct UnreadableRow: Equatable, Sendable, CustomStringConvertible {
    /// Ordered, so that two transactions that change the same rows do not each wait for the other.
    public enum Key: Comparable, Sendable {
        /// Of the table `outbox`.
        case outbox(String)
        /// Of the table `journal`; the image's id as it stands there.
        case journal(image: String, sequence: Int64)
    }

    public var key: Key
    /// What cannot be read.
    public var problem: String

    public init(_ key: Key, problem: String) {
        self.key = key
        self.problem = problem
    }

    public var description: String {
        switch key {
        case .outbox(let id): "outbox, id \(id): \(problem)"
        case .journal(let image, let sequence): "journal, image_id \(image), sequence \(sequence): \(problem)"
        }
    }
}
